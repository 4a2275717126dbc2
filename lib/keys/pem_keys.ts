import { KeyFormatError, printable } from "../errors.ts";
import type { Curve } from "../crypto/sign.ts";
import type { Armored } from "./armor.ts";
import { readCurve } from "./curve_parameters.ts";
import { DerReader, TAG } from "./der.ts";
import { ecdsaSection } from "./ecdsa.ts";
import { ed25519Section } from "./ed25519.ts";
import { OID } from "./object_ids.ts";
import { decryptPkcs8 } from "./pbes2.ts";
import { decryptPem } from "./pem_encryption.ts";
import { rsaSection } from "./rsa.ts";
import { wiping } from "../crypto/wiping.ts";

/**
 * Converts a PEM key to the private section of openssh-key-v1, which the caller wipes.
 *
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError} If the key is malformed or of an unsupported kind
 */
export function sectionFromPem(armored: Armored, passphrase: string | undefined): Uint8Array {
  const { label, headers, bytes } = armored;
  if (label === "ENCRYPTED PRIVATE KEY") {
    return wiping(decryptPkcs8(bytes, passphrase), sectionFromPkcs8);
  }
  if (headers.has("Proc-Type")) {
    const plain = decryptPem(armored, passphrase);
    return wiping(plain, (bytes) => fromTraditional(label, bytes));
  }
  return fromTraditional(label, bytes);
}

function fromTraditional(label: string, bytes: Uint8Array): Uint8Array {
  switch (label) {
    case "PRIVATE KEY":
      return sectionFromPkcs8(bytes);
    case "RSA PRIVATE KEY":
      return fromPkcs1(bytes);
    case "EC PRIVATE KEY":
      return fromSec1(bytes);
    default:
      throw new KeyFormatError(`Private key format "${printable(label, 64)}" is not supported`);
  }
}

/**
 * The same for PKCS#8 (RFC 5958 §2).
 *
 * @throws {KeyFormatError} If the key is malformed or of an unsupported kind
 */
export function sectionFromPkcs8(bytes: Uint8Array): Uint8Array {
  const outer = new DerReader(bytes);
  const info = outer.sequence();
  outer.end();
  // Version 1 adds attributes or the public key at the end, which are not needed.
  if (info.small() > 1) throw new KeyFormatError("PKCS#8 key is of an unknown version");
  const algorithm = info.sequence();
  const oid = algorithm.oid();
  const key = info.octets();
  switch (oid) {
    case OID.RSA:
      return fromPkcs1(key);
    case OID.EC:
      return fromSec1(key, readCurve(algorithm));
    case OID.ED25519:
      return fromSeed(key);
    default:
      throw new KeyFormatError("PKCS#8 key is of an unsupported type");
  }
}

// RFC 8017 §A.1.2: version, n, e, d, p, q, d mod p-1, d mod q-1, q^-1 mod p.
function fromPkcs1(bytes: Uint8Array): Uint8Array {
  const outer = new DerReader(bytes);
  const key = outer.sequence();
  outer.end();
  if (key.small() !== 0) throw new KeyFormatError("RSA key has other than two primes");
  const [n, e, d, p, q] = [key.number(), key.number(), key.number(), key.number(), key.number()];
  key.number();
  key.number();
  const iqmp = key.number();
  key.end();
  return rsaSection({ n, e, d, p, q, iqmp });
}

// RFC 5915 §3: version, the secret number, the curve unless known already, the public point.
function fromSec1(bytes: Uint8Array, outerCurve?: Curve): Uint8Array {
  const outer = new DerReader(bytes);
  const key = outer.sequence();
  outer.end();
  if (key.small() !== 1) throw new KeyFormatError("EC key is of an unknown version");
  const scalar = key.octets();
  const parameters = key.optional(TAG.CONTEXT_0);
  const curve = parameters === null ? outerCurve : readCurve(new DerReader(parameters));
  if (curve === undefined || (outerCurve !== undefined && curve !== outerCurve)) {
    throw new KeyFormatError("EC key is on an unsupported curve");
  }
  return ecdsaSection(curve, scalar);
}

// RFC 8410 §7: an octet string in the octet string.
function fromSeed(bytes: Uint8Array): Uint8Array {
  const reader = new DerReader(bytes);
  const seed = reader.octets();
  reader.end();
  if (seed.length !== 32) throw new KeyFormatError("Ed25519 seed does not have 32 bytes");
  return ed25519Section(seed);
}
