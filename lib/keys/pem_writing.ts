import { concat } from "@std/bytes";
import type { RsaPrivateParts } from "../crypto/sign.ts";
import { decodeHex, encodeHex } from "../encoding.ts";
import {
  bitString,
  type Der,
  element,
  integer,
  NULL,
  octetString,
  oid,
  sequence,
} from "./der_writer.ts";
import { TAG } from "./der.ts";
import { CURVE_OIDS, OID } from "./object_ids.ts";
import type { PrivateNumbers } from "./private_numbers.ts";

/** A private key as PKCS#8 (RFC 5958 §2). */
export function encodePkcs8(key: PrivateNumbers): Uint8Array {
  switch (key.kind) {
    case "rsa":
      return withPkcs1(key, (pkcs1) => info(sequence(oid(OID.RSA), NULL), pkcs1));
    case "ecdsa": {
      const algorithm = sequence(oid(OID.EC), oid(CURVE_OIDS[key.curve]));
      return concat(info(algorithm, sec1(key, { named: false })));
    }
    case "ed25519": // RFC 8410 §7: an octet string in the octet string
      return concat(info(sequence(oid(OID.ED25519)), octetString(key.seed)));
  }
}

/** The key in the format of its type, PKCS#1 or SEC 1, with the label of its armour. */
export function encodeTraditional(key: PrivateNumbers): { label: string; bytes: Uint8Array } {
  switch (key.kind) {
    case "rsa":
      return { label: "RSA PRIVATE KEY", bytes: withPkcs1(key, (pkcs1) => pkcs1) };
    case "ecdsa":
      return { label: "EC PRIVATE KEY", bytes: concat(sec1(key, { named: true })) };
    case "ed25519":
      throw new TypeError('An Ed25519 key has no separate PEM format: export it as "pkcs8"');
  }
}

function info(algorithm: Der, key: Der): Der {
  return sequence(integer(0), algorithm, octetString(key));
}

// RFC 8017 §A.1.2: version, n, e, d, p, q, d mod p-1, d mod q-1, q^-1 mod p.
function withPkcs1(
  { n, e, d, p, q, iqmp }: Readonly<RsaPrivateParts>,
  use: (pkcs1: Der) => Der,
): Uint8Array {
  const reductions = [reduced(d, p), reduced(d, q)];
  const numbers = [n, e, d, p, q, ...reductions, iqmp];
  const bytes = concat(use(sequence(integer(0), ...numbers.map((number) => integer(number)))));
  for (const number of reductions) number.fill(0);
  return bytes;
}

// RFC 5915 §3: version, the secret number in full length, the curve unless known already, the point.
function sec1(
  { curve, scalar, point }: Extract<PrivateNumbers, { kind: "ecdsa" }>,
  { named }: { named: boolean },
): Der {
  const zeros = new Uint8Array((point.length - 1) / 2 - scalar.length);
  const parameters = named ? [element(TAG.CONTEXT_0, oid(CURVE_OIDS[curve]))] : [];
  return sequence(
    integer(1),
    octetString([zeros, scalar]),
    ...parameters,
    element(TAG.CONTEXT_1, bitString(point)),
  );
}

/** d mod (p - 1). Not wiped, because the resulting text cannot be wiped either. */
function reduced(d: Uint8Array, p: Uint8Array): Uint8Array {
  const digits = (BigInt(`0x${encodeHex(d)}`) % (BigInt(`0x${encodeHex(p)}`) - 1n)).toString(16);
  return decodeHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}
