import type { ServerAuthPolicy } from "../auth/policy.ts";
import { digest, equalConstantTime } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { type AuthorizedKey, parseAuthorizedKeys } from "../keys/authorized_keys.ts";
import { printable } from "../errors.ts";
import { keyTypeLabel } from "../keys/key_labels.ts";
import type { Log } from "./log.ts";

/**
 * Options of authorized_keys that this server honours by doing nothing: it forwards nothing, has no
 * terminals and runs no rc files. A key with any other restriction is refused, as it cannot be kept.
 */
const HONOURED = [
  "agent-forwarding",
  "no-agent-forwarding",
  "no-port-forwarding",
  "no-pty",
  "no-user-rc",
  "no-x11-forwarding",
  "port-forwarding",
  "pty",
  "restrict",
  "user-rc",
  "x11-forwarding",
];

/** Where the credentials are. */
export interface PolicyFiles {
  /** The path of an authorized_keys file, or null. */
  readonly authorizedKeys: string | null;
  /** The path of a file of `user:password` lines, or null. */
  readonly passwords: string | null;
}

/** Who may log in: the files are read anew for each attempt, so that changes count at once. */
export function filePolicy({ authorizedKeys, passwords }: PolicyFiles, log: Log): ServerAuthPolicy {
  const policy: ServerAuthPolicy = {};
  if (authorizedKeys !== null) {
    policy.publicKey = async (user, key) => {
      const entries = parseAuthorizedKeys(await Deno.readTextFile(authorizedKeys));
      const known = entries.some((entry) => entry.key.equals(key) && honoured(entry, log));
      const name = `${keyTypeLabel(key)} ${key.fingerprint()}`;
      log.verbose(`Key ${name} of "${printable(user)}" is ${known ? "" : "not "}authorized`);
      return known;
    };
  }
  if (passwords !== null) {
    policy.password = async (user, password) => {
      const right = checkPassword(await Deno.readTextFile(passwords), user, password);
      log.verbose(`Password of "${printable(user)}" is ${right ? "right" : "wrong"}`);
      return right;
    };
  }
  return policy;
}

function honoured({ key, options }: AuthorizedKey, log: Log): boolean {
  const strange = [...options.keys()].filter((name) => !HONOURED.includes(name));
  if (strange.length === 0) return true;
  log.verbose(`Key ${key.fingerprint()} is restricted by ${strange.join(", ")}: not supported`);
  return false;
}

/** Every line is looked at, whatever the user's name is, so that the time tells nothing. */
function checkPassword(text: string, user: string, password: string): boolean {
  const given = account(`${user}:${password}`);
  let right = false;
  for (const line of text.split(/\r?\n/)) {
    const usable = line.indexOf(":") > 0 && !line.startsWith("#");
    const same = equalConstantTime(account(usable ? line : randomLine()), given);
    right = same || right;
  }
  // A colon in the user's name would be one that ends another's.
  return right && !user.includes(":");
}

function account(line: string): Uint8Array {
  return digest("SHA-256", new TextEncoder().encode(line));
}

function randomLine(): string {
  return `:${randomBytes(16).toHex()}`;
}
