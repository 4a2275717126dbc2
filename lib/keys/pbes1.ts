import { concat } from "@std/bytes";
import { digest } from "../crypto/digest.ts";
import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError } from "../errors.ts";
import type { DerReader } from "./der.ts";
import { PEM_CIPHERS, type PemCipher } from "./pem_cipher.ts";

/** Maximum iterations that a file may request; OpenSSL writes 2048. */
const MAX_ITERATIONS = 1_000_000;

/** A cipher and the key and IV for it. */
export interface OldKeys {
  readonly cipher: PemCipher;
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** A scheme for PKCS#8 older than PBES2; only for reading. */
export type OldScheme = (passphrase: string, salt: Uint8Array, iterations: number) => OldKeys;

// RFC 8018 §A.3: PBES1; RFC 7292 §C: the schemes of PKCS#12. RC2 and RC4 are not supported.
const SCHEMES: Readonly<Record<string, OldScheme>> = {
  "2a864886f70d010503": pbes1("MD5"),
  "2a864886f70d01050a": pbes1("SHA-1"),
  "2a864886f70d010c0103": pkcs12(24),
  "2a864886f70d010c0104": pkcs12(16),
};

/**
 * Derives the cipher, the key and the IV from an identifier and its parameters.
 *
 * @throws {KeyFormatError} If the scheme is unknown, or has too many iterations
 */
export function oldScheme(oid: string, parameters: DerReader): (passphrase: string) => OldKeys {
  const scheme = SCHEMES[oid];
  if (scheme === undefined) {
    throw new KeyFormatError("PKCS#8 key is encrypted in a way that is not supported");
  }
  const salt = parameters.octets();
  const iterations = parameters.uint32();
  parameters.end();
  if (iterations === 0 || iterations > MAX_ITERATIONS || salt.length === 0) {
    throw new KeyFormatError(
      `Private key requests ${iterations} iterations: 1 to ${MAX_ITERATIONS} are accepted`,
    );
  }
  return (passphrase) => scheme(passphrase, salt, iterations);
}

// RFC 8018 §5.1, PBKDF1: the iterated hash of the passphrase and the salt; half of it is the IV.
function pbes1(hash: "MD5" | "SHA-1"): OldScheme {
  return (passphrase, salt, iterations) => {
    const secret = new TextEncoder().encode(passphrase);
    const first = wiping(secret, () => digest(hash, secret, salt));
    return wiping(digestAgain(hash, first, iterations - 1), (derived) => ({
      cipher: cipherOf("des-cbc"),
      key: derived.slice(0, 8),
      iv: derived.slice(8, 16),
    }));
  };
}

function pkcs12(keyBytes: 16 | 24): OldScheme {
  return (passphrase, salt, iterations) => {
    // Two bytes per character, and two zero bytes at the end.
    const secret = new Uint8Array(2 * passphrase.length + 2);
    for (let i = 0; i < passphrase.length; i++) {
      new DataView(secret.buffer).setUint16(2 * i, passphrase.charCodeAt(i));
    }
    const part = (id: number, length: number) => pkcs12Part(id, secret, salt, iterations, length);
    return wiping(secret, () => ({
      cipher: cipherOf("3des-cbc"),
      // Two-key triple DES uses the first key as the third.
      key: wiping(part(1, keyBytes), (key) => concat([key, key.subarray(0, 24 - keyBytes)])),
      iv: part(2, 8),
    }));
  };
}

const HASH_BLOCK = 64;
const SHA1_BYTES = 20;

// RFC 7292 §B.2, with SHA-1.
function pkcs12Part(
  id: number,
  secret: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  const diversifier = new Uint8Array(HASH_BLOCK).fill(id);
  const input = wiping(repeated(secret), (secret) => concat([repeated(salt), secret]));
  const result = new Uint8Array(length);
  for (let at = 0; at < length; at += SHA1_BYTES) {
    const first = digest("SHA-1", diversifier, input);
    wiping(digestAgain("SHA-1", first, iterations - 1), (a) => {
      result.set(a.subarray(0, length - at), at);
      wiping(repeated(a), (b) => {
        for (let block = 0; block < input.length; block += HASH_BLOCK) {
          addOneAnd(b, input.subarray(block, block + HASH_BLOCK));
        }
      });
    });
  }
  input.fill(0);
  return result;
}

/** Repeated until it fills whole blocks. */
/** Iterates a digest `times` times, and wipes intermediate values. */
function digestAgain(hash: "MD5" | "SHA-1", bytes: Uint8Array, times: number): Uint8Array {
  for (let i = 0; i < times; i++) bytes = wiping(bytes, (before) => digest(hash, before));
  return bytes;
}

function repeated(bytes: Uint8Array): Uint8Array {
  const filled = new Uint8Array(HASH_BLOCK * Math.ceil(bytes.length / HASH_BLOCK));
  for (let i = 0; i < filled.length; i++) filled[i] = bytes[i % bytes.length]!;
  return filled;
}

/** Adds a number plus one to the number in `to`, which keeps its length. */
function addOneAnd(number: Uint8Array, to: Uint8Array): void {
  let carry = 1;
  for (let i = to.length - 1; i >= 0; i--) {
    carry += to[i]! + number[i]!;
    to[i] = carry & 0xff;
    carry >>= 8;
  }
}

function cipherOf(name: PemCipher["name"]): PemCipher {
  return PEM_CIPHERS.find((cipher) => cipher.name === name)!;
}
