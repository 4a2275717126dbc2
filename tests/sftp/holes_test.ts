/** Runs of zeros that become holes. */
import { assert, assertEquals } from "@std/assert";
import { nextHole } from "../../lib/sftp/transfer/holes.ts";

const RUN = 64 * 1024;

/** All holes of a block, as [start, end]. */
function holes(block: Uint8Array): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < block.length;) {
    const [start, end] = nextHole(block, at);
    assert(start >= at && end >= start && (end > at || at === block.length), `${start} ${end}`);
    if (end > start) found.push([start, end]);
    at = end;
  }
  return found;
}

/** A block of ones, with zeros in ranges, at an offset of its buffer. */
function block(length: number, zeros: [number, number][], offset = 0): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(offset + length + 8), offset, length).fill(1);
  for (const [from, to] of zeros) bytes.fill(0, from, to);
  return bytes;
}

const cases: [
  what: string,
  length: number,
  zeros: [number, number][],
  found: [number, number][],
][] = [
  ["no zeros", 3 * RUN, [], []],
  ["nothing but zeros", 3 * RUN, [[0, 3 * RUN]], [[0, 3 * RUN]]],
  ["a run of exactly 64 KiB", 3 * RUN, [[RUN, 2 * RUN]], [[RUN, 2 * RUN]]],
  ["a run at the start", 3 * RUN, [[0, RUN]], [[0, RUN]]],
  ["a run at the end", 3 * RUN, [[2 * RUN, 3 * RUN]], [[2 * RUN, 3 * RUN]]],
  ["a short tail after a run", 2 * RUN + 5, [[RUN, 2 * RUN + 5]], [[RUN, 2 * RUN + 5]]],
  ["a short tail that is not zero", 2 * RUN + 5, [[RUN, 2 * RUN]], [[RUN, 2 * RUN]]],
  ["a run below 64 KiB", 3 * RUN, [[RUN + 1, 2 * RUN]], []],
  ["a run that ends a byte early", 3 * RUN, [[RUN, 2 * RUN - 1]], []],
  ["two runs", 4 * RUN, [[0, RUN], [2 * RUN, 3 * RUN]], [[0, RUN], [2 * RUN, 3 * RUN]]],
  ["a short block of zeros", 100, [[0, 100]], [[0, 100]]],
  ["a block of 64 KiB of zeros", RUN, [[0, RUN]], [[0, RUN]]],
  ["one zero", 1, [[0, 1]], [[0, 1]]],
  ["an empty block", 0, [], []],
];
for (const [what, length, zeros, found] of cases) {
  Deno.test(`a block with ${what} has ${found.length} holes, at any alignment`, () => {
    for (let offset = 0; offset < 9; offset++) {
      assertEquals(holes(block(length, zeros, offset)), found, `at ${offset}`);
    }
  });
}

Deno.test("one byte that is not zero prevents a hole, wherever it is", () => {
  for (const length of [5, 23, RUN]) {
    const places = [0, 1, 7, 8, 9, 12, length - 9, length - 8, length - 2, length - 1];
    for (let offset = 0; offset < 8; offset++) {
      for (const at of places.filter((at) => at >= 0 && at < length)) {
        const bytes = block(length, [[0, length]], offset);
        bytes[at] = 1;
        assertEquals(holes(bytes), [], `${at} of ${length} at ${offset}`);
      }
    }
  }
});

Deno.test("a search from the end of a block finds nothing", () => {
  assertEquals(nextHole(block(RUN, []), RUN), [RUN, RUN]);
  assertEquals(nextHole(block(2 * RUN, [[RUN, 2 * RUN]]), RUN), [RUN, 2 * RUN]);
});
