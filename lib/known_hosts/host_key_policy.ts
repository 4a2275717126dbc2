import { HostKeyError, type HostKeyProblem } from "../errors.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { CallOptions } from "../waiting.ts";

/** The host that is being connected to, as the caller named it. */
export interface HostAddress {
  /** The name or address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/**
 * Decides whether a server's host key is the right one.
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
   * Only `true` accepts; anything else, an exception included, refuses. The key may be a certificate:
   * whose, by whom and until when is for the policy to judge.
   *
   * @param options A signal that is aborted when the answer no longer counts
   * @throws {HostKeyError} To say why
   */
  verify(host: HostAddress, key: PublicKey, options?: CallOptions): boolean | Promise<boolean>;
  /**
   * The key types known for a host, so that they are asked for first, or names of signature
   * algorithms, such as those of certificates where an authority is known.
   *
   * @param options A signal that is aborted when the answer no longer counts
   */
  knownTypes?(
    host: HostAddress,
    options?: CallOptions,
  ): readonly string[] | Promise<readonly string[]>;
  /**
   * Learns and forgets keys of a host that was accepted and then said which keys it has.
   *
   * @param shown The key that the connection rests on
   * @param announced All keys that the host says it has
   * @param prove Has the host prove that it holds keys; rejects unless it holds all of them
   */
  update?(
    host: HostAddress,
    shown: PublicKey,
    announced: readonly PublicKey[],
    prove: (keys: readonly PublicKey[]) => Promise<void>,
  ): void | Promise<void>;
}

/** A host as messages show it: the name as given, `[name]:port` unless the port is 22. */
export function hostLabel(host: HostAddress): string {
  return host.port === 22 ? host.hostname : `[${host.hostname}]:${host.port}`;
}

/** The error about a key that is not accepted. */
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
