/** A time limit that is paused during prompts. */
import { assertEquals, assertRejects } from "@std/assert";
import { Deadline } from "../../lib/login/deadline.ts";
import { FakeTime } from "../support/fake_time.ts";

/** The time at which each step reaches its deadline, or null after a million milliseconds. */
async function over(
  milliseconds: number,
  steps: (deadline: Deadline, time: FakeTime) => Promise<void> = async () => {},
): Promise<[at: number, reason: unknown] | null> {
  using time = new FakeTime();
  using deadline = new Deadline(milliseconds, (limit) => `${limit} ms`);
  let at: number | null = null;
  deadline.signal.addEventListener("abort", () => at = time.now);
  await steps(deadline, time);
  await time.advance(1_000_000);
  return at === null ? null : [at, deadline.signal.reason];
}

Deno.test("A deadline rejects after its time, and the error names the limit", async () => {
  assertEquals(await over(100), [100, "100 ms"]);
  assertEquals(await over(1), [1, "1 ms"]);
});

Deno.test("A deadline of 0 or less never rejects", async () => {
  assertEquals([await over(0), await over(-1)], [null, null]);
});

Deno.test("A limit that is longer than a timer can be never rejects", () => {
  using time = new FakeTime();
  for (const limit of [2 ** 31, Infinity]) {
    using deadline = new Deadline(limit, () => new Error("late"));
    assertEquals([time.timers, deadline.signal.aborted], [0, false]);
  }
});

Deno.test("A new limit counts from the start", async () => {
  const changed = (to: number, after = 30) => (deadline: Deadline, time: FakeTime) =>
    time.advance(after).then(() => deadline.change(to));
  assertEquals(await over(100, changed(300)), [300, "300 ms"]);
  assertEquals(await over(100, changed(50)), [50, "50 ms"]);
  assertEquals(await over(100, changed(20)), [30, "20 ms"]);
  assertEquals(await over(100, changed(0)), null);
  // Without a limit no time was counted.
  assertEquals(await over(0, changed(100)), [130, "100 ms"]);
  assertEquals(
    await over(100, async (deadline, time) => {
      await time.advance(10);
      deadline.change(200);
      await time.advance(10);
      deadline.change(150);
    }),
    [150, "150 ms"],
  );
});

Deno.test("Paused time does not count, however the pause ends", async () => {
  const paused =
    (wait: (time: FakeTime) => Promise<void>) => (deadline: Deadline, time: FakeTime) =>
      time.advance(30).then(() => deadline.pausedFor(() => wait(time))).catch(() => {});
  assertEquals(await over(100, paused((time) => time.advance(1_000))), [1_100, "100 ms"]);
  assertEquals(
    await over(100, paused((time) => time.advance(1_000).then(() => Promise.reject(new Error())))),
    [1_100, "100 ms"],
  );
  assertEquals(await over(0, paused((time) => time.advance(1_000))), null);
});

Deno.test("Paused time does not count when the limit changes or waits overlap", async () => {
  assertEquals(
    await over(100, async (deadline, time) => {
      await time.advance(30);
      await deadline.pausedFor(async () => {
        await time.advance(500);
        deadline.change(200);
        await time.advance(500);
      });
    }),
    [1_200, "200 ms"],
  );
  assertEquals(
    await over(100, async (deadline, time) => {
      const wait = Promise.withResolvers<void>();
      const waiting = deadline.pausedFor(() => wait.promise);
      await time.advance(20);
      await deadline.pausedFor(() => time.advance(500));
      await time.advance(500);
      wait.resolve();
      await waiting;
    }),
    [1_120, "100 ms"],
  );
});

Deno.test("pause returns the value, or throws the error", async () => {
  using deadline = new Deadline(0, () => null);
  assertEquals(await deadline.pausedFor(() => Promise.resolve(7)), 7);
  await assertRejects(() => deadline.pausedFor(() => Promise.reject(new Error("no"))), Error, "no");
});

Deno.test("A disposed deadline never rejects, even after a pause", async () => {
  assertEquals(await over(100, (deadline) => Promise.resolve(deadline[Symbol.dispose]())), null);
  assertEquals(
    await over(
      100,
      (deadline) => deadline.pausedFor(() => Promise.resolve(deadline[Symbol.dispose]())),
    ),
    null,
  );
});
