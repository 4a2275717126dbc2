import type { RsaPrivateParts } from "../crypto/sign.ts";
import { decodeHex, encodeHex } from "../encoding.ts";
import { bitString, element, integer, NULL, octetString, oid, sequence } from "./der_writer.ts";
import { TAG } from "./der.ts";
import { CURVE_OIDS, OID } from "./object_ids.ts";
import type { PrivateNumbers } from "./private_numbers.ts";

/** A private key as PKCS#8 (RFC 5958 §2). */
export function encodePkcs8(key: PrivateNumbers): Uint8Array {
  switch (key.kind) {
    case "rsa":
      return info(sequence(oid(OID.RSA), NULL), encodePkcs1(key));
    case "ecdsa":
      return info(
        sequence(oid(OID.EC), oid(CURVE_OIDS[key.curve])),
        encodeSec1(key, { named: false }),
      );
    case "ed25519": // RFC 8410 §7: an octet string in the octet string
      return info(sequence(oid(OID.ED25519)), octetString(key.seed));
  }
}

/** The key in the format of its own type, with the label of its armour: PKCS#1 or SEC 1. */
export function encodeTraditional(key: PrivateNumbers): { label: string; bytes: Uint8Array } {
  switch (key.kind) {
    case "rsa":
      return { label: "RSA PRIVATE KEY", bytes: encodePkcs1(key) };
    case "ecdsa":
      return { label: "EC PRIVATE KEY", bytes: encodeSec1(key, { named: true }) };
    case "ed25519":
      throw new TypeError('An Ed25519 key has no format of its own: export it as "pkcs8"');
  }
}

function info(algorithm: Uint8Array, key: Uint8Array): Uint8Array {
  return sequence(integer(0), algorithm, octetString(key));
}

// RFC 8017 §A.1.2: version, n, e, d, p, q, d mod p-1, d mod q-1, q^-1 mod p.
function encodePkcs1({ n, e, d, p, q, iqmp }: Readonly<RsaPrivateParts>): Uint8Array {
  const numbers = [n, e, d, p, q, reduced(d, p), reduced(d, q), iqmp];
  return sequence(integer(0), ...numbers.map((number) => integer(number)));
}

// RFC 5915 §3: version, the secret number in full length, the curve unless told already, the point.
function encodeSec1(
  { curve, scalar, point }: Extract<PrivateNumbers, { kind: "ecdsa" }>,
  { named }: { named: boolean },
): Uint8Array {
  const full = new Uint8Array((point.length - 1) / 2);
  full.set(scalar, full.length - scalar.length);
  const parameters = named ? [element(TAG.CONTEXT_0, oid(CURVE_OIDS[curve]))] : [];
  return sequence(
    integer(1),
    octetString(full),
    ...parameters,
    element(TAG.CONTEXT_1, bitString(point)),
  );
}

/** d mod (p - 1). The text that it ends in cannot be wiped either. */
function reduced(d: Uint8Array, p: Uint8Array): Uint8Array {
  const digits = (BigInt(`0x${encodeHex(d)}`) % (BigInt(`0x${encodeHex(p)}`) - 1n)).toString(16);
  return decodeHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}
