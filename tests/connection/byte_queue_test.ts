import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ByteQueue } from "../../lib/connection/byte_queue.ts";
import { SshError } from "../../lib/errors.ts";
import { CHUNK_BYTES } from "../../lib/connection/chunk_memory.ts";
import { limitOf } from "../../lib/waiting.ts";

Deno.test("ByteQueue joins packets that arrived together, and no others", async () => {
  const queue = new ByteQueue(() => {});
  const packet = new Uint8Array(32 * 1024);
  queue.append(packet, 64 * 1024);
  queue.append(packet, 32 * 1024);
  queue.append(packet, 0);
  queue.append(packet, 0);
  assertEquals((await queue.readChunk())?.length, 96 * 1024);
  assertEquals((await queue.readChunk())?.length, 32 * 1024);
});

Deno.test("ByteQueue keeps no large buffer for little data", async () => {
  const queue = new ByteQueue(() => {});
  queue.append(new Uint8Array(20), 200_000);
  assertEquals((await queue.readChunk())?.buffer.byteLength, 20);
});

Deno.test("ByteQueue returns the bytes in order by every method, and does not change returned chunks", async () => {
  let seed = 0xfeed;
  const random = (below: number) =>
    ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8) % below;
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  const given: Uint8Array[] = [];
  let put = 0;
  let taken = 0;
  for (let round = 0; round < 3000; round++) {
    for (let i = random(4); i > 0; i--) {
      const data = new Uint8Array(1 + random(random(3) === 0 ? 33_000 : 300));
      for (let at = 0; at < data.length; at++) data[at] = put + at;
      put += data.length;
      queue.append(data, random(300_000));
      data.fill(0xff); // a borrowed buffer, which the queue must have copied
    }
    if (queue.size === 0) continue;
    if (random(2) === 0) {
      given.push((await queue.readChunk())!);
      taken += given.at(-1)!.length;
    } else {
      const into = new Uint8Array(1 + random(50_000));
      const n = queue.tryRead(into)!;
      given.push(into.subarray(0, n));
      taken += n;
    }
    assertEquals([queue.size, consumed], [put - taken, taken]);
  }
  while (queue.size > 0) given.push((await queue.readChunk())!);
  let at = 0;
  for (const chunk of given) {
    for (const byte of chunk) {
      if (byte !== (at & 0xff)) assert(false, `byte ${at} is ${byte}`);
      at++;
    }
  }
  assertEquals(at, put);
});

Deno.test("ByteQueue.read returns all data that arrives before it wakes, and the queue keeps the rest", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  const into = new Uint8Array(5);
  const reading = queue.read(into);
  for (const part of [[1, 2], [3], [4, 5, 6], [7]]) queue.append(Uint8Array.from(part), 0);
  assertEquals([consumed, queue.size], [0, 2]);
  assertEquals([await reading, [...into], consumed], [5, [1, 2, 3, 4, 5], 5]);
  assertEquals([await queue.read(into), [...into.subarray(0, 2)], consumed], [2, [6, 7], 7]);
});

Deno.test("ByteQueue.read whose data and time limit arrive together returns the data", async () => {
  const queue = new ByteQueue(() => {});
  const abort = new AbortController();
  using limit = limitOf({ signal: abort.signal });
  const into = new Uint8Array(4);
  const reading = queue.read(into, limit);
  queue.append(Uint8Array.of(9), 0);
  abort.abort(new Error("late"));
  assertEquals([await reading, into[0]], [1, 9]);
  await assertRejects(() => queue.read(into, limit), Error, "late");
  queue.append(Uint8Array.of(8), 0);
  assertEquals([await queue.read(into), into[0]], [1, 8]);
});

Deno.test("ByteQueue.read whose buffer was transferred loses no data", async () => {
  const queue = new ByteQueue(() => {});
  const into = new Uint8Array(4);
  const reading = queue.read(into);
  structuredClone(into.buffer, { transfer: [into.buffer] });
  queue.append(Uint8Array.of(1, 2), 0);
  const other = new Uint8Array(4);
  assertEquals([await reading, await queue.read(other), other[1]], [0, 2, 2]);
});

