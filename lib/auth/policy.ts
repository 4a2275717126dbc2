import type { PublicKey } from "../keys/public_key.ts";
import type { Grant } from "./grant.ts";
import type { Prompt } from "./prompts.ts";

/**
 * An answer to an attempt: only `true` and a {@linkcode Grant} accept it; an exception refuses it.
 */
export type AuthDecision = boolean | Grant | Promise<boolean | Grant>;

/** Demands a new password. */
export interface PasswordChangeDemand {
  /** The text for the user. */
  readonly change: string;
}

/** A policy's answer to a password. */
export type PasswordDecision = boolean | Grant | PasswordChangeDemand;

/** The texts above the prompts of keyboard-interactive authentication. */
export interface PromptHeading {
  /** A title. */
  readonly name?: string;
  /** Instructions for the user. */
  readonly instruction?: string;
}

/**
 * Asks the user and returns as many answers as prompts. It rejects if the client starts another
 * request or sends a malformed answer; the policy's answer is then ignored.
 */
export type Ask = (prompts: readonly Prompt[], heading?: PromptHeading) => Promise<string[]>;

/** The origin of a login attempt. */
export interface AuthClient {
  /** The client's address, if the connection has one. */
  readonly remoteAddr: Deno.Addr | null;
}

/** The claims of a host that vouches for its user (RFC 4252 §9). */
export interface HostClaim {
  /** The client host's name, without a dot at its end. */
  readonly hostName: string;
  /** The user on that host. */
  readonly userName: string;
}

/**
 * Decides which users may log in, by methods. A method that is not given is not offered. A policy should
 * take the same time for unknown users as for known ones, for example by hashing the password in both
 * cases.
 *
 * @example
 * ```ts
 * import { password } from "@denossh/ssh";
 * import type { ServerAuthPolicy } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const auth: ServerAuthPolicy = {
 *   password: (user, secret) => user === "tester" && secret === "hunter2",
 *   banner: "Authorized use only",
 * };
 * const banners: string[] = [];
 * await using _pair = await connectedPair({
 *   connect: {
 *     auth: [password("hunter2")],
 *     onBanner: (text) => banners.push(text),
 *   },
 *   serve: { auth },
 * });
 * assertEquals(banners, ["Authorized use only"]);
 * ```
 */
export interface ServerAuthPolicy {
  /**
   * Whether the user exists. The result does not change any answer, so that clients learn nothing from
   * it; addresses that try unknown users get the penalty `invalidUser`. By default all users exist.
   */
  isUser?: (user: string) => boolean | Promise<boolean>;
  /** Whether the user may log in without any credential. */
  none?: (user: string, client: AuthClient) => AuthDecision;
  /** Whether the password is correct, or must be changed now. */
  password?: (
    user: string,
    password: string,
    client: AuthClient,
  ) => PasswordDecision | Promise<PasswordDecision>;
  /** Changes the password, if the old one is correct and the new one acceptable. */
  passwordChange?: (
    user: string,
    oldPassword: string,
    newPassword: string,
    client: AuthClient,
  ) => PasswordDecision | Promise<PasswordDecision>;
  /**
   * Whether the user may log in with the key. Called before the client has proved that it owns the
   * key; the login's result names the proven key. The key may be a certificate; the policy must check
   * its principals, authority and validity, as `authorizedKeys()` does.
   */
  publicKey?: (user: string, key: PublicKey, client: AuthClient) => AuthDecision;
  /**
   * Whether a host may vouch for its user (RFC 4252 §9). Called before the client has proved that it
   * holds the host's key; its name and user are unverified claims.
   */
  hostBased?: (
    user: string,
    key: PublicKey,
    claim: HostClaim,
    client: AuthClient,
  ) => AuthDecision;
  /** Decides by the user's answers to prompts. */
  interactive?: (user: string, ask: Ask, client: AuthClient) => AuthDecision;
  /**
   * The methods that must succeed in order, such as `["publickey", "password"]`, or several such
   * lists, one of which must be completed, as in sshd's AuthenticationMethods; by default any one
   * method is enough. A client is offered only the next method. A list may repeat `publickey`, to
   * require several keys.
   */
  required?: readonly string[] | readonly (readonly string[])[];
  /** Text to show before the login. */
  banner?: string | ((user: string) => string);
}
