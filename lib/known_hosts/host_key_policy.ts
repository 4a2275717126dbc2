import { HostKeyError, type HostKeyProblem } from "../errors.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { CallOptions } from "../waiting.ts";

/** The host to connect to, as the caller named it. */
export interface HostAddress {
  /** The name or address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/**
 * Decides whether to trust a server's host key.
 *
 * @example
 * ```ts
 * import type { HostKeyPolicy } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 *
 * // A table of one's own instead of known_hosts.
 * const table = new Map<string, string>();
 * const policy: HostKeyPolicy = {
 *   verify: ({ hostname }, key) => {
 *     const known = table.get(hostname) ?? key.fingerprint();
 *     table.set(hostname, known);
 *     return known === key.fingerprint();
 *   },
 * };
 * await using _pair = await connectedPair({ connect: { hostKeys: policy } });
 * ```
 */
export interface HostKeyPolicy {
  /**
   * Only `true` accepts; anything else, exceptions included, refuses. The key may be a certificate;
   * the policy must check its principals, authority and validity.
   *
   * @param options A signal that is aborted when the answer no longer counts
   * @throws {HostKeyError} If the key is refused, with the reason
   */
  verify(host: HostAddress, key: PublicKey, options?: CallOptions): boolean | Promise<boolean>;
  /**
   * The known key types of a host, which are then preferred, or names of signature algorithms, such as
   * those of certificates if an authority is known.
   *
   * @param options A signal that is aborted when the answer no longer counts
   */
  knownTypes?(
    host: HostAddress,
    options?: CallOptions,
  ): readonly string[] | Promise<readonly string[]>;
  /**
   * Adds and removes keys of an accepted host that has announced its keys.
   *
   * @param shown The host key of the connection
   * @param announced All keys that the host announced
   * @param prove Asks the host to prove that it holds keys; rejects unless it holds all of them
   */
  update?(
    host: HostAddress,
    shown: PublicKey,
    announced: readonly PublicKey[],
    prove: (keys: readonly PublicKey[]) => Promise<void>,
  ): void | Promise<void>;
}

/** A host for messages: the name as given, `[name]:port` unless the port is 22. */
export function hostLabel(host: HostAddress): string {
  return host.port === 22 ? host.hostname : `[${host.hostname}]:${host.port}`;
}

/** The error for a key that is not accepted. */
export function refused(
  reason: HostKeyProblem,
  host: HostAddress,
  key: PublicKey,
  why: string,
  options?: ErrorOptions,
): HostKeyError {
  const name = hostLabel(host);
  const fingerprint = key.fingerprint();
  return new HostKeyError(
    reason,
    name,
    fingerprint,
    `Host key of ${name} refused (${key.type} ${fingerprint}): ${why}`,
    options,
  );
}
