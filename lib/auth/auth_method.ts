import type { HostProof } from "../keys/key.ts";

/**
 * What a credential talks to while it is being tried: the server, by whole messages. Banners are
 * taken out before.
 */
export interface AuthDialog {
  /** The user who logs in. */
  readonly user: string;
  /** The session's identifier, which public key signatures are over. */
  readonly sessionId: Uint8Array;
  /** The proof of the server's identity, for agents. */
  readonly host: HostProof;
  /** Aborted when logging in is given up: what a credential waits for then is not needed any more. */
  readonly signal: AbortSignal;
  /** The signature algorithms that the server says it accepts, or null if it said nothing. */
  readonly signatureAlgorithms: readonly string[] | null;
  /** Whether the server takes public keys in the form that names its host key (OpenSSH's hostbound). */
  readonly hostBound: boolean;
  /**
   * Sends a USERAUTH_REQUEST with the method's own fields; the server's answer. What is given is taken
   * at once, so that the caller can wipe it.
   *
   * @param method The method's name on the wire; its own unless given
   */
  request(fields: Uint8Array, method?: string): Promise<Uint8Array>;
  /** Sends another message of the method, also taken at once; the server's answer. */
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
  /** What errors call it, such as `key "id_ed25519" (ED25519 SHA256:…)`; its name unless given. */
  readonly label?: string;
  /**
   * Whether the first request can go out before the server has said what it accepts, which saves a
   * round trip.
   */
  readonly eager?: boolean;
  /**
   * Tries the credential until the server answers with success or failure, and gives that message.
   *
   * @throws {AuthError} If it cannot be tried or continued; the other methods are tried then
   */
  authenticate(dialog: AuthDialog): Promise<Uint8Array>;
}

/** The only service that one authenticates for (RFC 4252 §5, RFC 4254 §1). */
export const SERVICE = "ssh-connection";
