import { assertEquals } from "@std/assert";
import { ChunkList } from "../../lib/connection/chunk_list.ts";
import { CHUNK_BYTES, ChunkMemory } from "../../lib/connection/chunk_memory.ts";

Deno.test("ChunkList returns all bytes in order, over many chunks and from both ends", () => {
  const list = new ChunkList(new ChunkMemory());
  const expected: number[] = [];
  const taken: number[] = [];
  for (let i = 0; i < 500; i++) {
    list.append(Uint8Array.of(i, i + 1), 0);
    expected.push(i & 0xff, (i + 1) & 0xff);
    if (i % 3 === 0) taken.push(...list.shift());
  }
  list.unshift(Uint8Array.of(7, 8));
  expected.splice(taken.length, 0, 7, 8);
  const into = new Uint8Array(101);
  for (let n; (n = list.copyTo(into)) > 0;) taken.push(...into.subarray(0, n));
  assertEquals([taken, list.bytes, list.takeAll()], [expected, 0, []]);
});

Deno.test("ChunkList reuses the memory of chunks that were copied out", () => {
  const memory = new ChunkMemory();
  const given: ArrayBuffer[] = [];
  const { give } = memory;
  memory.give = (buffer) => (given.push(buffer), give.call(memory, buffer));
  const list = new ChunkList(memory);
  const bulk = new Uint8Array(32 * 1024);
  const into = new Uint8Array(CHUNK_BYTES);
  list.append(bulk, 0);
  list.copyTo(into); // from now on the reader copies
  list.append(bulk, 0);
  assertEquals(given.length, 1); // too small to be used again
  list.copyTo(into);
  const { buffer } = memory.take(); // it came back
  assertEquals(given[1] === buffer, true);
  memory.give(buffer);
  list.append(bulk, 0);
  assertEquals(list.shift().buffer === buffer, true);
});

Deno.test("ChunkList never appends to a pushed chunk, even if the previous chunk has room", () => {
  const list = new ChunkList(new ChunkMemory());
  const bulk = new Uint8Array(9000).fill(1);
  list.append(bulk, 9000);
  list.push(Uint8Array.of(2, 2, 2));
  list.append(new Uint8Array(100).fill(3), 0);
  assertEquals(list.bytes, 9103);
  const all = new Uint8Array(9103);
  assertEquals(list.copyTo(all), 9103);
  assertEquals([all[8999], all[9000], all[9002], all[9003], all[9102]], [1, 2, 2, 3, 3]);
});

const sizes = (chunks: readonly Uint8Array[]) => chunks.map(({ length }) => length);

Deno.test("ChunkList appends not even a byte to a pushed chunk", () => {
  const list = new ChunkList(new ChunkMemory());
  const owned = new Uint8Array(10).subarray(0, 3);
  list.push(owned);
  list.append(Uint8Array.of(7), 0);
  assertEquals(list.takeAll(), [owned, Uint8Array.of(7)]);
});

Deno.test("ChunkList leaves room for more after 8 KiB or more, as much as has arrived and 256 KiB at most", () => {
  const list = new ChunkList(new ChunkMemory());
  for (
    const [bytes, ahead, room] of [
      [8191, 8191, 0],
      [8192, 100, 100],
      [8192, 1_000_000, CHUNK_BYTES - 8192],
      [CHUNK_BYTES, 100, 0],
      [CHUNK_BYTES + 1, 100, 0],
    ] as const
  ) {
    list.append(new Uint8Array(bytes), ahead);
    assertEquals(list.takeAll()[0]!.buffer.byteLength, bytes + room, `${bytes}`);
    list.append(new Uint8Array(bytes), ahead);
    if (room > 0) list.append(new Uint8Array(room), 0);
    list.append(Uint8Array.of(1), 0);
    assertEquals(sizes(list.takeAll()), [bytes + room, 1]);
  }
});

Deno.test("ChunkList forgets what was taken, and joins nothing to it", () => {
  const list = new ChunkList(new ChunkMemory());
  for (const bytes of [1, 2, 3]) list.append(new Uint8Array(bytes), 0);
  list.shift();
  assertEquals(sizes(list.takeAll()), [2, 3]);
  assertEquals([list.takeAll(), list.bytes], [[], 0]);
  const bulk = new Uint8Array(9000);
  list.append(bulk, 9000);
  const [taken] = list.takeAll();
  list.append(Uint8Array.of(4), 0);
  assertEquals([list.bytes, list.shift()], [1, Uint8Array.of(4)]);
  list.append(bulk, 9000);
  const shifted = list.shift();
  list.append(Uint8Array.of(5), 0);
  assertEquals([list.takeAll(), taken!.length, shifted.length], [[Uint8Array.of(5)], 9000, 9000]);
});

Deno.test("A chunk that is read in part stays the one that data is joined to", () => {
  const list = new ChunkList(new ChunkMemory());
  list.append(new Uint8Array(9000).fill(1), 9000);
  assertEquals(list.copyTo(new Uint8Array(8998)), 8998);
  list.append(new Uint8Array(2).fill(2), 0);
  assertEquals([list.copyTo(new Uint8Array(1)), list.bytes], [1, 3]);
  assertEquals(list.copyTo(new Uint8Array(2)), 2);
  list.append(Uint8Array.of(3), 0);
  assertEquals(list.shift(), Uint8Array.of(2, 3)); // as the last chunk still has room
  list.append(Uint8Array.of(4), 0);
  assertEquals([list.copyTo(new Uint8Array(9)), list.bytes, list.takeAll()], [1, 0, []]);
});

Deno.test("ChunkList takes memory for reuse only while its reader copies, and if the data fits", () => {
  const spares = new ChunkMemory();
  const list = new ChunkList(spares);
  const bulk = new Uint8Array(9000);
  const memory = (bytes = 9000) => {
    list.append(new Uint8Array(bytes), 0);
    return list.shift().buffer.byteLength;
  };
  assertEquals(memory(), 9000);
  list.append(bulk, 0);
  list.copyTo(bulk);
  assertEquals(memory(), CHUNK_BYTES);
  assertEquals(memory(), 9000); // a chunk was given away
  const spare = spares.take().buffer;
  spares.give(spare);
  list.copiedOut = true;
  list.append(new Uint8Array(CHUNK_BYTES), 0);
  assertEquals(list.shift().buffer === spare, true);
  list.copiedOut = true;
  assertEquals(memory(CHUNK_BYTES + 1), CHUNK_BYTES + 1);
});

Deno.test("ChunkMemory keeps four spares, of its own size", () => {
  const memory = new ChunkMemory();
  const given = Array.from({ length: 5 }, () => new ArrayBuffer(CHUNK_BYTES));
  memory.give(new ArrayBuffer(CHUNK_BYTES - 1));
  memory.give(new ArrayBuffer(CHUNK_BYTES + 1));
  for (const buffer of given) memory.give(buffer);
  const taken = Array.from({ length: 5 }, () => memory.take().buffer);
  assertEquals(taken.map((buffer) => given.indexOf(buffer)), [3, 2, 1, 0, -1]);
  assertEquals(taken[4]!.byteLength, CHUNK_BYTES);
});
