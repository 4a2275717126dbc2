import type { PublicKey } from "./key.ts";

/**
 * The short name of a key's type, as in `ssh-keygen -l`.
 *
 * @param key The key
 * @returns Such as `"ED25519"`, `"RSA"`, `"ECDSA-SK"` or `"ED25519-CERT"`
 *
 * @example
 * ```ts
 * import { generateKey, keyTypeLabel } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ecdsa-p384");
 * assertEquals(keyTypeLabel(key.publicKey), "ECDSA");
 * ```
 */
export function keyTypeLabel(key: PublicKey): string {
  const { type } = key.certificate?.publicKey ?? key;
  const name = /ed25519|ecdsa|rsa/.exec(type)?.[0] ?? type;
  const token = type.startsWith("sk-") ? "-sk" : "";
  return `${name}${token}${key.certificate ? "-cert" : ""}`.toUpperCase();
}
