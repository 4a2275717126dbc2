/** X11 forwarding of `ssh`: -X, -Y. */
import type { Client } from "../../client/client.ts";
import type { Channel } from "../../connection/channel.ts";
import type { X11Authority } from "../../connection/x11_setup.ts";
import { RequestDeniedError } from "../../errors.ts";
import { decodeAuthorities } from "../../forward/x11_authority.ts";
import { runtime } from "../../runtime/runtime.ts";
import { messageOf } from "../shared/failure.ts";
import type { Log } from "../shared/log.ts";
import type { SshOptions } from "../shared/ssh_options.ts";
import { plainMessage } from "../../error_messages.ts";

/** The default of ForwardX11Timeout: how long the secret for untrusted X clients is valid. */
const UNTRUSTED_MS = 1_200_000;

/** Lends the display to a session if the options ask for it; a failure does not end the session. */
export async function lendScreen(
  client: Client,
  channel: Channel,
  options: SshOptions,
  log: Log,
): Promise<void> {
  if (!options.ForwardX11) return;
  const display = runtime.env.get("DISPLAY");
  if (!display) return log.verbose("X11 forwarding requested but DISPLAY not set");
  const onError = (error: unknown) => log.verbose(`X11: ${messageOf(error)}`);
  try {
    // Untrusted X clients get a separate secret, with which they cannot watch other clients.
    const own = options.ForwardX11Trusted ? {} : { authority: await untrusted(display, options) };
    log.verbose("Requesting X11 forwarding with authentication spoofing.");
    await client.forwardX11(channel, { display, onError, ...own });
  } catch (error) {
    if (error instanceof RequestDeniedError) log.info("X11 forwarding request failed");
    else if (error instanceof UntrustedError) log.info(`Warning: ${plainMessage(error)}`);
    else log.info(`Warning: X11 forwarding failed: ${messageOf(error)}`);
  }
}

class UntrustedError extends Error {}

/** Asks the X server for a secret for untrusted X clients. */
async function untrusted(display: string, options: SshOptions): Promise<X11Authority> {
  const seconds = Math.ceil((options.ForwardX11Timeout ?? UNTRUSTED_MS) / 1000);
  const folder = await runtime.files.makeTempDir({ prefix: "ssh-x11-" });
  try {
    const file = `${folder}/xauthfile`;
    const words = ["MIT-MAGIC-COOKIE-1", "untrusted", "timeout", `${seconds}`];
    const output = await runtime.programs.output("xauth", {
      args: ["-q", "-f", file, "generate", display, ...words],
      stdin: "null",
    });
    const [entry] = output.success ? decodeAuthorities(await runtime.files.readFile(file)) : [];
    if (entry) return entry;
    throw new Error(new TextDecoder().decode(output.stderr).trim());
  } catch (cause) {
    const message = "untrusted X11 forwarding setup failed: xauth key data not generated";
    throw new UntrustedError(message, { cause });
  } finally {
    await runtime.files.remove(folder, { recursive: true });
  }
}
