import { decodeHex } from "../encoding.ts";
import { TAG } from "./der.ts";

/** DER in pieces, which may be views of a key; `concat` makes the only copy. */
export type Der = readonly Uint8Array[];

/** An element of DER (X.690): its tag, its length in the shortest form, its contents. */
export function element(tag: number, ...contents: (Der | Uint8Array)[]): Der {
  const pieces = contents.flat();
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  return [new Uint8Array(head), ...pieces];
}

/** A SEQUENCE of elements. */
export function sequence(...elements: Der[]): Der {
  return element(TAG.SEQUENCE, ...elements);
}

/** An INTEGER that is not negative. */
export function integer(magnitude: Uint8Array | number): Der {
  const bytes = typeof magnitude === "number" ? bigEndian(magnitude) : magnitude;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  const zero = digits.length === 0 || digits[0]! >= 0x80 ? [0] : [];
  return element(TAG.INTEGER, new Uint8Array(zero), digits);
}

/** An OBJECT IDENTIFIER, whose contents are given in hex. */
export function oid(hex: string): Der {
  return element(TAG.OBJECT_IDENTIFIER, decodeHex(hex));
}

/** A BIT STRING of whole bytes. */
export function bitString(bytes: Der | Uint8Array): Der {
  return element(TAG.BIT_STRING, new Uint8Array(1), bytes);
}

/** An OCTET STRING. */
export function octetString(bytes: Der | Uint8Array): Der {
  return element(TAG.OCTET_STRING, bytes);
}

/** NULL. */
export const NULL: Der = [new Uint8Array([0x05, 0x00])];

function bigEndian(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
