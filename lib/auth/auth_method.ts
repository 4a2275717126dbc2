import type { HostProof } from "../keys/key.ts";

/**
 * The exchange of messages with the server while a credential is tried. Banners are removed before.
 */
export interface AuthDialog {
  /** The user to log in as. */
  readonly user: string;
  /** The session identifier, which public key signatures cover. */
  readonly sessionId: Uint8Array;
  /** The proof of the server's identity, for agents. */
  readonly host: HostProof;
  /** Aborted when the login is abandoned, so that a credential can stop waiting. */
  readonly signal: AbortSignal;
  /** The signature algorithms that the server announced, or null if it announced none. */
  readonly signatureAlgorithms: readonly string[] | null;
  /** Whether the server accepts public key requests that name its host key (OpenSSH's hostbound). */
  readonly hostBound: boolean;
  /**
   * Sends a USERAUTH_REQUEST with the method's fields and returns the server's answer. The fields are
   * copied before it returns, so that the caller can wipe them.
   *
   * @param method The method's name on the wire; its own by default
   */
  request(fields: Uint8Array, method?: string): Promise<Uint8Array>;
  /** Sends another message of the method, copied likewise, and returns the server's answer. */
  reply(message: Uint8Array): Promise<Uint8Array>;
}

/**
 * A credential to log in with.
 *
 * @example
 * ```ts
 * import { type AuthMethod, none, password } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * // Tried in this order.
 * const methods: AuthMethod[] = [none(), password("hunter2")];
 * assertEquals(methods.map(({ name }) => name), ["none", "password"]);
 * ```
 */
export interface AuthMethod {
  /** The method's name in the protocol, such as `"publickey"` (RFC 4252 §5). */
  readonly name: string;
  /** The name in errors, such as `key "id_ed25519" (ED25519 SHA256:…)`; the method's name by default. */
  readonly label?: string;
  /**
   * Whether the first request can be sent before the server has announced what it accepts, which saves
   * a round trip.
   */
  readonly eager?: boolean;
  /**
   * Tries the credential until the server answers with success or failure, and returns that message.
   *
   * @throws {AuthError} If it cannot be tried or continued; the other methods are tried next
   */
  authenticate(dialog: AuthDialog): Promise<Uint8Array>;
}

/** The only service that users authenticate for (RFC 4252 §5, RFC 4254 §1). */
export const SERVICE = "ssh-connection";
