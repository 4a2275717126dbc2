/**
 * A stand-in for `jsr:@std/bytes` where JSR is out of reach: the functions that we use, with the same
 * types. See the README on why it is here.
 *
 * @module
 */

/** The type of a `Uint8Array` that owns its buffer. */
export type Uint8Array_ = ReturnType<Uint8Array["slice"]>;

/** Joins the arrays into a new one. */
export function concat(buffers: readonly Uint8Array[]): Uint8Array_ {
  let length = 0;
  for (const buffer of buffers) length += buffer.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const buffer of buffers) {
    joined.set(buffer, offset);
    offset += buffer.length;
  }
  return joined;
}

/** Copies as much of `src` as fits into `dst` from `offset` on; returns how many bytes those were. */
export function copy(src: Uint8Array, dst: Uint8Array, offset = 0): number {
  const start = Math.max(0, Math.min(offset, dst.byteLength));
  const fitting = src.subarray(0, dst.byteLength - start);
  dst.set(fitting, start);
  return fitting.byteLength;
}

/** Whether the two arrays have the same bytes; not in constant time. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, b);
}

/** Whether `source` begins with `prefix`. */
export function startsWith(source: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= source.length && prefix.every((byte, i) => source[i] === byte);
}

/** Whether `source` ends with `suffix`. */
export function endsWith(source: Uint8Array, suffix: Uint8Array): boolean {
  const start = source.length - suffix.length;
  return start >= 0 && startsWith(source.subarray(start), suffix);
}

/** The index of the first `needle` in `source` at or after `start`, or -1. */
export function indexOfNeedle(source: Uint8Array, needle: Uint8Array, start = 0): number {
  if (start >= source.length) return -1;
  const from = start < 0 ? Math.max(0, source.length + start) : start;
  for (let at = from; at + needle.length <= source.length; at++) {
    if (startsWith(source.subarray(at), needle)) return at;
  }
  return -1;
}
