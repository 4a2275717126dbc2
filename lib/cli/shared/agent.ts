/** The agent as `ssh` uses it: its keys for logging in, and lent to the server. */
import { connectAgent } from "../../agent/client.ts";
import { tryBind } from "../../agent/session_bind.ts";
import type { Client } from "../../client/client.ts";
import { expandHome } from "../../login/key_files.ts";
import type { Channel } from "../../connection/channel.ts";
import { HostKeyError, RequestDeniedError, SshError } from "../../errors.ts";
import type { PrivateKey, Signer } from "../../keys/private_key.ts";
import { type Asker, hostTrust, knownAs } from "./host_trust.ts";
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
      async sign(algorithm, data, { signal, host } = {}) {
        const options = signal ? { signal } : {};
        await using agent = await connectAgent(path, options);
        if (host) await tryBind(agent, host, options);
        return await agent.sign(publicKey, algorithm, data, options);
      },
    }));
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    log.verbose(`${error.message}: its keys are not tried.`);
    return [];
  }
}

/** Adds a key to the agent if AddKeysToAgent asks for it, and the user does not mind. */
export async function offerToAgent(
  key: PrivateKey,
  options: SshOptions,
  { ask, log }: { readonly ask: Asker | null; readonly log: Log },
): Promise<void> {
  const { add, lifetime } = options.AddKeysToAgent ?? { add: "no", lifetime: null };
  const path = add === "no" ? null : agentPath(options);
  if (path === null) return;
  try {
    await using agent = await connectAgent(path);
    const { comment } = key.publicKey;
    const fingerprint = key.publicKey.fingerprint();
    if ((await agent.identities()).some(({ publicKey }) => publicKey.equals(key.publicKey))) return;
    if (add === "ask") {
      const prompt = `Add key ${comment} (${fingerprint}) to the agent (yes/no)? `;
      if (!/^yes$/i.test(await ask?.(prompt, { echo: true }) ?? "")) return;
    }
    await agent.add(key, {
      ...lifetime !== null && { lifetime },
      ...add === "confirm" && { confirm: true },
    });
    log.verbose(`Identity added to the agent: ${comment} (${fingerprint})`);
  } catch (error) {
    // The key does its work all the same.
    if (!(error instanceof SshError)) throw error;
    log.verbose(`${error.message}: the key is not added to the agent.`);
  }
}

/** Lends the agent to a session if the options ask for it; a server that wants none gets none. */
export async function lendAgent(
  client: Client,
  channel: Channel,
  options: SshOptions,
  log: Log,
): Promise<void> {
  const { ForwardAgent = false } = options;
  if (ForwardAgent === false) return;
  const path = ForwardAgent === true ? agentPath(options) : resolve(ForwardAgent);
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
  const { hostKey } = client.info;
  const host = knownAs(client.info.host, options);
  try {
    return await policy.verify(host, hostKey);
  } catch (error) {
    return error instanceof HostKeyError && error.reason === "unknown";
  }
}

/** The path of the agent's socket, or null if there is none. */
export function agentPath({ IdentityAgent = "SSH_AUTH_SOCK" }: SshOptions): string | null {
  if (/^none$/i.test(IdentityAgent)) return null;
  return resolve(IdentityAgent === "SSH_AUTH_SOCK" ? "$SSH_AUTH_SOCK" : IdentityAgent);
}

/** A path, or the variable with a path that `$NAME` stands for. */
function resolve(text: string): string | null {
  if (!text.startsWith("$")) return expandHome(text);
  return Deno.env.get(text.slice(1).replace(/^\{(.*)\}$/, "$1")) || null;
}
