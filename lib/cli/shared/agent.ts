/** Agent forwarding of `ssh`. */
import type { Client } from "../../client/client.ts";
import type { Channel } from "../../connection/channel.ts";
import { HostKeyError, RequestDeniedError } from "../../errors.ts";
import { agentPath, socketPath } from "../../login/agent_keys.ts";
import { knownAs } from "../../login/host_keys.ts";
import { hostTrust } from "../../login/host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";

/** Lends the agent to a session if the options ask for it; a refusal is only logged. */
export async function lendAgent(
  client: Client,
  channel: Channel,
  options: SshOptions,
  log: Log,
): Promise<void> {
  const { ForwardAgent = false } = options;
  if (ForwardAgent === false) return;
  const path = ForwardAgent === true ? agentPath(options) : socketPath(ForwardAgent);
  if (path === null) return;
  if (!await isKnown(client, options, log)) {
    log.info("Agent forwarding is disabled, because the host key differs from the known one.");
    return;
  }
  try {
    log.verbose("Requesting authentication agent forwarding.");
    await client.forwardAgent(channel, path);
  } catch (error) {
    if (!(error instanceof RequestDeniedError)) throw error;
    log.verbose("The server refused agent forwarding.");
  }
}

/** Whether the host key is the known one; lax checking accepts others, too. */
async function isKnown(client: Client, options: SshOptions, log: Log): Promise<boolean> {
  const strict = { ...options, StrictHostKeyChecking: "yes" } as const;
  const { policy } = hostTrust(strict, { ask: null, report: log });
  const { hostKey } = client.info;
  const host = knownAs(client.info.host, options);
  try {
    return await policy.verify(host, hostKey);
  } catch (error) {
    return error instanceof HostKeyError && error.reason === "unknown";
  }
}
