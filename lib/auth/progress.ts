import type { PublicKey } from "../keys/public_key.ts";
import { Grant } from "./grant.ts";
import type { ServerAuthPolicy } from "./policy.ts";
import { SERVER_METHODS } from "./server_methods.ts";

/** A login that has succeeded. */
export interface AcceptedLogin {
  /** The user's name. */
  readonly user: string;
  /** The methods that succeeded, in order. */
  readonly methods: readonly string[];
  /** The restrictions of all policies together. */
  readonly grant: Grant;
  /** The key that the user, or the user's host, has proved to own. */
  readonly key?: PublicKey;
}

/** Tracks which of the required methods have succeeded. */
export class LoginProgress {
  readonly user: string;
  readonly #methods: string[] = [];
  readonly #keys: PublicKey[] = [];
  #grant = new Grant();
  #left: readonly (readonly string[])[];

  constructor(user: string, lists: readonly (readonly string[])[]) {
    this.user = user;
    this.#left = lists;
  }

  /** The methods that can be tried now. */
  get next(): string[] {
    return [...new Set(this.#left.map(([first]) => first!))];
  }

  /** Whether one of the lists is complete. */
  get done(): boolean {
    return this.#left.some((list) => list.length === 0);
  }

  /** A login that has succeeded. */
  get login(): AcceptedLogin {
    const key = this.#keys.at(-1);
    return {
      user: this.user,
      methods: [...this.#methods],
      grant: this.#grant,
      ...(key !== undefined && { key }),
    };
  }

  /** Records a success; false if it does not count: the same key again, or a different forced command. */
  succeed(method: string, grant: Grant, key: PublicKey | undefined): boolean {
    const both = this.#grant.and(grant);
    const owned = (key: PublicKey) => key.certificate?.publicKey ?? key;
    if (both === null || (key && this.#keys.some((known) => owned(known).equals(owned(key))))) {
      return false;
    }
    this.#grant = both;
    this.#methods.push(method);
    if (key !== undefined) this.#keys.push(key);
    this.#left = this.#left.filter(([first]) => first === method).map((list) => list.slice(1));
    return true;
  }
}

/**
 * The alternatives to log in, each a list of methods.
 *
 * @throws {TypeError} If the policy can accept no user, or requires a method that it does not offer
 */
export function requiredLists(policy: ServerAuthPolicy): readonly (readonly string[])[] {
  const offered = SERVER_METHODS.filter((method) => method.offered(policy)).map(({ name }) => name);
  if (offered.length === 0) {
    throw new TypeError(
      "The authentication policy offers no method: give it publicKey, password, interactive, hostBased or none",
    );
  }
  if (policy.required === undefined) return offered.map((name) => [name]);
  const lists = isOneList(policy.required) ? [policy.required] : policy.required;
  if (lists.length === 0) throw new TypeError("The authentication policy requires an empty list");
  for (const list of lists) checkList(list, offered);
  return lists;
}

function checkList(list: readonly string[], offered: readonly string[]): void {
  if (list.length === 0) throw new TypeError("The authentication policy requires an empty list");
  for (const name of list) {
    if (!offered.includes(name)) {
      throw new TypeError(`The authentication policy requires "${name}" without offering it`);
    }
    if (name !== "publickey" && list.indexOf(name) !== list.lastIndexOf(name)) {
      throw new TypeError(`The authentication policy requires "${name}" twice`);
    }
  }
}

function isOneList(
  required: readonly string[] | readonly (readonly string[])[],
): required is readonly string[] {
  return typeof required[0] === "string";
}
