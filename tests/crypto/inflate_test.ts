/** Inflates DEFLATE data, compared with zlib. */
import { deflateRawSync } from "node:zlib";
import { assertEquals, assertThrows } from "@std/assert";
import { inflate } from "../../lib/crypto/inflate.ts";
import { fuzzTest, noise } from "../support/random.ts";

const ZLIB = { FIXED: 4, HUFFMAN: 2, RLE: 3 };

fuzzTest("zlib's output is inflated for every kind of block", (random) => {
  for (let i = 0; i < 60; i++) {
    const size = random(i % 10 === 0 ? 200_000 : 2000);
    const values = 1 + random(256);
    const data = noise(size, i).map((byte) => byte % values);
    if (size > 400) data.copyWithin(size >> 1, 0, size >> 2);
    for (
      const options of [{ level: 0 }, { level: 9 }, { strategy: ZLIB.FIXED }, {
        strategy: ZLIB.HUFFMAN,
      }]
    ) {
      assertEquals(inflate(deflateRawSync(data, options)), data);
    }
  }
});

Deno.test("A long run of one byte is an overlapping copy", () => {
  const data = new Uint8Array(100_000).fill(7);
  assertEquals(inflate(deflateRawSync(data, { strategy: ZLIB.RLE })), data);
});

Deno.test("Malformed DEFLATE data is an error", () => {
  const cut = deflateRawSync(noise(5000)).subarray(0, 2500);
  assertThrows(() => inflate(cut), RangeError, "ends too early");
  assertThrows(() => inflate(new Uint8Array([7])), RangeError, "unknown type of block");
  // A fixed block that begins with a match.
  assertThrows(() => inflate(new Uint8Array([0x03, 0x02, 0, 0])), RangeError, "before its start");
});
