/** The keys of the user's agent. */
import { type AgentOptions, connectAgent } from "../agent/client.ts";
import { surroundings, userAgentPath } from "../agent/agent_path.ts";
import { tryBind } from "../agent/session_bind.ts";
import { printable } from "../errors.ts";
import type { PrivateKey, Signer } from "../keys/private_key.ts";
import { grantedVariable } from "../runtime/environment.ts";
import type { LoginDialog } from "./prompts.ts";
import type { LoginSettings } from "./settings.ts";
import { plainMessage } from "../error_messages.ts";

/** Maximum keys of one agent: servers disconnect after fewer refusals. */
const MAX_KEYS = 32;

/** The keys of an agent, in its order. */
export interface AgentKeys {
  /** The keys, each of which signs over its own connection. */
  readonly keys: readonly Signer[];
  /** The reason why the agent cannot be used; null if it can, or if none is configured. */
  readonly problem: string | null;
}

/**
 * Lists the keys of the agent of IdentityAgent, or of the user. A late answer is reported as a
 * problem of the agent; an abort is not.
 */
export async function agentKeys(
  settings: Pick<LoginSettings, "IdentityAgent">,
  options: AgentOptions = {},
): Promise<AgentKeys> {
  const path = agentPath(settings);
  if (path === null) return { keys: [], problem: null };
  try {
    await using agent = await connectAgent(path, options);
    const keys = await agent.identities(options.signal && { signal: options.signal });
    return { keys: keys.slice(0, MAX_KEYS).map((key) => signerOf(key, path)), problem: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    // After any failure of the agent there may be other keys.
    const why = plainMessage(error);
    return { keys: [], problem: `Cannot use the agent: ${printable(why, 1000)}` };
  }
}

/** A key that connects to the agent only when it signs: the user may take long to log in. */
function signerOf({ publicKey }: Signer, path: string): Signer {
  return {
    publicKey,
    async sign(algorithm, data, { signal, host } = {}) {
      const options = signal ? { signal } : {};
      await using agent = await connectAgent(path, options);
      if (host) await tryBind(agent, host, options);
      return await agent.sign(publicKey, algorithm, data, options);
    },
  };
}

/** Adds a key to the agent if AddKeysToAgent asks for it, after a question if it is `ask`. */
export async function offerToAgent(
  key: PrivateKey,
  settings: Pick<LoginSettings, "AddKeysToAgent" | "IdentityAgent">,
  { ask, report }: LoginDialog,
): Promise<void> {
  const { add, lifetime } = settings.AddKeysToAgent ?? { add: "no", lifetime: null };
  const path = add === "no" ? null : agentPath(settings);
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
    report?.verbose(`Identity added to the agent: ${comment} (${fingerprint})`);
  } catch (error) {
    // The login does not depend on it.
    const why = plainMessage(error);
    report?.verbose(`The key is not added to the agent: ${printable(why, 1000)}`);
  }
}

/** The path of the agent's socket; null if none is configured. */
export function agentPath(
  { IdentityAgent = "SSH_AUTH_SOCK" }: Pick<LoginSettings, "IdentityAgent">,
): string | null {
  if (/^none$/i.test(IdentityAgent)) return null;
  if (IdentityAgent === "SSH_AUTH_SOCK") return userAgentPath(surroundings(grantedVariable));
  return socketPath(IdentityAgent);
}

/** A path, or the value of the variable in `$NAME` or `${NAME}`; null if it is not set. */
export function socketPath(text: string): string | null {
  const name = /^\$\{?(\w+)\}?$/.exec(text)?.[1];
  return name === undefined ? text : grantedVariable(name) || null;
}
