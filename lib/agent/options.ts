/**
 * How to talk to an agent.
 *
 * @example
 * ```ts
 * import { type AgentOptions, connectAgent, Keyring } from "@denossh/ssh";
 *
 * const patient: AgentOptions = { timeout: 0, signal: AbortSignal.timeout(10_000) };
 * using keyring = new Keyring();
 * await using agent = await connectAgent(keyring, patient);
 * console.log((await agent.identities()).length);
 * ```
 */
export interface AgentOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** Milliseconds that each answer may take, 60,000 unless given; 0 is no limit. */
  readonly timeout?: number;
}

/**
 * Options of one request to an agent.
 *
 * @example
 * ```ts
 * import { type AgentRequestOptions, connectAgent, Keyring } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring();
 * await using agent = await connectAgent(keyring);
 * const soon: AgentRequestOptions = { signal: AbortSignal.timeout(10_000) };
 * assertEquals(await agent.identities(soon), []);
 * ```
 */
export interface AgentRequestOptions {
  /** Gives up waiting for the answer, which ends the connection to the agent. */
  readonly signal?: AbortSignal;
}
