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
  const list = new ChunkList(memory);
  const bulk = new Uint8Array(32 * 1024);
  const into = new Uint8Array(CHUNK_BYTES);
  list.append(bulk, 0);
  list.copyTo(into); // from now on the reader copies
  list.append(bulk, 0);
  list.copyTo(into);
  const { buffer } = memory.take(); // it came back
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
