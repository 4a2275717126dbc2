import { KEY_TYPES, SIGNATURE_ALGORITHMS } from "./key_types.ts";
import type { KeyType } from "./key_type.ts";

const VENDOR = "@openssh.com";
const SUFFIX = `-cert-v01${VENDOR}`;

/**
 * Every signature algorithm that a certified key can make, best first.
 *
 * @example
 * ```ts
 * import { CERTIFICATE_ALGORITHMS } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(CERTIFICATE_ALGORITHMS[0], "ssh-ed25519-cert-v01@openssh.com");
 * ```
 */
export const CERTIFICATE_ALGORITHMS: readonly string[] = SIGNATURE_ALGORITHMS.map(certified);

/** The name for certificates of a type or an algorithm (OpenSSH PROTOCOL.certkeys). */
export function certified(name: string): string {
  return (name.endsWith(VENDOR) ? name.slice(0, -VENDOR.length) : name) + SUFFIX;
}

/** The type of the certified key; null if the name is not that of a certificate. */
export function certifiedType(name: string): KeyType | null {
  return KEY_TYPES.find((type) => certified(type.name) === name) ?? null;
}

/**
 * The algorithm named in a signature by a certified key: that of the plain key.
 *
 * @param algorithm An algorithm of a key or of a certificate
 * @returns The plain algorithm; other names are returned unchanged
 *
 * @example
 * ```ts
 * import { plainAlgorithm } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   plainAlgorithm("rsa-sha2-512-cert-v01@openssh.com"),
 *   "rsa-sha2-512",
 * );
 * assertEquals(plainAlgorithm("rsa-sha2-512"), "rsa-sha2-512");
 * ```
 */
export function plainAlgorithm(algorithm: string): string {
  const plain = KEY_TYPES.flatMap((type) => [...type.algorithms, ...type.legacyAlgorithms ?? []]);
  return plain.find((name) => certified(name) === algorithm) ?? algorithm;
}
