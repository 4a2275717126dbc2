import type { Curve } from "../crypto/sign.ts";
import { KeyFormatError, printable } from "../errors.ts";
import type { Armored } from "./armor.ts";
import { DerReader, TAG } from "./der.ts";
import { ecdsaSection } from "./ecdsa.ts";
import { ed25519Section } from "./ed25519.ts";
import { rsaSection } from "./rsa.ts";

const OID_RSA = "2a864886f70d010101"; // RFC 8017 §A.1: rsaEncryption
const OID_EC = "2a8648ce3d0201"; // RFC 5480 §2.1.1: id-ecPublicKey
const OID_ED25519 = "2b6570"; // RFC 8410 §3: id-Ed25519

// RFC 5480 §2.1.1.1
const CURVES: Readonly<Record<string, Curve>> = {
  "2a8648ce3d030107": "nistp256",
  "2b81040022": "nistp384",
  "2b81040023": "nistp521",
};

/**
 * Turns an unencrypted PEM key into the private section of openssh-key-v1, which the caller wipes.
 *
 * @throws {KeyFormatError} If the key is malformed, encrypted or of an unsupported kind
 */
export function sectionFromPem({ label, headers, bytes }: Armored): Uint8Array {
  if (label === "ENCRYPTED PRIVATE KEY" || headers.has("Proc-Type")) {
    throw new KeyFormatError(
      "Private key is encrypted in a legacy format: convert it with `ssh-keygen -p -f FILE`",
    );
  }
  switch (label) {
    case "PRIVATE KEY":
      return sectionFromPkcs8(bytes);
    case "RSA PRIVATE KEY":
      return fromPkcs1(bytes);
    case "EC PRIVATE KEY":
      return fromSec1(bytes, null);
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
  // Version 1 adds attributes or the public key behind; neither is needed.
  if (info.small() > 1) throw new KeyFormatError("PKCS#8 key is of an unknown version");
  const algorithm = info.sequence();
  const oid = algorithm.oid();
  const key = info.octets();
  switch (oid) {
    case OID_RSA:
      return fromPkcs1(key);
    case OID_EC:
      return fromSec1(key, algorithm.oid());
    case OID_ED25519:
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

// RFC 5915 §3: version, the secret number, the curve unless told already, the public point.
function fromSec1(bytes: Uint8Array, curveOid: string | null): Uint8Array {
  const outer = new DerReader(bytes);
  const key = outer.sequence();
  outer.end();
  if (key.small() !== 1) throw new KeyFormatError("EC key is of an unknown version");
  const scalar = key.octets();
  const parameters = key.optional(TAG.CONTEXT_0);
  const oid = parameters === null ? curveOid : new DerReader(parameters).oid();
  const curve = oid === null ? undefined : CURVES[oid];
  if (curve === undefined || (curveOid !== null && oid !== curveOid)) {
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
