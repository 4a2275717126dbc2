import type { PublicKey } from "./key.ts";

/** What shows a third party, such as an agent, whom a session is with. */
export interface HostProof {
  /** The server's host key. */
  readonly hostKey: PublicKey;
  /** The session identifier: the first exchange hash (RFC 4253 §7.2). */
  readonly sessionId: Uint8Array;
  /** The host key's signature of the session identifier. */
  readonly signature: Uint8Array;
}
