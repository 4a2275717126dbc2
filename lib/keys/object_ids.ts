import type { Curve } from "../crypto/sign.ts";

/** Object identifiers of keys, by their contents in hex. */
export const OID = {
  RSA: "2a864886f70d010101", // RFC 8017 §A.1: rsaEncryption
  EC: "2a8648ce3d0201", // RFC 5480 §2.1.1: id-ecPublicKey
  ED25519: "2b6570", // RFC 8410 §3: id-Ed25519
  PRIME_FIELD: "2a8648ce3d0101", // RFC 3279 §2.3.5: prime-field
} as const;

/** The identifiers of curves (RFC 5480 §2.1.1.1). */
export const CURVE_OIDS: Readonly<Record<Curve, string>> = {
  nistp256: "2a8648ce3d030107",
  nistp384: "2b81040022",
  nistp521: "2b81040023",
};

/** The curve of an identifier; undefined if SSH does not use it. */
export function curveOf(oid: string): Curve | undefined {
  return (Object.keys(CURVE_OIDS) as Curve[]).find((curve) => CURVE_OIDS[curve] === oid);
}
