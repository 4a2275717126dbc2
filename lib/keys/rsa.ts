import { type RsaPrivateParts, signRsa, verifyRsa } from "../crypto/sign.ts";
import { MIN_RSA_BITS } from "../defaults.ts";
import { KeyFormatError } from "../errors.ts";
import { Writer } from "../wire/writer.ts";
import { withoutLeadingZeros } from "../wire/reader.ts";
import type { KeyType } from "./key_type.ts";

const NAME = "ssh-rsa";

/** Largest modulus accepted, in bits: OpenSSH's own limit. */
const MAX_RSA_BITS = 16384;

/** Longest public exponent: OpenSSL's limit. A longer one only slows down verification. */
const MAX_EXPONENT_BYTES = 8;

// RFC 8332 §3: the name of the key stays; that of the signature tells the hash.
const HASHES = { "rsa-sha2-512": "SHA-512", "rsa-sha2-256": "SHA-256" } as const;

/** RSA (RFC 4253 §6.6, RFC 8332). */
export const rsa: KeyType = {
  name: NAME,
  algorithms: Object.keys(HASHES),
  legacyAlgorithms: [NAME], // SHA-1

  readPublic(reader) {
    const e = reader.mpint();
    const n = reader.mpint();
    checkPublic(n, e);
    return {
      bits: bitLength(n),
      blob: publicBlob(n, e),
      verify: (algorithm, data, { bytes }) =>
        verifyRsa(hashOf(algorithm), n, e, data, withoutLeadingZeros(bytes)),
    };
  },

  // OpenSSH PROTOCOL.key: n, e, d, q^-1 mod p, p, q.
  readPrivate(reader) {
    const n = reader.mpint();
    const e = reader.mpint();
    checkPublic(n, e);
    const d = reader.mpint();
    const iqmp = reader.mpint();
    const key: RsaPrivateParts = { n, e, d, iqmp, p: reader.mpint(), q: reader.mpint() };
    checkHalves(key);
    return {
      publicBlob: publicBlob(n, e),
      sign: (algorithm, data) => signRsa(hashOf(algorithm), key, data),
    };
  },
};

function publicBlob(n: Uint8Array, e: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Writer().text(NAME).mpint(e).mpint(n).take();
}

/** The private section of openssh-key-v1, name included, for the numbers of a key. */
export function rsaSection({ n, e, d, iqmp, p, q }: RsaPrivateParts): Uint8Array<ArrayBuffer> {
  return new Writer().text(NAME).mpint(n).mpint(e).mpint(d).mpint(iqmp).mpint(p).mpint(q).take();
}

function hashOf(algorithm: string): "SHA-1" | "SHA-256" | "SHA-512" {
  return algorithm === NAME ? "SHA-1" : HASHES[algorithm as keyof typeof HASHES];
}

function checkPublic(n: Uint8Array, e: Uint8Array): void {
  const bits = bitLength(n);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw new KeyFormatError(
      `RSA key has ${bits} bits: ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are accepted`,
    );
  }
  const exponent = e.reduce((value, byte) => value * 256 + byte, 0);
  if (e.length > MAX_EXPONENT_BYTES || exponent < 3 || !isOdd(e) || !isOdd(n)) {
    throw new KeyFormatError("RSA key has an impossible exponent or modulus");
  }
}

// A wrong private number would cause wrong signatures, and one of those can reveal the primes. So the key
// is tested once before its first use, and signing checks its result with the public half.
function checkHalves(key: RsaPrivateParts): void {
  try {
    signRsa("SHA-256", key, new Uint8Array(0));
  } catch (cause) {
    throw new KeyFormatError("RSA private key is inconsistent", { cause });
  }
}

function isOdd(number: Uint8Array): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1;
}

function bitLength(number: Uint8Array): number {
  return number.length === 0 ? 0 : number.length * 8 - (Math.clz32(number[0]!) - 24);
}
