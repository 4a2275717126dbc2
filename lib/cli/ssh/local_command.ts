import type { Client } from "../../client/client.ts";
import { checkHost } from "../../config/shell_safe.ts";
import { expandTokens } from "../../config/tokens.ts";
import { encodeBase64 } from "../../encoding.ts";
import { knownAs } from "../../login/host_keys.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { Log } from "../shared/log.ts";
import type { SshOptions } from "../shared/ssh_options.ts";

/**
 * Runs LocalCommand in the user's shell, if PermitLocalCommand allows it, and waits for its end. As in ssh,
 * it runs once per connection: on a shared one the control master has run it.
 */
export async function runLocalCommand(
  client: Client,
  options: SshOptions,
  log: Log,
): Promise<void> {
  const { LocalCommand, PermitLocalCommand } = options;
  if (!LocalCommand || !PermitLocalCommand || client.info.shared) return;
  const { host, hostKey } = client.info;
  const command = expandTokens(LocalCommand, {
    f: () => hostKey.fingerprint(),
    H: () => checkHost(knownAs(host, options).hostname),
    I: () => "HOSTNAME",
    K: () => encodeBase64(hostKey.blob),
    T: () => "NONE",
    t: () => hostKey.type,
  });
  log.verbose(`Executing local command: ${command}`);
  const { code } = await runtime.programs.output(runtime.env.get("SHELL") || "/bin/sh", {
    args: ["-c", command],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  if (code !== 0) log.verbose(`The local command ended with ${code}`);
}
