/** The points of the NIST curves: y² = x³ + ax + b modulo a prime (FIPS 186-4 §D.1.2). */
import { type Curve, ecdsaPublicKey } from "../crypto/sign.ts";
import { encodeHex } from "../encoding.ts";

/** All three curves have a = p - 3. */
export const PRIMES: Readonly<Record<Curve, bigint>> = {
  nistp256: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  nistp384: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  nistp521: 2n ** 521n - 1n,
};

const coefficients = new Map<Curve, bigint>();

/** Whether an uncompressed point is on its curve: all of them have the cofactor 1. */
export function isOnCurve(curve: Curve, point: Uint8Array): boolean {
  const [x, y] = coordinates(point);
  const p = PRIMES[curve];
  return x < p && y < p && constantTerm(x, y, p) === coefficientB(curve);
}

/** The coefficient b of a curve. */
export function coefficientB(curve: Curve): bigint {
  let b = coefficients.get(curve);
  if (b === undefined) {
    // Computed from the base point, which is on the curve.
    b = constantTerm(...coordinates(basePoint(curve)), PRIMES[curve]);
    coefficients.set(curve, b);
  }
  return b;
}

/** The base point of a curve, uncompressed. */
export function basePoint(curve: Curve): Uint8Array {
  return ecdsaPublicKey(curve, Uint8Array.of(1));
}

/** The coordinates of an uncompressed point. */
export function coordinates(point: Uint8Array): [x: bigint, y: bigint] {
  const bytes = (point.length - 1) / 2;
  return [toBigInt(point.subarray(1, 1 + bytes)), toBigInt(point.subarray(1 + bytes))];
}

/** Converts big-endian bytes to a number. */
export function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x0${encodeHex(bytes)}`);
}

/** y² - x³ + 3x modulo p. */
function constantTerm(x: bigint, y: bigint, p: bigint): bigint {
  const value = (y * y - x ** 3n + 3n * x) % p;
  return value < 0n ? value + p : value;
}
