import { ARGON2_MAX_KIB, ARGON2_MAX_WORK_KIB } from "../defaults.ts";
import { core } from "./wasm.ts";
import { wiping } from "./wiping.ts";

/** A hash function of the SHA family, by the name that Web Crypto uses. */
export type ShaName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

/** A hash function of PBKDF2; OpenSSL allows two that SSH does not use elsewhere. */
export type Pbkdf2Hash = ShaName | "SHA-224" | "SHA-512/256";

/** A hash function; MD5 is only for fingerprints and old files. */
export type HashName = ShaName | "MD5";

/** The digest of the concatenated parts; synchronous, unlike `crypto.subtle.digest`. */
export function digest(hash: HashName, ...parts: Uint8Array[]): Uint8Array {
  const hashed = (data: Uint8Array) =>
    hash === "MD5" ? core().md5(data) : core().digest(hash, data) ?? unknown(hash);
  return joined(parts, hashed);
}

/** HMAC (RFC 2104) of the concatenated parts. */
export function hmac(hash: ShaName, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  return joined(parts, (data) => core().hmac(hash, key, data) ?? unknown(hash));
}

/**
 * Derives the key with which OpenSSH encrypts private keys (bcrypt_pbkdf).
 *
 * @throws {RangeError} If an input is empty, `rounds` is 0 or `length` is over 1024 bytes
 */
export function bcryptPbkdf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  rounds: number,
  length: number,
): Uint8Array {
  const key = core().bcrypt_pbkdf(passphrase, salt, rounds, length);
  if (key === undefined) {
    throw new RangeError("Cannot derive a key: empty passphrase or salt, no rounds, or bad length");
  }
  return key;
}

/** PBKDF2 (RFC 8018 §5.2); throws a `RangeError` without iterations. */
export function pbkdf2(
  hash: Pbkdf2Hash,
  passphrase: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  const key = core().pbkdf2(hash, passphrase, salt, iterations, length);
  if (key === undefined) throw new RangeError(`Cannot derive a key with ${iterations} iterations`);
  return key;
}

/** The cost of an scrypt key. */
export interface ScryptCost {
  /** The number of rounds and of memory blocks: a power of two. */
  readonly n: number;
  /** Block size, in units of 128 bytes. */
  readonly r: number;
  /** The number of repetitions. */
  readonly p: number;
}

/**
 * scrypt (RFC 7914 §6).
 *
 * @throws {RangeError} If the cost is out of range, or memory is short
 */
export function scrypt(
  passphrase: Uint8Array,
  salt: Uint8Array,
  { n, r, p }: ScryptCost,
  length: number,
): Uint8Array {
  const rounds = Math.log2(n);
  const key = Number.isInteger(rounds) && rounds > 0 && rounds < 32
    ? core().scrypt(passphrase, salt, rounds, r, p, length)
    : undefined;
  if (key === undefined) {
    throw new RangeError(`Cannot derive a key by scrypt with ${n}, ${r}, ${p}`);
  }
  return key;
}

/** The cost of an Argon2 key. */
export interface Argon2Cost {
  /** Memory in KiB. */
  memory: number;
  /** The number of passes over the memory. */
  passes: number;
  /** The number of lanes, computed sequentially. */
  parallelism: number;
}

/**
 * Derives the key with which PuTTY encrypts private keys (RFC 9106).
 *
 * @throws {RangeError} If the cost is out of range or beyond our limits, `length` is below 4 bytes or
 *     the salt is below 8
 */
export function argon2(
  variant: "argon2d" | "argon2i" | "argon2id",
  passphrase: Uint8Array,
  salt: Uint8Array,
  cost: Argon2Cost,
  length: number,
): Uint8Array {
  const { memory, passes, parallelism } = cost;
  const bearable = memory <= ARGON2_MAX_KIB && memory * passes <= ARGON2_MAX_WORK_KIB &&
    length <= ARGON2_MAX_BYTES;
  const key = bearable
    ? core().argon2(variant, passphrase, salt, memory, passes, parallelism, length)
    : undefined;
  if (key === undefined) {
    throw new RangeError(
      `Cannot derive a key with ${memory} KiB, ${passes} passes and parallelism ${parallelism}`,
    );
  }
  return key;
}

/** Compares in time that does not depend on the position of a difference. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return core().equal(a, b);
}

/** The longest key; PPK needs 80. */
const ARGON2_MAX_BYTES = 1024;

/** Lends the concatenated parts; the copy, which may contain secrets, is wiped afterwards. */
function joined<T>(parts: readonly Uint8Array[], use: (data: Uint8Array) => T): T {
  if (parts.length === 1) return use(parts[0]!);
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return wiping(all, use);
}

function unknown(hash: string): never {
  throw new TypeError(`Unknown hash "${hash}"`);
}
