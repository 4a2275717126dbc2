/** The shortest run of zeros that becomes a hole. */
const HOLE_BYTES = 64 * 1024;

/** The next run of zeros from an offset, as [start, end]; both are the block's end if there is none. */
export function nextHole(block: Uint8Array, from: number): [number, number] {
  const whole = block.length - from <= HOLE_BYTES && isZero(block, from, block.length);
  if (whole) return [from, block.length];
  for (let start = from; start + HOLE_BYTES <= block.length; start += HOLE_BYTES) {
    if (!isZero(block, start, start + HOLE_BYTES)) continue;
    let end = start + HOLE_BYTES;
    while (end < block.length && isZero(block, end, Math.min(end + HOLE_BYTES, block.length))) {
      end = Math.min(end + HOLE_BYTES, block.length);
    }
    return [start, end];
  }
  return [block.length, block.length];
}

/** Whether a range is all zeros, compared eight bytes at a time. */
function isZero(block: Uint8Array, from: number, to: number): boolean {
  if (block[from] !== 0 || block[to - 1] !== 0) return false;
  let at = from;
  for (; at < to && (block.byteOffset + at) % 8 !== 0; at++) if (block[at] !== 0) return false;
  if (at === to) return true; // the range may contain no aligned byte
  const words = new BigUint64Array(block.buffer, block.byteOffset + at, (to - at) >> 3);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0n) return false;
  for (at += words.length * 8; at < to; at++) if (block[at] !== 0) return false;
  return true;
}
