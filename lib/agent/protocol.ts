/** The messages between an agent and its clients (RFC 9987 §5), each with its row. */
import { plainAlgorithm } from "../keys/certificate_names.ts";
import { boolean, layout, message, remainder, string, text, uint32 } from "../wire/message.ts";

/** Message numbers of requests, and of the answers that more than one request has. */
export const AGENT = {
  FAILURE: 5,
  SUCCESS: 6,
  REQUEST_IDENTITIES: 11,
  SIGN_REQUEST: 13,
  ADD_IDENTITY: 17,
  REMOVE_IDENTITY: 18,
  REMOVE_ALL_IDENTITIES: 19,
  LOCK: 22,
  UNLOCK: 23,
  ADD_ID_CONSTRAINED: 25,
  EXTENSION: 27,
  EXTENSION_FAILURE: 28,
  EXTENSION_RESPONSE: 29,
} as const;

export const AgentFailure = message("AGENT_FAILURE", AGENT.FAILURE, {});
export const AgentSuccess = message("AGENT_SUCCESS", AGENT.SUCCESS, {});
export const RequestIdentities = message("REQUEST_IDENTITIES", AGENT.REQUEST_IDENTITIES, {});
// For each key a string with the blob and one with the comment.
export const IdentitiesAnswer = message("IDENTITIES_ANSWER", 12, {
  count: uint32,
  keys: remainder,
});
export const SignRequest = message("SIGN_REQUEST", AGENT.SIGN_REQUEST, {
  key: string,
  data: string,
  flags: uint32,
});
export const SignResponse = message("SIGN_RESPONSE", 14, { signature: string });
export const RemoveIdentity = message("REMOVE_IDENTITY", AGENT.REMOVE_IDENTITY, { key: string });
export const RemoveAll = message("REMOVE_ALL_IDENTITIES", AGENT.REMOVE_ALL_IDENTITIES, {});
export const Lock = message("LOCK", AGENT.LOCK, { passphrase: string });
export const Unlock = message("UNLOCK", AGENT.UNLOCK, { passphrase: string });

// RFC 9987 §5.8
export const Extension = message("EXTENSION", AGENT.EXTENSION, { name: text, contents: remainder });
export const ExtensionFailure = message("EXTENSION_FAILURE", AGENT.EXTENSION_FAILURE, {});
export const ExtensionResponse = message("EXTENSION_RESPONSE", AGENT.EXTENSION_RESPONSE, {
  name: text,
  contents: remainder,
});
/** Asks for the supported extensions. */
export const QUERY = "query";
/** OpenSSH PROTOCOL.agent §1: tells the agent which server its client is connected to. */
export const SESSION_BIND = "session-bind@openssh.com";
export const SessionBind = layout({
  hostKey: string,
  sessionId: string,
  signature: string,
  forwarding: boolean,
});

/** The supported constraints of added keys (RFC 9987 §5.2.7); all others are refused. */
export const CONSTRAIN = { LIFETIME: 1, CONFIRM: 2, EXTENSION: 255 } as const;

/** How a SIGN_REQUEST names the hash of an RSA signature (RFC 9987 §5.6.1). */
const RSA_FLAGS = { "rsa-sha2-256": 2, "rsa-sha2-512": 4 } as const;

/** The flags that ask for an algorithm. */
export function flagsOf(algorithm: string): number {
  const plain = plainAlgorithm(algorithm);
  return plain in RSA_FLAGS ? RSA_FLAGS[plain as keyof typeof RSA_FLAGS] : 0;
}

/** The algorithm of a key that flags ask for; null if the key does not have it. */
export function algorithmOf(algorithms: readonly string[], flags: number): string | null {
  return algorithms.find((algorithm) => flagsOf(algorithm) === flags) ?? null;
}
