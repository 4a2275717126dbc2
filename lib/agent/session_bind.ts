import { KeyFormatError, RequestDeniedError } from "../errors.ts";
import { parsePublicKey } from "../keys/public_key.ts";
import { decodeSignature } from "../keys/signature.ts";
import type { HostProof } from "../keys/key.ts";
import type { AgentClient, AgentRequestOptions } from "./client.ts";
import { SessionBind } from "./protocol.ts";

/** Sessions that one connection to an agent may name: OpenSSH's own limit. */
export const MAX_BINDINGS = 16;

/** Whom a connection to an agent is used for. */
export interface SessionBinding extends HostProof {
  /** Whether the agent is lent to the host, not used to log in to it. */
  readonly forwarding: boolean;
}

/** Tells an agent whom the connection is for; one that knows no sessions is used all the same. */
export async function tryBind(
  agent: AgentClient,
  host: HostProof,
  options: AgentRequestOptions & { readonly forwarding?: boolean },
): Promise<void> {
  try {
    await agent.bindSession(host, options);
  } catch (error) {
    if (!(error instanceof RequestDeniedError)) throw error;
  }
}

/**
 * Reads what a client says it talks to; null if the host's signature does not bear it out.
 *
 * @throws {ProtocolError} If it is malformed
 */
export function readBinding(contents: Uint8Array): SessionBinding | null {
  const { hostKey: blob, sessionId, signature, forwarding } = SessionBind.decode(contents);
  try {
    const hostKey = parsePublicKey(blob);
    const { algorithm } = decodeSignature(signature);
    const key = hostKey.certificate?.publicKey ?? hostKey;
    // The label is whatever the client sent, so a legacy algorithm will not do.
    if (!key.algorithms.includes(algorithm)) return null;
    if (!key.verify(algorithm, sessionId, signature)) return null;
    return { hostKey, sessionId, signature, forwarding };
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}
