import type { PublicKey } from "./key.ts";

/**
 * What shows a third party, such as an agent, whom a session is with.
 *
 * @example
 * ```ts
 * import type { HostProof } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * function holds({ hostKey, sessionId, signature }: HostProof): boolean {
 *   return hostKey.algorithms.some((name) => hostKey.verify(name, sessionId, signature));
 * }
 *
 * using key = await generateKey("ed25519");
 * const sessionId = new Uint8Array(32);
 * const signature = key.sign("ssh-ed25519", sessionId);
 * assert(holds({ hostKey: key.publicKey, sessionId, signature }));
 * ```
 */
export interface HostProof {
  /** The server's host key. */
  readonly hostKey: PublicKey;
  /** The session identifier: the first exchange hash (RFC 4253 §7.2). */
  readonly sessionId: Uint8Array;
  /** The host key's signature of the session identifier. */
  readonly signature: Uint8Array;
}
