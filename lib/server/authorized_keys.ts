import { authorize, certifiedGrant } from "../auth/authorize.ts";
import type { Grant } from "../auth/grant.ts";
import type { AuthClient } from "../auth/policy.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { matchesPatternList } from "../patterns.ts";
import { callback, checkOptions, either, flag, mustBe, text } from "../option_checks.ts";
import { runtime } from "../runtime/runtime.ts";
import { isNotUnderstood } from "./internal_sftp.ts";

/** Options in addition to `authorized_keys`: trusted authorities, revoked keys and permitted variables. */
export interface AuthorizedKeysOptions {
  /** Authorities whose certificates may log in, as in sshd's TrustedUserCAKeys; none by default. */
  readonly authorities?: readonly PublicKey[];
  /** The principals of certificates that may log in as a user; the user's name by default. */
  readonly principals?: (user: string) => readonly string[] | Promise<readonly string[]>;
  /**
   * Whether a key, or the key or authority of a certificate, has been revoked, such as
   * `(key) => list.isRevoked(key)`.
   */
  readonly revoked?: (key: PublicKey) => boolean | Promise<boolean>;
  /**
   * The variables that the option `environment` may set: all, or patterns such as `"LANG,LC_*"`; none by
   * default, because a variable such as LD_PRELOAD can replace any command (PermitUserEnvironment).
   */
  readonly permitUserEnvironment?: boolean | string;
}

/**
 * A policy for `auth.publicKey` that accepts the keys in `authorized_keys`, with the options of their
 * lines: `from`, `expiry-time`, `command`, `environment` (if that is permitted), `restrict`, `pty`,
 * `port-forwarding`,
 * `agent-forwarding`, `X11-forwarding` and their `no-` forms, `permitopen`, `permitlisten`,
 * `cert-authority`, `principals`, `no-touch-required` and `verify-required` (sshd(8)). The text is
 * read for each attempt, so that changes take effect immediately.
 *
 * `command="internal-sftp"`, and a certificate's `force-command`, may have the flags `-R`, `-d`, `-u`,
 * `-p` and
 * `-P` of sftp-server(8); a key with unknown flags is refused.
 *
 * @param source The path of one file for all users, which needs `--allow-read`; or a function that returns
 *   the text for a user, null if there is none
 * @returns The policy
 *
 * @example
 * ```ts
 * import { publicKey, RequestDeniedError } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { authorizedKeys } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey();
 * const text = `restrict,command="uptime" ${key.publicKey}`;
 * await using pair = await connectedPair({
 *   serve: {
 *     auth: {
 *       publicKey: authorizedKeys((user) => user === "tester" ? text : null),
 *     },
 *   },
 *   connect: { auth: [publicKey(key)] },
 *   handler: (session) => session.print(session.command!),
 * });
 * assertEquals(await pair.host.run("reboot"), "uptime");
 * ```
 */
export function authorizedKeys(
  source: string | URL | ((user: string) => string | null | Promise<string | null>),
  options: AuthorizedKeysOptions = {},
): (user: string, key: PublicKey, client: AuthClient) => Promise<Grant | false> {
  checkOptions("authorizedKeys()", options, {
    authorities: mustBe("an array of keys", Array.isArray),
    principals: callback,
    revoked: callback,
    permitUserEnvironment: either(flag, text),
  });
  const { authorities = [], principals = (user) => [user], revoked = () => false } = options;
  const { permitUserEnvironment: permitted = false } = options;
  const maySet = (name: string) =>
    typeof permitted === "string" ? matchesPatternList(permitted, name) : permitted === true;
  const textOf = typeof source === "function" ? source : () => runtime.files.readTextFile(source);
  return async (user, key, { remoteAddr }) => {
    const { certificate } = key;
    const involved = certificate ? [certificate.publicKey, certificate.authority, key] : [key];
    for (const key of involved) if (await revoked(key) !== false) return false;
    const attempt = { user, key, address: addressOf(remoteAddr), maySet };
    let grant = authorize(await textOf(user) ?? "", attempt);
    if (grant === null && certificate !== null) {
      const trusted = { keys: authorities, principals: await principals(user) };
      grant = certifiedGrant(certificate, trusted, attempt);
    }
    return grant === null || isNotUnderstood(grant.command) ? false : grant;
  };
}

function addressOf(address: Deno.Addr | null): string | null {
  return address && "hostname" in address ? address.hostname : null;
}
