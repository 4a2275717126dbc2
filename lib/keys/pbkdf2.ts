import { hmac, type ShaName } from "../crypto/digest.ts";

/** PBKDF2 (RFC 8018 §5.2). */
export function pbkdf2(
  hash: ShaName,
  passphrase: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  const key = new Uint8Array(length);
  for (let block = 1, at = 0; at < length; block++) {
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, block);
    let u = hmac(hash, passphrase, salt, number);
    const sum = u.slice();
    for (let i = 1; i < iterations; i++) {
      u = hmac(hash, passphrase, u);
      for (let byte = 0; byte < sum.length; byte++) sum[byte]! ^= u[byte]!;
    }
    key.set(sum.subarray(0, length - at), at);
    at += sum.length;
  }
  return key;
}
