import type { PublicKey } from "../keys/public_key.ts";
import type { Prompt } from "./prompts.ts";

/** An answer to an attempt: only `true` lets it pass; an exception is a refusal. */
export type AuthDecision = boolean | Promise<boolean>;

/** Demands a new password, in words for the user. */
export interface PasswordChangeDemand {
  /** What to tell the user. */
  readonly change: string;
}

/** An answer about a password. */
export type PasswordDecision = boolean | PasswordChangeDemand;

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

/**
 * Who may log in, and how. A method that is not given is not offered. A policy should take the same
 * time for unknown users as for known ones, say by hashing the password all the same.
 */
export interface ServerAuthPolicy {
  /** Whether the user may log in without any credential. */
  none?: (user: string) => AuthDecision;
  /** Whether the password is the user's, or must be changed now. */
  password?: (user: string, password: string) => PasswordDecision | Promise<PasswordDecision>;
  /** Changes the password, if the old one is right and the new one will do. */
  passwordChange?: (
    user: string,
    oldPassword: string,
    newPassword: string,
  ) => PasswordDecision | Promise<PasswordDecision>;
  /**
   * Whether the key may log the user in. It is asked before the client has proved to own the key:
   * what counts is the key that the login's result names.
   */
  publicKey?: (user: string, key: PublicKey) => AuthDecision;
  /** Whether the user answers as it must. */
  interactive?: (user: string, ask: Ask) => AuthDecision;
  /** The methods that must all succeed, such as `["publickey", "password"]`; any one unless given. */
  required?: readonly string[];
  /** Shown to the user before logging in. */
  banner?: string | ((user: string) => string);
}
