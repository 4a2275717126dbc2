import { concat } from "@std/bytes";
import { decodeHex } from "../encoding.ts";
import { TAG } from "./der.ts";

/** An element of DER (X.690): its tag, its length in the shortest form, its contents. */
export function element(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) digits.unshift(rest & 0xff);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  return concat([new Uint8Array(head), ...contents]);
}

/** A SEQUENCE of elements. */
export function sequence(...elements: Uint8Array[]): Uint8Array {
  return element(TAG.SEQUENCE, ...elements);
}

/** An INTEGER that is not negative. */
export function integer(magnitude: Uint8Array | number): Uint8Array {
  const bytes = typeof magnitude === "number" ? bigEndian(magnitude) : magnitude;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  const zero = digits.length === 0 || digits[0]! >= 0x80 ? [0] : [];
  return element(TAG.INTEGER, new Uint8Array(zero), digits);
}

/** An OBJECT IDENTIFIER, whose contents are given in hex. */
export function oid(hex: string): Uint8Array {
  return element(TAG.OBJECT_IDENTIFIER, decodeHex(hex));
}

/** A BIT STRING of whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(TAG.BIT_STRING, new Uint8Array(1), bytes);
}

/** An OCTET STRING. */
export function octetString(...parts: Uint8Array[]): Uint8Array {
  return element(TAG.OCTET_STRING, ...parts);
}

/** NULL. */
export const NULL: Uint8Array = new Uint8Array([0x05, 0x00]);

function bigEndian(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
