/** Identifies the curve of the parameters of an EC key in DER (RFC 3279 §2.3.5). */
import { equals } from "@std/bytes";
import { type Curve, ecdsaPublicKey } from "../crypto/sign.ts";
import { basePoint, coefficientB, coordinates, PRIMES, toBigInt } from "./curve_points.ts";
import { type DerReader, TAG } from "./der.ts";
import { curveOf, OID } from "./object_ids.ts";

/**
 * Reads a curve: by its identifier, or by explicit parameters as `openssl -param_enc explicit` writes them.
 *
 * @returns Undefined for a curve that SSH does not use
 * @throws {KeyFormatError} If the parameters are malformed
 */
export function readCurve(parameters: DerReader): Curve | undefined {
  const explicit = parameters.optionalSequence();
  return explicit === null ? curveOf(parameters.oid()) : explicitCurve(explicit);
}

// Version, field, coefficients, base point, order, cofactor. The prime, a and the base point determine the
// curve; b and the order must agree with them.
function explicitCurve(parameters: DerReader): Curve | undefined {
  parameters.small();
  const field = parameters.sequence();
  if (field.oid() !== OID.PRIME_FIELD) return undefined;
  const p = toBigInt(field.number());
  const curve = (Object.keys(PRIMES) as Curve[]).find((name) => PRIMES[name] === p);
  if (curve === undefined) return undefined;
  const coefficients = parameters.sequence();
  const [a, b] = [toBigInt(coefficients.octets()), toBigInt(coefficients.octets())];
  const base = parameters.octets();
  const order = toBigInt(parameters.element(TAG.INTEGER));
  const generator = basePoint(curve);
  const matches = a === p - 3n && b === coefficientB(curve) && isPoint(base, generator) &&
    isOrder(curve, order, coordinates(generator)[0]);
  return matches ? curve : undefined;
}

/** Whether bytes encode the point, uncompressed or compressed (SEC 1 §2.3.3). */
function isPoint(bytes: Uint8Array, point: Uint8Array): boolean {
  const compressed = point.slice(0, 1 + (point.length - 1) / 2);
  compressed[0] = 2 + (point.at(-1)! & 1);
  return equals(bytes, point) || equals(bytes, compressed);
}

/** The base point times the order less one is its mirror image, with the same x. */
function isOrder(curve: Curve, order: bigint, x: bigint): boolean {
  const hex = (order - 1n).toString(16);
  const number = Uint8Array.from(
    hex.padStart(hex.length + hex.length % 2, "0").match(/../g)!,
    (pair) => parseInt(pair, 16),
  );
  try {
    return order > 2n && coordinates(ecdsaPublicKey(curve, number))[0] === x;
  } catch {
    return false; // not a number of the curve
  }
}
