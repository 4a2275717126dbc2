import { assertEquals, assertRejects } from "@std/assert";
import { drain } from "../../lib/runtime/drain.ts";

const KIB = 1024;

/** A source that fills each buffer with the number of the read, and ends after this many. */
function source(reads: number) {
  const buffers: Uint8Array[] = [];
  const read = (into: Uint8Array) => {
    if (buffers.length === reads) return Promise.resolve(null);
    buffers.push(into.fill(buffers.length));
    return Promise.resolve(into.length);
  };
  return { buffers, read };
}

Deno.test("drain copies to the end, in two blocks that grow to 256 KiB", async () => {
  const { buffers, read } = source(20);
  const written: number[] = [];
  await drain(read, {
    write(bytes) {
      written.push(bytes[0]!, bytes.at(-1)!);
      return Promise.resolve(bytes.length);
    },
  });
  assertEquals(written, Array.from({ length: 40 }, (_, i) => Math.floor(i / 2)));
  const lengths = buffers.map(({ length }) => length / KIB);
  assertEquals([Math.min(...lengths), Math.max(...lengths)], [16, 256]);
  const last = buffers.slice(-10).map(({ buffer }) => buffer);
  assertEquals(new Set(last).size, 2);
});

Deno.test("drain reads the next block while one is written, and keeps blocks that are not filled", async () => {
  const sizes: number[] = [];
  let reads = 0;
  const read = (into: Uint8Array) => {
    sizes.push(into.length / KIB);
    return Promise.resolve(reads++ < 5 ? 1 : null);
  };
  const during: number[] = [];
  await drain(read, {
    write: (bytes) => (during.push(reads), Promise.resolve(bytes.length)),
  });
  assertEquals(during, [2, 3, 4, 5, 6]);
  assertEquals(sizes, Array(6).fill(16));
});

Deno.test("drain rejects with the first error, of the source or the target", async () => {
  const write = () => Promise.reject(new Error("full"));
  await assertRejects(() => drain(source(3).read, { write }), Error, "full");
  const read = () => Promise.reject(new Error("lost"));
  await assertRejects(() => drain(read, { write }), Error, "lost");
});
