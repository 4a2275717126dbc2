import type { AuthDialog, AuthMethod } from "../auth/auth_method.ts";
import { publicKey } from "../auth/public_key.ts";
import { AuthError } from "../errors.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { UserauthFailure } from "../wire/messages.ts";
import { MSG } from "../wire/numbers.ts";
import { type AgentClient, connectAgent } from "./client.ts";
import { tryBind } from "./session_bind.ts";
import type { AgentAddress } from "./source.ts";
import { plainMessage } from "../error_messages.ts";

const METHOD = "publickey";

/** Keys to try: servers disconnect after 6 failures, and another method may follow. */
const KEYS_TRIED = 5;

/** Selects the keys of an agent to log in with. */
export interface AgentAuthOptions {
  /** Selects the keys to try; all by default. */
  readonly only?: (key: PublicKey) => boolean;
  /** Maximum keys to try, 5 by default: most servers disconnect after 6 failures. */
  readonly limit?: number;
  /** Time limit for each answer of the agent, in milliseconds; 60,000 by default. */
  readonly timeout?: number;
}

/**
 * Logs in with the keys of an agent, one after the other. The agent is contacted after the server's
 * host key has been accepted, and signs only with a key that the server accepts.
 *
 * @param address The path of its socket, or an object that connects to it; the user's by default
 *
 * @example
 * ```ts
 * import { agent, Keyring } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { connectedPair } from "@denossh/ssh/testing";
 *
 * using keyring = new Keyring(); // without it, the agent that `ssh` uses
 * const key = await generateKey();
 * keyring.add(key);
 * await using pair = await connectedPair({
 *   serve: {
 *     auth: { publicKey: (_user, offered) => offered.equals(key.publicKey) },
 *   },
 *   connect: { auth: [agent(keyring)] },
 * });
 * ```
 */
export function agent(address?: AgentAddress, options: AgentAuthOptions = {}): AuthMethod {
  const { only = () => true, limit = KEYS_TRIED } = options;
  return {
    name: METHOD,
    async authenticate(dialog) {
      const { signal } = dialog;
      await using client = await reached(address, dialog, options);
      const keys = (await client.identities({ signal }).catch(unusable(signal))).filter((key) =>
        only(key.publicKey)
      ).slice(0, limit);
      let refusal: Uint8Array | null = null;
      let problem = new AuthError("The agent holds no key to log in with");
      for (const key of keys) {
        try {
          const answer = await publicKey(key, { probe: true }).authenticate(dialog);
          if (!goesOn(answer)) return answer;
          refusal = answer;
        } catch (error) {
          if (!(error instanceof AuthError)) throw error;
          problem = error;
        }
      }
      if (refusal === null) throw problem;
      return refusal;
    },
  };
}

/** Whether another key may be tried: the server refused this one, and still allows keys. */
function goesOn(answer: Uint8Array): boolean {
  if (answer[0] !== MSG.USERAUTH_FAILURE) return false;
  const { partial, remaining } = UserauthFailure.decode(answer);
  return !partial && remaining.includes(METHOD);
}

/** A connection to the agent that is bound to the session. */
async function reached(
  address: AgentAddress | undefined,
  { host, signal }: AuthDialog,
  { timeout }: AgentAuthOptions,
): Promise<AgentClient> {
  const options = { signal, ...(timeout !== undefined && { timeout }) };
  const client = await connectAgent(address, options).catch(unusable(signal));
  try {
    await tryBind(client, host, { signal });
    return client;
  } catch (error) {
    client.close();
    return unusable(signal)(error);
  }
}

/** After any failure of the agent the other credentials are tried, unless the login was aborted. */
function unusable(signal: AbortSignal): (cause: unknown) => never {
  return (cause) => {
    signal.throwIfAborted();
    const why = plainMessage(cause);
    throw new AuthError(`Cannot use the agent: ${why}`, { cause });
  };
}
