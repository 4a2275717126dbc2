/** A peer's requests wait for a loop, up to a limit, and are refused if there is none. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { IncomingQueue } from "../../lib/connection/incoming_queue.ts";

const DONE = { value: undefined, done: true } as const;

function queueOf(backlog: number) {
  const refused: number[] = [];
  return { queue: new IncomingQueue<number>((item) => refused.push(item), backlog), refused };
}

Deno.test("IncomingQueue holds up to its backlog, in order", async () => {
  const { queue, refused } = queueOf(2);
  const loop = queue[Symbol.asyncIterator]();
  assertEquals([queue.offer(1), queue.offer(2), queue.offer(3)], [true, true, false]);
  assertEquals(await loop.next(), { value: 1, done: false });
  assertEquals(queue.offer(4), true);
  assertEquals([await loop.next(), await loop.next()].map(({ value }) => value), [2, 4]);
  assertEquals(refused, []);
  await loop.return!();
});

Deno.test("IncomingQueue refuses queued items when its last loop ends", async () => {
  const { queue, refused } = queueOf(5);
  assertEquals(queue.awaited, false);
  const [one, other] = [queue[Symbol.asyncIterator](), queue[Symbol.asyncIterator]()];
  queue.offer(1);
  assertEquals([await one.return!(), await one.return!()], [DONE, DONE]);
  assertEquals([queue.awaited, refused, await one.next()], [true, [], DONE]);
  assertEquals(await other.next(), { value: 1, done: false });
  const waiting = other.next();
  queue.offer(2);
  assertEquals(await waiting, { value: 2, done: false });
  const left = other.next();
  for (const item of [3, 4]) queue.offer(item);
  assertEquals(await left, { value: 3, done: false });
  await other.return!();
  assertEquals([queue.awaited, refused], [false, [4]]);
});

Deno.test("IncomingQueue ends its loops, with the error if given, and accepts nothing more", async () => {
  for (const error of [undefined, new Error("lost")]) {
    const { queue, refused } = queueOf(5);
    const loop = queue[Symbol.asyncIterator]();
    const waiting = loop.next();
    queue.end(error);
    assertEquals(queue.awaited, false); // though the loop has not seen the end
    queue.end(new Error("again"));
    if (error === undefined) assertEquals(await waiting, DONE);
    else await assertRejects(() => waiting, Error, "lost");
    assertEquals([queue.awaited, queue.offer(1), await loop.next(), refused], [
      false,
      false,
      DONE,
      [],
    ]);
  }
});

Deno.test("IncomingQueue refuses what waits at its end, and a loop that begins later ends", async () => {
  const { queue, refused } = queueOf(5);
  const loop = queue[Symbol.asyncIterator]();
  for (const item of [1, 2]) queue.offer(item);
  queue.end();
  queue.end();
  assertEquals([refused, queue.offer(3)], [[1, 2], false]);
  assertEquals([await loop.next(), await queue[Symbol.asyncIterator]().next()], [DONE, DONE]);
  assertEquals(refused, [1, 2]);
  const failed = queueOf(5).queue;
  failed.end(new Error("lost"));
  await assertRejects(() => failed[Symbol.asyncIterator]().next(), Error, "lost");
});

Deno.test("A loop of IncomingQueue that is left while it waits ends, and the others continue", async () => {
  const { queue, refused } = queueOf(5);
  const [one, other] = [queue[Symbol.asyncIterator](), queue[Symbol.asyncIterator]()];
  const [waiting, still] = [one.next(), other.next()];
  await one.return!();
  assertEquals(await waiting, DONE);
  queue.offer(1);
  assertEquals([await still, await one.next(), refused], [{ value: 1, done: false }, DONE, []]);
  assert(other[Symbol.asyncIterator]() === other);
  const seen: number[] = [];
  for (const item of [2, 3, 4]) queue.offer(item);
  for await (const item of queue) if (seen.push(item) === 2) break;
  assertEquals([seen, refused, queue.awaited], [[2, 3], [], true]);
  await other.return!();
  assertEquals([refused, queue.awaited], [[4], false]);
});
