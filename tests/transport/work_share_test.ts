/** Costly work for unauthenticated peers: its share of the time. */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { DisconnectError } from "../../lib/errors.ts";
import { strangersWork, WorkShare } from "../../lib/transport/work_share.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { transportPair } from "./transport_pair.ts";

Deno.test("Work gets at most its share of the time, in the order of the requests", async () => {
  using time = new FakeTime();
  const share = new WorkShare(0.25);
  const starts: [number, number][] = [];
  const pieces = [0, 1, 2].map((piece) =>
    share.run(() => {
      starts.push([piece, time.now]);
      time.skip(10);
      return piece;
    })
  );
  assertEquals(await time.settle(Promise.all(pieces)), [0, 1, 2]);
  assertEquals(starts, [[0, 0], [1, 40], [2, 80]]);
  // After a pause the next one starts immediately.
  await time.advance(1000);
  const later = time.now;
  assertEquals(await time.settle(share.run(() => time.now)), later);
});

Deno.test("A single piece of work starts in this turn, without a timer", async () => {
  const { setTimeout: later } = globalThis;
  using time = new FakeTime();
  const share = new WorkShare(0.5);
  for (let piece = 0; piece < 2; piece++) {
    let ran = false;
    const running = share.run(() => ran = true);
    await new Promise((resolve) => later(resolve));
    assertEquals([ran, time.timers], [true, 0]);
    await running;
    time.skip(1000);
  }
});

Deno.test("Work that throws fails alone, and its time counts", async () => {
  using time = new FakeTime();
  const share = new WorkShare(0.5);
  const fail = (milliseconds: number) => () => {
    time.skip(milliseconds);
    throw new TypeError("over");
  };
  const failed = assertRejects(() => share.run(fail(0)), TypeError, "over");
  const costly = assertRejects(() => share.run(fail(7)), TypeError, "over");
  const last = share.run(() => time.now);
  assertEquals(await time.settle(last), 14);
  await Promise.all([failed, costly]);
});

Deno.test("Only a client's first key exchange, if costly, counts as work for an unauthenticated peer", async () => {
  const { run } = strangersWork;
  let runs = 0;
  strangersWork.run = (work) => {
    runs++;
    return run.call(strangersWork, work) as never;
  };
  try {
    for (const [kex, costly] of [["diffie-hellman-group14-sha256", 1], ["curve25519-sha256", 0]]) {
      const suite = resolveSuite({ kex: [kex as string] });
      await using pair = transportPair({ client: { suite }, server: { suite } });
      runs = 0;
      await Promise.all([pair.client.handshake(), pair.server.handshake()]);
      assertEquals(runs, costly);
      await pair.server.rekey();
      assertEquals(runs, costly);
    }
  } finally {
    strangersWork.run = run;
  }
});

Deno.test("A client that leaves before its turn costs no key exchange", async () => {
  const suite = resolveSuite({ kex: ["diffie-hellman-group14-sha256"] });
  await using pair = transportPair({ client: { suite }, server: { suite } });
  const tried = Promise.withResolvers<unknown>();
  using _turn = replaced(strangersWork, "run", (work) => {
    pair.server.disconnect();
    const done = Promise.try(work);
    tried.resolve(done.then(() => "done", (error) => error));
    return done as never;
  });
  for (const end of [pair.client, pair.server]) end.handshake().catch(() => {});
  assertInstanceOf(await tried.promise, DisconnectError);
});
