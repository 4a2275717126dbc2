/**
 * Ciphers for private key files: complete inputs, without padding. Packets go through `packet_cipher.ts`.
 *
 * @module
 */

import { core } from "./wasm.ts";

/** A cipher, by its SSH name; `des-cbc`, which has no SSH name, is for old PEM files. */
export type CipherName =
  | "aes128-ctr"
  | "aes192-ctr"
  | "aes256-ctr"
  | "aes128-cbc"
  | "aes192-cbc"
  | "aes256-cbc"
  | "aes128-gcm@openssh.com"
  | "aes256-gcm@openssh.com"
  | "chacha20-poly1305@openssh.com"
  | "3des-cbc"
  | "des-cbc";

/**
 * Decrypts `data`; AEAD ciphers expect their tag at its end.
 *
 * @throws {RangeError} If the tag is wrong or a length does not fit the cipher
 */
export function decryptBytes(
  cipher: CipherName,
  key: Uint8Array,
  iv: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  return core().crypt(cipher, key, iv, data, false) ?? refuse("decrypt", cipher);
}

/**
 * Encrypts `data`; AEAD ciphers append their tag.
 *
 * @throws {RangeError} If a length does not fit the cipher
 */
export function encryptBytes(
  cipher: CipherName,
  key: Uint8Array,
  iv: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  return core().crypt(cipher, key, iv, data, true) ?? refuse("encrypt", cipher);
}

function refuse(what: string, cipher: string): never {
  throw new RangeError(`Cannot ${what} with "${cipher}": bad key, tag or length`);
}
