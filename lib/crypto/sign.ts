import { randomBytes } from "./random.ts";
import { core } from "./wasm.ts";
import { wiping } from "./wiping.ts";

/** A NIST curve, by the name of RFC 5656. */
export type Curve = "nistp256" | "nistp384" | "nistp521";

/** The numbers of an RSA private key, big-endian. */
export interface RsaPrivateParts {
  /** The modulus. */
  n: Uint8Array;
  /** The public exponent. */
  e: Uint8Array;
  /** The private exponent. */
  d: Uint8Array;
  /** The first prime. */
  p: Uint8Array;
  /** The second prime. */
  q: Uint8Array;
  /** The inverse of q modulo p. */
  iqmp: Uint8Array;
}

/** Length of a coordinate. */
export const FIELD_BYTES: Readonly<Record<Curve, number>> = {
  nistp256: 32,
  nistp384: 48,
  nistp521: 66,
};
const SEED_BYTES = 32;

/** Verifies an Ed25519 signature (RFC 8032). */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return core().verify_ed25519(publicKey, message, signature);
}

/** Verifies an ECDSA signature; `r` and `s` are big-endian magnitudes. */
export function verifyEcdsa(
  curve: Curve,
  point: Uint8Array,
  message: Uint8Array,
  r: Uint8Array,
  s: Uint8Array,
): boolean {
  const size = FIELD_BYTES[curve];
  const signature = new Uint8Array(2 * size);
  return place(r, signature.subarray(0, size)) && place(s, signature.subarray(size)) &&
    core().verify_ecdsa(curve, point, message, signature);
}

/** Verifies an RSASSA-PKCS1-v1_5 signature; the modulus has 2048 to 16384 bits. */
export function verifyRsa(
  hash: "SHA-1" | "SHA-256" | "SHA-512",
  n: Uint8Array,
  e: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return core().verify_rsa(hash, n, e, message, signature);
}

/** Signs with Ed25519. */
export function signEd25519(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return core().sign_ed25519(seed, message) ?? refuse("Ed25519");
}

/** Signs with ECDSA and the hash of the curve (RFC 5656 §6.2.1). */
export function signEcdsa(
  curve: Curve,
  scalar: Uint8Array,
  point: Uint8Array,
  message: Uint8Array,
): { r: Uint8Array; s: Uint8Array } {
  const signature = wiping(
    fixed(curve, scalar),
    (scalar) => core().sign_ecdsa(curve, scalar, point, message) ?? refuse(curve),
  );
  const size = FIELD_BYTES[curve];
  return { r: signature.subarray(0, size), s: signature.subarray(size) };
}

/** Signs with RSASSA-PKCS1-v1_5; the signature is as long as the modulus, of 2048 to 16384 bits. */
export function signRsa(
  hash: "SHA-1" | "SHA-256" | "SHA-512",
  key: RsaPrivateParts,
  message: Uint8Array,
): Uint8Array {
  const { n, e, d, p, q, iqmp } = key;
  return core().sign_rsa(hash, n, e, d, p, q, iqmp, message) ?? refuse("RSA");
}

/** A new Ed25519 key. */
export function generateEd25519(): { seed: Uint8Array; publicKey: Uint8Array } {
  const seed = randomBytes(SEED_BYTES);
  return { seed, publicKey: ed25519PublicKey(seed) };
}

/** The public key that belongs to a seed. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  return core().ed25519_public_key(seed) ?? refuse("Ed25519");
}

/** A new ECDSA key; the point is uncompressed (SEC 1 §2.3.3). */
export function generateEcdsa(curve: Curve): { scalar: Uint8Array; point: Uint8Array } {
  const both = core().generate_ecdsa(curve) ?? refuse(curve);
  const size = FIELD_BYTES[curve];
  return wiping(both, () => ({ scalar: both.slice(0, size), point: both.slice(size) }));
}

/** The point that belongs to a scalar, uncompressed. */
export function ecdsaPublicKey(curve: Curve, scalar: Uint8Array): Uint8Array {
  return wiping(
    fixed(curve, scalar),
    (scalar) => core().ecdsa_public_key(curve, scalar) ?? refuse(curve),
  );
}

/** Pads a scalar: those from an mpint or a key file may lack leading zeros, or have one too many. */
function fixed(curve: Curve, scalar: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FIELD_BYTES[curve]);
  return place(scalar, bytes) ? bytes : refuse(curve);
}

/** Writes a magnitude to the end of `into`; false if it is too large. */
function place(magnitude: Uint8Array, into: Uint8Array): boolean {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start++;
  if (magnitude.length - start > into.length) return false;
  into.set(magnitude.subarray(start), into.length - (magnitude.length - start));
  return true;
}

function refuse(kind: string): never {
  throw new RangeError(`Cannot use the ${kind} key: its parts are malformed or do not match`);
}
