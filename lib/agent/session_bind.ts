import { KeyFormatError, RequestDeniedError } from "../errors.ts";
import { parsePublicKey } from "../keys/public_key.ts";
import { decodeSignature } from "../keys/signature.ts";
import type { HostProof } from "../keys/key.ts";
import type { AgentClient, AgentRequestOptions } from "./client.ts";
import { SessionBind } from "./protocol.ts";

/** Maximum sessions that one connection to an agent may name: OpenSSH's limit. */
export const MAX_BINDINGS = 16;

/** The session that a connection to an agent is used for. */
export interface SessionBinding extends HostProof {
  /** Whether the agent is forwarded to the host, rather than used to log in to it. */
  readonly forwarding: boolean;
}

/**
 * Tells an agent which session the connection is for; an agent without support for sessions is used
 * anyway.
 */
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
 * Reads the session that a client names; null if the host's signature is not valid for it.
 *
 * @throws {ProtocolError} If it is malformed
 */
export function readBinding(contents: Uint8Array): SessionBinding | null {
  const { hostKey: blob, sessionId, signature, forwarding } = SessionBind.decode(contents);
  try {
    const hostKey = parsePublicKey(blob);
    const { algorithm } = decodeSignature(signature);
    const key = hostKey.certificate?.publicKey ?? hostKey;
    // The client chose the label, so legacy algorithms are refused.
    if (!key.algorithms.includes(algorithm)) return null;
    if (!key.verify(algorithm, sessionId, signature)) return null;
    return { hostKey, sessionId, signature, forwarding };
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}
