import type { PublicKey } from "../keys/public_key.ts";
import type { Grant } from "./grant.ts";
import type { Prompt } from "./prompts.ts";

/**
 * An answer to an attempt: only `true` and a {@linkcode Grant} let it pass; an exception is a refusal.
 */
export type AuthDecision = boolean | Grant | Promise<boolean | Grant>;

/** Demands a new password, in words for the user. */
export interface PasswordChangeDemand {
  /** What to tell the user. */
  readonly change: string;
}

/** An answer about a password. */
export type PasswordDecision = boolean | Grant | PasswordChangeDemand;

/** What stands above the questions of keyboard-interactive authentication. */
export interface PromptHeading {
  /** A title. */
  readonly name?: string;
  /** What to tell the user beforehand. */
  readonly instruction?: string;
}

/**
 * Asks the user; the answers are as many as the prompts. It rejects when the client turns to
 * something else or answers wrongly, and what the policy then says does not count.
 */
export type Ask = (prompts: readonly Prompt[], heading?: PromptHeading) => Promise<string[]>;

/** Where a client that wants to log in is. */
export interface AuthClient {
  /** Its address, if the connection has one. */
  readonly remoteAddr: Deno.Addr | null;
}

/** What a host says about itself and its user when it vouches for one (RFC 4252 §9). */
export interface HostClaim {
  /** The client host's name, without a dot at its end. */
  readonly hostName: string;
  /** The user on that host. */
  readonly userName: string;
}

/**
 * Who may log in, and how. A method that is not given is not offered. A policy should take the same
 * time for unknown users as for known ones, say by hashing the password all the same.
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
   * Whether there is such a user. It changes no answer, so that clients learn nothing of it; a source that
   * tries users that there are not gets the penalty `invalidUser`. All users exist unless given.
   */
  isUser?: (user: string) => boolean | Promise<boolean>;
  /** Whether the user may log in without any credential. */
  none?: (user: string, client: AuthClient) => AuthDecision;
  /** Whether the password is the user's, or must be changed now. */
  password?: (
    user: string,
    password: string,
    client: AuthClient,
  ) => PasswordDecision | Promise<PasswordDecision>;
  /** Changes the password, if the old one is right and the new one will do. */
  passwordChange?: (
    user: string,
    oldPassword: string,
    newPassword: string,
    client: AuthClient,
  ) => PasswordDecision | Promise<PasswordDecision>;
  /**
   * Whether the key may log the user in. It is asked before the client has proved to own the key:
   * what counts is the key that the login's result names. The key may be a certificate: whose, by whom
   * and until when is for the policy to judge, as `authorizedKeys()` does.
   */
  publicKey?: (user: string, key: PublicKey, client: AuthClient) => AuthDecision;
  /**
   * Whether a host may vouch for its user (RFC 4252 §9). It is asked before the client has proved to
   * hold the host's key; what it says about its name and user are its own words.
   */
  hostBased?: (
    user: string,
    key: PublicKey,
    claim: HostClaim,
    client: AuthClient,
  ) => AuthDecision;
  /** Whether the user answers as it must. */
  interactive?: (user: string, ask: Ask, client: AuthClient) => AuthDecision;
  /**
   * The methods that must succeed one after the other, such as `["publickey", "password"]`, or several
   * such lists of which one must be gone through, as sshd's AuthenticationMethods; any one method
   * unless given. A client is offered what comes next and nothing else. A list may have `publickey`
   * more than once, for as many keys.
   */
  required?: readonly string[] | readonly (readonly string[])[];
  /** Shown to the user before logging in. */
  banner?: string | ((user: string) => string);
}
