/** The agent as `ssh` uses it: its keys for logging in, and lent to the server. */
import { connectAgent } from "../agent/client.ts";
import type { Client } from "../client/client.ts";
import { expandHome } from "../client/identity.ts";
import type { Channel } from "../connection/channel.ts";
import { HostKeyError, RequestDeniedError, SshError } from "../errors.ts";
import type { Signer } from "../keys/private_key.ts";
import { hostTrust } from "./host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";

/** Keys tried of one agent: servers disconnect long before. */
const MAX_KEYS = 32;

/** The keys of the agent that the options name; none if there is no agent. Each signs by itself. */
export async function agentKeys(options: SshOptions, log: Log): Promise<Signer[]> {
  const path = agentPath(options);
  if (path === null) return [];
  try {
    await using agent = await connectAgent(path);
    const keys = await agent.identities();
    return keys.slice(0, MAX_KEYS).map(({ publicKey }) => ({
      publicKey,
      async sign(algorithm, data) {
        await using agent = await connectAgent(path);
        return await agent.sign(publicKey, algorithm, data);
      },
    }));
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    log.verbose(`${error.message}: its keys are not tried.`);
    return [];
  }
}

/** Lends the agent to a session if the options ask for it; a server that wants none gets none. */
export async function lendAgent(
  client: Client,
  channel: Channel,
  options: SshOptions,
  log: Log,
): Promise<void> {
  const { ForwardAgent = "no" } = options;
  if (/^(no|false)$/i.test(ForwardAgent)) return;
  const path = /^(yes|true)$/i.test(ForwardAgent) ? agentPath(options) : resolve(ForwardAgent);
  if (path === null) return;
  if (!await isKnown(client, options, log)) {
    log.info("Agent forwarding is disabled, since the host key is not the known one.");
    return;
  }
  try {
    log.verbose("Requesting authentication agent forwarding.");
    await client.forwardAgent(channel, path);
  } catch (error) {
    if (!(error instanceof RequestDeniedError)) throw error;
    log.verbose("The server does not want the agent.");
  }
}

/** Whether the host key is not another one than the known, which lax checking lets pass. */
async function isKnown(client: Client, options: SshOptions, log: Log): Promise<boolean> {
  const nobody = () => Promise.resolve(null);
  const { policy } = hostTrust({ ...options, StrictHostKeyChecking: "yes" }, nobody, log);
  const { host, hostKey } = client.info;
  try {
    return await policy.verify(host, hostKey);
  } catch (error) {
    return error instanceof HostKeyError && error.reason === "unknown";
  }
}

/** The path of the agent's socket, or null if there is none. */
function agentPath({ IdentityAgent = "SSH_AUTH_SOCK" }: SshOptions): string | null {
  if (/^none$/i.test(IdentityAgent)) return null;
  return resolve(IdentityAgent === "SSH_AUTH_SOCK" ? "$SSH_AUTH_SOCK" : IdentityAgent);
}

/** A path, or the variable with a path that `$NAME` stands for. */
function resolve(text: string): string | null {
  if (!text.startsWith("$")) return expandHome(text);
  return Deno.env.get(text.slice(1).replace(/^\{(.*)\}$/, "$1")) || null;
}
