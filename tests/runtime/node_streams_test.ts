import { assertEquals, assertRejects } from "@std/assert";
import { PassThrough, Readable, Writable } from "node:stream";
import { NodeReader, webReadable, webWritable } from "../../lib/runtime/node_streams.ts";

Deno.test("A reader of a Node stream fills the caller's buffer across chunks, and keeps the rest", async () => {
  const stream = new PassThrough();
  const reader = new NodeReader(stream);
  const waiting = reader.read(new Uint8Array(8));
  stream.write(Uint8Array.of(1, 2));
  assertEquals(await waiting, 2);
  stream.write(Uint8Array.of(3, 4, 5));
  stream.end(Uint8Array.of(6));
  await new Promise((ended) => stream.once("end", ended));
  const into = new Uint8Array(2);
  assertEquals([await reader.read(into), ...into], [2, 3, 4]);
  assertEquals(await reader.readChunk(), Uint8Array.of(5));
  assertEquals([await reader.read(into), into[0]], [1, 6]);
  assertEquals(await reader.read(into), null);
});

Deno.test("A reader of a Node stream pauses it above its limit, and continues below", async () => {
  const stream = new PassThrough();
  const reader = new NodeReader(stream, 4);
  stream.write(new Uint8Array(3));
  assertEquals(stream.isPaused(), false);
  await reader.read(new Uint8Array(1));
  stream.write(new Uint8Array(3));
  await new Promise((later) => setImmediate(later));
  assertEquals(stream.isPaused(), true);
  await reader.read(new Uint8Array(2));
  assertEquals(stream.isPaused(), false);
  reader.fail(new Error("over"));
});

Deno.test("An error of a Node stream follows earlier data, and is thrown by every later read", async () => {
  const stream = new PassThrough();
  const reader = new NodeReader(stream);
  stream.write(Uint8Array.of(7));
  await new Promise((later) => setImmediate(later));
  stream.destroy(new Error("reset"));
  await new Promise((closed) => stream.once("close", closed));
  assertEquals(await reader.readChunk(), Uint8Array.of(7));
  await assertRejects(() => reader.readChunk(), Error, "reset");
  await assertRejects(() => reader.read(new Uint8Array(1)), Error, "reset");
});

Deno.test("A second read of a Node stream is refused while one waits", async () => {
  const reader = new NodeReader(new PassThrough());
  const waiting = reader.readChunk();
  await assertRejects(() => reader.readChunk(), TypeError, "under way");
  reader.fail(new Error("over"));
  await assertRejects(() => waiting, Error, "over");
});

Deno.test("A Node stream is a byte stream for readers with and without memory", async () => {
  const stream = new PassThrough();
  const readable = webReadable(stream);
  stream.end(Uint8Array.of(1, 2, 3));
  const byob = readable.getReader({ mode: "byob" });
  assertEquals((await byob.read(new Uint8Array(2))).value, Uint8Array.of(1, 2));
  byob.releaseLock();
  const reader = readable.getReader();
  assertEquals((await reader.read()).value, Uint8Array.of(3));
  assertEquals((await reader.read()).done, true);
});

Deno.test("Cancelling the stream of a Node stream destroys it", async () => {
  const stream = Readable.from([Uint8Array.of(1)]);
  await webReadable(stream).cancel();
  assertEquals(stream.destroyed, true);
});

Deno.test("A write to a Node stream waits until it was written; an error of the stream rejects it", async () => {
  const taken: number[] = [];
  const going = Promise.withResolvers<() => void>();
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      taken.push(...chunk);
      going.resolve(done);
    },
  });
  const writer = webWritable(stream).getWriter();
  let isDone = false;
  const writing = writer.write(Uint8Array.of(1)).then(() => isDone = true);
  const done = await going.promise;
  assertEquals([taken, isDone], [[1], false]);
  done();
  await writing;
  stream.destroy(new Error("gone"));
  await assertRejects(() => writer.closed, Error, "gone");
});