Deno.test("ByteQueue.read whose buffer was transferred after it was filled in part loses no later data", async () => {
  const queue = new ByteQueue(() => {});
  const into = new Uint8Array(4);
  const reading = queue.read(into);
  queue.append(Uint8Array.of(1, 2), 0);
  structuredClone(into.buffer, { transfer: [into.buffer] });
  queue.append(Uint8Array.of(3, 4, 5), 0);
  assertEquals([await reading, await queue.readChunk()], [2, Uint8Array.of(3, 4, 5)]);
});

Deno.test("What arrives after a discard stays discarded, whatever reads or consumes", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  const reading = queue.read(new Uint8Array(1));
  queue.discard();
  assertEquals(await reading, null);
  queue.append(new Uint8Array(2), 0);
  assertEquals([queue.size, queue.discarding, consumed], [0, true, 2]);
  await queue.consume(() => assert(false));
  queue.append(new Uint8Array(3), 0);
  queue.push(new Uint8Array(4));
  assertEquals([queue.size, queue.discarding, consumed], [0, true, 9]);
});

Deno.test("ByteQueue.readAll joins all chunks, and fails from one byte more than it may return", async () => {
  const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5)];
  const all = (maxBytes: number, some = chunks) => {
    const queue = new ByteQueue(() => {});
    for (const chunk of some) queue.push(chunk);
    queue.end();
    return queue.readAll(maxBytes);
  };
  assertEquals(await all(5), Uint8Array.of(1, 2, 3, 4, 5));
  assertEquals(await all(2, [chunks[0]!]) === chunks[0], true);
  assertEquals((await all(0, [])).length, 0);
  await assertRejects(() => all(4), SshError, "The output is longer than 4 bytes");
});

Deno.test("A waiting read gets what fits, or the end", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  const into = new Uint8Array(9000);
  const reading = queue.read(into);
  queue.append(new Uint8Array(9000).fill(1), 0);
  assertEquals([await reading, into[8999], consumed], [9000, 1, 9000]);
  const one = queue.read(into);
  queue.append(Uint8Array.of(2), 0);
  assertEquals([await one, into[0], consumed], [1, 2, 9001]);
  queue.append(into, 0); // the reader copies, so that the chunk's memory can be used again
  assertEquals((await queue.readChunk())?.buffer.byteLength, CHUNK_BYTES);
  const full = queue.read(into.subarray(0, 2));
  for (const part of [[1], [2, 3], [4]]) queue.append(Uint8Array.from(part), 0);
  assertEquals([await full, queue.size], [2, 2]);
  assertEquals([await queue.read(into), into[0], into[1]], [2, 3, 4]);
  const last = queue.read(into);
  queue.end();
  assertEquals(await last, null);
});

Deno.test("Two parallel calls of ByteQueue.read get separate bytes", async () => {
  const queue = new ByteQueue(() => {});
  const [a, b] = [new Uint8Array(2), new Uint8Array(2)];
  const readings = [queue.read(a), queue.read(b)];
  queue.append(Uint8Array.of(1, 2, 3), 0);
  assertEquals(await Promise.all(readings), [2, 1]);
  assertEquals([[...a], b[0]], [[1, 2], 3]);
});

Deno.test("ByteQueue.consume credits data whose memory was detached meanwhile", () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  // Like WebAssembly memory that grows while the consumer sends.
  const consuming = queue.consume((bytes) => {
    structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  });
  queue.append(new Uint8Array(7), 0);
  assertEquals(consumed, 7);
  queue.end();
  return consuming;
});

Deno.test("ByteQueue.consume passes on queued and later data, and resolves at the end", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  queue.append(new Uint8Array([1, 2]), 0);
  const taken: number[] = [];
  const done = queue.consume((bytes) => taken.push(...bytes));
  queue.append(new Uint8Array([3]), 0);
  queue.push(new Uint8Array([4, 5]));
  assertEquals([taken, consumed, queue.size], [[1, 2, 3, 4, 5], 5, 0]);
  queue.end();
  await done;
});

