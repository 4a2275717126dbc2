/**
 * The size of a read buffer. Bulk data needs few, large reads, but thousands of short connections need
 * little memory. So it starts small, and grows while reads fill it.
 */
const FIRST_READ_BYTES = 16 * 1024;
const MAX_READ_BYTES = 256 * 1024;
const GROWTH = 4;

/** A buffer for the first read. */
export function firstBuffer(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(FIRST_READ_BYTES);
}

/** The buffer, or a larger one if the last read of `n` bytes filled it. */
export function roomFor(n: number, buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (n < buffer.length || n >= MAX_READ_BYTES) return buffer;
  return new Uint8Array(GROWTH * buffer.length);
}
