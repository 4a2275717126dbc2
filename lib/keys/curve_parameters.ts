/** Which curve the parameters of an EC key in DER are (RFC 3279 §2.3.5). */
import { equals } from "@std/bytes";
import { type Curve, ecdsaPublicKey } from "../crypto/sign.ts";
import { encodeHex } from "../encoding.ts";
import { type DerReader, TAG } from "./der.ts";
import { curveOf, OID } from "./object_ids.ts";

/** FIPS 186-4 §D.1.2: the primes; all three curves have a = p - 3. */
const PRIMES: Readonly<Record<Curve, bigint>> = {
  nistp256: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  nistp384: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  nistp521: 2n ** 521n - 1n,
};

/**
 * Reads a curve: by its identifier, or by its figures as `openssl -param_enc explicit` writes them.
 *
 * @returns Undefined for a curve that SSH does not have
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
  const generator = ecdsaPublicKey(curve, Uint8Array.of(1));
  const [x, y] = coordinates(generator);
  const matches = a === p - 3n && b === modulo(y * y - x ** 3n - a * x, p) &&
    isPoint(base, generator) && isOrder(curve, order, x);
  return matches ? curve : undefined;
}

/** Whether bytes are the point, uncompressed or compressed (SEC 1 §2.3.3). */
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
    return false; // it is no number of the curve
  }
}

function coordinates(point: Uint8Array): [x: bigint, y: bigint] {
  const bytes = (point.length - 1) / 2;
  return [toBigInt(point.subarray(1, 1 + bytes)), toBigInt(point.subarray(1 + bytes))];
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x0${encodeHex(bytes)}`);
}

function modulo(value: bigint, modulus: bigint): bigint {
  return (value % modulus + modulus) % modulus;
}