Deno.test("ByteQueue.consume rejects with what goes wrong in it, and throws the rest away", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  const done = queue.consume(() => {
    throw new TypeError("not that");
  });
  queue.append(new Uint8Array(3), 0);
  queue.append(new Uint8Array(4), 0);
  await assertRejects(() => done, TypeError, "not that");
  assertEquals([consumed, queue.size], [7, 0]);

  const broken = new ByteQueue(() => {});
  const over = broken.consume(() => {});
  broken.end(() => new Error("lost"));
  await assertRejects(() => over, Error, "lost");
});

Deno.test("ByteQueue.consume passes on queued and later data, and credits all of it", async () => {
  let credited = 0;
  const queue = new ByteQueue((bytes) => credited += bytes);
  queue.append(new Uint8Array([1, 2]), 0);
  const taken: number[] = [];
  const consuming = queue.consume((bytes) => taken.push(...bytes));
  await assertRejects(() => queue.consume(() => {}), TypeError, "consumed already");
  queue.append(new Uint8Array([3]), 0);
  queue.push(new Uint8Array([4, 5]));
  queue.end();
  await consuming;
  assertEquals([taken, credited], [[1, 2, 3, 4, 5], 5]);
});

for (const ended of [false, true]) {
  const when = ended ? "after the end" : "before the end";
  Deno.test(`ByteQueue.consume rejects with its consumer's error, ${when} has arrived`, async () => {
    let credited = 0;
    const queue = new ByteQueue((bytes) => credited += bytes);
    queue.push(new Uint8Array(10));
    queue.push(new Uint8Array(20));
    if (ended) queue.end();
    const refuse = () => {
      throw new Error("no room");
    };
    await assertRejects(() => queue.consume(refuse), Error, "no room");
    queue.append(new Uint8Array(5), 0); // discarded
    assertEquals([credited, queue.size], [35, 0]);
  });
}

Deno.test("ByteQueue.consume can be aborted, and leaves later data to others", async () => {
  const queue = new ByteQueue(() => {});
  const aborter = new AbortController();
  using limit = limitOf({ signal: aborter.signal });
  const consuming = queue.consume(() => {}, limit);
  queue.append(new Uint8Array(3), 0);
  aborter.abort(new Error("enough"));
  await assertRejects(() => consuming, Error, "enough");
  queue.append(new Uint8Array(4), 0);
  assertEquals((await queue.readChunk())?.length, 4);
});

Deno.test("ByteQueue reads 0 bytes into an empty buffer without waiting", async () => {
  const queue = new ByteQueue(() => {});
  const [none, one] = [new Uint8Array(0), new Uint8Array(1)];
  assertEquals([await queue.read(none), queue.tryRead(none)], [0, 0]);
  assertEquals((assertThrows(() => queue.tryRead(one)) as Error).name, "WouldBlock");
  queue.append(Uint8Array.of(7, 8), 0);
  assertEquals([queue.tryRead(one), one[0]], [1, 7]);
  assertEquals([await queue.read(one), one[0]], [1, 8]);
  queue.end();
  assertEquals([await queue.read(none), queue.tryRead(none)], [0, 0]);
  assertEquals([await queue.read(one), queue.tryRead(one)], [null, null]);
});

Deno.test("ByteQueue does not count data as consumed that is put back", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  queue.append(Uint8Array.of(1, 2, 3), 0);
  const chunk = await queue.readChunk();
  assertEquals(consumed, 3);
  queue.unread(chunk!.subarray(1));
  assertEquals([consumed, queue.size], [1, 2]);
  queue.unread(new Uint8Array(0));
  queue.end();
  assertEquals([await queue.readAll(10), consumed], [Uint8Array.of(2, 3), 3]);
});

Deno.test("An empty packet is not a chunk, for a reader or a consumer", async () => {
  const queue = new ByteQueue(() => {});
  const none = new Uint8Array(0);
  queue.append(none, 0);
  queue.append(Uint8Array.of(1), 0);
  queue.append(none, 0);
  queue.append(Uint8Array.of(2), 0);
  assertEquals([await queue.readChunk(), await queue.readChunk()], [
    Uint8Array.of(1),
    Uint8Array.of(2),
  ]);
  const sizes: number[] = [];
  const consuming = queue.consume(({ length }) => sizes.push(length));
  queue.append(none, 0);
  queue.append(Uint8Array.of(3), 0);
  queue.end();
  await consuming;
  assertEquals(sizes, [1]);
});

