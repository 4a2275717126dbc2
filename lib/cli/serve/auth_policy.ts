import type { ServerAuthPolicy } from "../../auth/policy.ts";
import { digest, equalConstantTime } from "../../crypto/digest.ts";
import { randomBytes } from "../../crypto/random.ts";
import { encodeHex } from "../../encoding.ts";
import { printable } from "../../errors.ts";
import type { PublicKey } from "../../keys/public_key.ts";
import { runtime } from "../../runtime/runtime.ts";
import { authorizedKeys } from "../../server/authorized_keys.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import type { Log } from "../shared/log.ts";

/** The files of the credentials. */
export interface PolicyFiles {
  /** The path of an authorized_keys file, or null. */
  readonly authorizedKeys: string | null;
  /** The path of a file of `user:password` lines, or null. */
  readonly passwords: string | null;
  /** Authorities whose certificates may log in (TrustedUserCAKeys). */
  readonly authorities?: readonly PublicKey[];
  /** The variables that an authorized_keys file may set (PermitUserEnvironment). */
  readonly permitUserEnvironment?: boolean | string;
  /** Keys that may not log in (RevokedKeys). */
  readonly revoked?: ((key: PublicKey) => boolean) | undefined;
}

/** The policy of logins. Files are read for each attempt, so that changes apply immediately. */
export function filePolicy(
  { authorizedKeys: file, passwords, authorities = [], revoked, permitUserEnvironment = false }:
    PolicyFiles,
  log: Log,
): ServerAuthPolicy {
  const policy: ServerAuthPolicy = {};
  if (file !== null || authorities.length > 0) {
    const source = file ?? (() => null);
    const listed = authorizedKeys(source, {
      authorities,
      permitUserEnvironment,
      ...(revoked && { revoked }),
    });
    policy.publicKey = async (user, key, client) => {
      const grant = await listed(user, key, client);
      const name = `${keyTypeLabel(key)} ${key.fingerprint()}`;
      log.verbose(`Key ${name} of "${printable(user)}" is ${grant ? "" : "not "}authorized`);
      return grant;
    };
  }
  if (passwords !== null) {
    policy.password = async (user, password) => {
      const right = checkPassword(await runtime.files.readTextFile(passwords), user, password);
      log.verbose(`Password of "${printable(user)}" is ${right ? "right" : "wrong"}`);
      return right;
    };
  }
  return policy;
}

/** Checks a password. Every line is compared, so that the time reveals nothing. */
function checkPassword(text: string, user: string, password: string): boolean {
  const given = account(`${user}:${password}`);
  let right = false;
  for (const line of text.split(/\r?\n/)) {
    const usable = line.indexOf(":") > 0 && !line.startsWith("#");
    const same = equalConstantTime(account(usable ? line : randomLine()), given);
    right = same || right;
  }
  // A user name with a colon could match the line of another user.
  return right && !user.includes(":");
}

function account(line: string): Uint8Array {
  return digest("SHA-256", new TextEncoder().encode(line));
}

function randomLine(): string {
  return `:${encodeHex(randomBytes(16))}`;
}
