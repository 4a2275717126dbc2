import { core } from "./wasm.ts";

/** A hash function, by the name that Web Crypto uses. */
export type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

/** The digest of the parts one after the other; at once, unlike `crypto.subtle.digest`. */
export function digest(hash: HashName, ...parts: Uint8Array[]): Uint8Array {
  return core.digest(hash, join(parts)) ?? unknown(hash);
}

/** HMAC (RFC 2104) over the parts one after the other. */
export function hmac(hash: HashName, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  return core.hmac(hash, key, join(parts)) ?? unknown(hash);
}

/**
 * The key that OpenSSH encrypts private keys with.
 *
 * @throws {RangeError} If an input is empty, `rounds` is 0 or `length` is over 1024 bytes
 */
export function bcryptPbkdf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  rounds: number,
  length: number,
): Uint8Array {
  const key = core.bcrypt_pbkdf(passphrase, salt, rounds, length);
  if (key === undefined) {
    throw new RangeError("Cannot derive a key: empty passphrase or salt, no rounds, or bad length");
  }
  return key;
}

/** Compares in time that does not depend on where the difference is. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return core.equal(a, b);
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function unknown(hash: string): never {
  throw new TypeError(`Unknown hash "${hash}"`);
}