Deno.test("A single byte that is put back is read again, and nothing is put back after a discard", async () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  queue.append(Uint8Array.of(1, 2), 0);
  const into = new Uint8Array(1);
  queue.tryRead(into);
  assertEquals([queue.tryRead(into), into[0], queue.size], [1, 2, 0]);
  queue.unread(Uint8Array.of(2));
  queue.unread(Uint8Array.of(1));
  assertEquals([queue.size, consumed], [2, 0]);
  queue.discard();
  queue.unread(Uint8Array.of(1));
  assertEquals([queue.size, consumed, await queue.readChunk()], [0, 2, null]);
});

Deno.test("A discarded single byte is credited, and a second discard credits nothing", () => {
  let consumed = 0;
  const queue = new ByteQueue((bytes) => consumed += bytes);
  queue.append(Uint8Array.of(1), 0);
  queue.discard();
  queue.discard();
  assertEquals(consumed, 1);
});

Deno.test("Bytes put back while a read waits come before the data that arrives then", async () => {
  const queue = new ByteQueue(() => {});
  const into = new Uint8Array(4);
  const reading = queue.read(into);
  queue.unread(Uint8Array.of(1, 2));
  queue.append(Uint8Array.of(3, 4), 0);
  let filled = (await reading)!;
  while (filled < 4) filled += (await queue.read(into.subarray(filled)))!;
  assertEquals([...into], [1, 2, 3, 4]);
});

Deno.test("Bytes that a consumer puts back are left to the reader after it", async () => {
  const queue = new ByteQueue(() => {});
  const aborter = new AbortController();
  using limit = limitOf({ signal: aborter.signal });
  const taken: number[] = [];
  const consuming = queue.consume((bytes) => {
    taken.push(bytes[0]!);
    queue.unread(Uint8Array.from(bytes.subarray(1)));
  }, limit);
  queue.append(Uint8Array.of(1), 0);
  queue.append(Uint8Array.of(2, 3, 4), 0);
  queue.append(Uint8Array.of(5), 0); // the consumer is still the one that gets data
  aborter.abort(new Error("enough"));
  await assertRejects(() => consuming, Error, "enough");
  assertEquals([taken, await queue.readChunk()], [[1, 2, 5], Uint8Array.of(3, 4)]);
});

const arrivals: Record<string, (queue: ByteQueue) => void> = {
  "an owned chunk": (queue) => queue.push(Uint8Array.of(9)),
  "borrowed data": (queue) => queue.append(Uint8Array.of(9), 0),
  "bytes put back": (queue) => queue.unread(Uint8Array.of(9)),
};
for (const [name, arrive] of Object.entries(arrivals)) {
  Deno.test(`ByteQueue wakes those that wait for a chunk, or to be ready, for ${name}`, async () => {
    const queue = new ByteQueue(() => {});
    const reading = queue.readChunk();
    arrive(queue);
    assertEquals(await reading, Uint8Array.of(9));
    const ready = queue.ready(null);
    arrive(queue);
    await ready;
    assertEquals(queue.size, 1);
    await queue.ready(null);
  });
}

Deno.test("ByteQueue.ready resolves at the end, or when data is discarded", async () => {
  for (const end of ["end", "discard"] as const) {
    const queue = new ByteQueue(() => {});
    const ready = queue.ready(null);
    queue[end]();
    await ready;
    await queue.ready(null);
  }
});

Deno.test("The first end of a ByteQueue counts: EOF stays one when the connection dies", async () => {
  const queue = new ByteQueue(() => {});
  queue.end();
  queue.end(() => new Error("lost"));
  assertEquals([await queue.readChunk(), await queue.read(new Uint8Array(1))], [null, null]);
  const lost = new ByteQueue(() => {});
  lost.append(Uint8Array.of(1), 0);
  lost.end(() => new Error("lost"));
  lost.end();
  assertEquals((await lost.readChunk())?.length, 1);
  await assertRejects(() => lost.readChunk(), Error, "lost");
  assertThrows(() => lost.tryRead(new Uint8Array(1)), Error, "lost");
});
