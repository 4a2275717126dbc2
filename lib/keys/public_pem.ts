import { concat } from "@std/bytes";
import { KeyFormatError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { addArmor, removeArmor } from "./armor.ts";
import { readCurve } from "./curve_parameters.ts";
import { DerReader } from "./der.ts";
import { bitString, type Der, integer, NULL, oid, sequence } from "./der_writer.ts";
import type { PublicKey } from "./key.ts";
import { CURVE_OIDS, OID } from "./object_ids.ts";
import type { Curve } from "../crypto/sign.ts";

const SPKI_LABEL = "PUBLIC KEY";
const PKCS1_LABEL = "RSA PUBLIC KEY";

/**
 * The blob of a public key in PEM: SubjectPublicKeyInfo (RFC 5280 §4.1), or PKCS#1 for RSA.
 *
 * @throws {KeyFormatError} If the text is malformed or of an unsupported kind
 */
export function blobFromPem(text: string): Uint8Array {
  const { label, bytes } = removeArmor(text, "Public key", /PUBLIC KEY$/);
  switch (label) {
    case SPKI_LABEL:
      return fromSpki(bytes);
    case PKCS1_LABEL:
      return fromPkcs1(bytes);
    default:
      throw new KeyFormatError(`Public key format "${printable(label, 64)}" is not supported`);
  }
}

/**
 * A public key as SubjectPublicKeyInfo.
 *
 * @throws {TypeError} If it is a certificate or of a type that only SSH has
 */
export function toSpki(key: PublicKey): string {
  return addArmor(SPKI_LABEL, concat(encodeSpki(key)));
}

/** An RSA key as PKCS#1 (RFC 8017 §A.1.1); other keys as SubjectPublicKeyInfo. */
export function toPkcs1(key: PublicKey): string {
  return key.type === "ssh-rsa" ? addArmor(PKCS1_LABEL, concat(encodePkcs1(key))) : toSpki(key);
}

function encodeSpki(key: PublicKey): Der {
  const { blob, type } = key;
  const reader = new Reader(blob);
  reader.string();
  switch (type) {
    case "ssh-rsa":
      return sequence(sequence(oid(OID.RSA), NULL), bitString(encodePkcs1(key)));
    case "ssh-ed25519":
      return sequence(sequence(oid(OID.ED25519)), bitString(reader.string()));
    case "ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp384":
    case "ecdsa-sha2-nistp521": {
      const curve = reader.text() as Curve;
      const algorithm = sequence(oid(OID.EC), oid(CURVE_OIDS[curve]));
      return sequence(algorithm, bitString(reader.string()));
    }
    default:
      throw new TypeError(`PEM does not support keys of type "${type}"`);
  }
}

function encodePkcs1({ blob }: PublicKey): Der {
  const reader = new Reader(blob);
  reader.string();
  const e = reader.mpint();
  return sequence(integer(reader.mpint()), integer(e));
}

function fromSpki(bytes: Uint8Array): Uint8Array {
  const outer = new DerReader(bytes);
  const info = outer.sequence();
  outer.end();
  const algorithm = info.sequence();
  const key = info.bits();
  info.end();
  switch (algorithm.oid()) {
    case OID.RSA:
      return fromPkcs1(key);
    case OID.ED25519:
      return new Writer().text("ssh-ed25519").string(key).take();
    case OID.EC: {
      const curve = readCurve(algorithm);
      if (curve === undefined) throw new KeyFormatError("EC key is on an unsupported curve");
      return new Writer().text(`ecdsa-sha2-${curve}`).text(curve).string(key).take();
    }
    default:
      throw new KeyFormatError("Public key is of an unsupported type");
  }
}

function fromPkcs1(bytes: Uint8Array): Uint8Array {
  const outer = new DerReader(bytes);
  const key = outer.sequence();
  outer.end();
  const [n, e] = [key.number(), key.number()];
  key.end();
  return new Writer().text("ssh-rsa").mpint(e).mpint(n).take();
}
