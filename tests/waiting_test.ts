import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  abortable,
  Condition,
  limitOf,
  Mutex,
  onAbort,
  onTimeout,
  settlesWithin,
  sleep,
  withLimits,
} from "../lib/waiting.ts";
import { FakeTime } from "./support/fake_time.ts";

const never = new Promise<void>(() => {});
const REASON = new Error("enough");

Deno.test("onAbort calls with the reason, immediately if the signal is already aborted", () => {
  const controller = new AbortController();
  const reasons: unknown[] = [];
  onAbort(controller.signal, (reason) => reasons.push(reason));
  assertEquals(reasons, []);
  controller.abort(REASON);
  onAbort(controller.signal, (reason) => reasons.push(reason));
  assertEquals(reasons, [REASON, REASON]);
});

Deno.test("A disposed onAbort does not call", () => {
  const controller = new AbortController();
  let calls = 0;
  onAbort(controller.signal, () => calls++)[Symbol.dispose]();
  onAbort(undefined, () => calls++)[Symbol.dispose]();
  controller.abort();
  assertEquals(calls, 0);
});

Deno.test("onTimeout calls after its time, and not after it was disposed", async () => {
  const calls: string[] = [];
  onTimeout(0, () => calls.push("disposed"))[Symbol.dispose]();
  onTimeout(undefined, () => calls.push("never"))[Symbol.dispose]();
  await new Promise<void>((resolve) => onTimeout(1, resolve));
  assertEquals(calls, []);
});

Deno.test("onTimeout waits as long as a timer can if the time is longer", async () => {
  using time = new FakeTime();
  const calls: number[] = [];
  for (const long of [Infinity, 2 ** 31, 2 ** 40]) onTimeout(long, () => calls.push(long));
  await time.advance(2 ** 31 - 2);
  assertEquals(calls, []);
  await time.advance(1);
  assertEquals(calls, [Infinity, 2 ** 31, 2 ** 40]);
});

Deno.test("abortable and withLimits return the promise's result, and leave no timer", async () => {
  const { signal } = new AbortController();
  assertEquals(await abortable(Promise.resolve(1), signal), 1);
  assertEquals(await abortable(Promise.resolve(2), undefined), 2);
  assertEquals(await withLimits(Promise.resolve(3), { signal, timeout: 60_000 }), 3);
  await assertRejects(() => withLimits(Promise.reject(REASON), { signal }), Error, "enough");
});

Deno.test("withLimits rejects with the reason of an abort, earlier or later", async () => {
  const controller = new AbortController();
  const waiting = withLimits(never, { signal: controller.signal, timeout: 60_000 });
  controller.abort(REASON);
  assertStrictEquals(await waiting.catch((error) => error), REASON);
  assertStrictEquals(await abortable(never, controller.signal).catch((error) => error), REASON);
});

Deno.test("withLimits rejects after the time limit, with the caller's error if there is one", async () => {
  const error = await withLimits(never, { timeout: 0 }).catch((error) => error);
  assertEquals(error.name, "TimeoutError");
  const late = () => REASON;
  assertStrictEquals(await withLimits(never, { timeout: 0, late }).catch((e) => e), REASON);
});

Deno.test("settlesWithin returns whether the promise was in time, and leaves no timer", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  assertEquals(await settlesWithin(Promise.resolve(false), 60_000, signal), true);
  assertEquals(await settlesWithin(never, 0, signal), false);
  await assertRejects(() => settlesWithin(Promise.reject(REASON), 60_000), Error, "enough");
  const waiting = settlesWithin(never, 60_000, signal);
  controller.abort(REASON);
  assertStrictEquals(await waiting.catch((error) => error), REASON);
});

Deno.test("withLimits ignores a promise that fails after the limit", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  await assertRejects(() => withLimits(promise, { timeout: 0 }));
  reject(new Error("too late")); // an unhandled rejection would fail the test
  await sleep(0);
});

Deno.test("sleep ends with the reason when it is aborted, and leaves no timer", async () => {
  const controller = new AbortController();
  const sleeping = sleep(60_000, controller.signal);
  controller.abort(REASON);
  assertStrictEquals(await sleeping.catch((error) => error), REASON);
  assertStrictEquals(await sleep(60_000, controller.signal).catch((error) => error), REASON);
});

Deno.test("Condition.notify wakes every waiter once", async () => {
  const condition = new Condition();
  const woken = Promise.all([condition.wait(), condition.wait()]);
  condition.notify();
  await woken;
  using limit = limitOf(undefined, 0)!;
  assertThrows(() => condition.wait(limit), DOMException, "Timed out");
});

Deno.test("Limit ends the current wait, and every later one, with its error", async () => {
  const condition = new Condition();
  using limit = limitOf(undefined, 1, () => REASON)!;
  await condition.wait(limit); // woken by the limit
  assertThrows(() => condition.wait(limit), Error, "enough");
});

Deno.test("limitOf returns null if nothing limits the call", () => {
  assertEquals(limitOf(undefined), null);
  assertEquals(limitOf({}, null), null);
  const { signal } = new AbortController();
  assertEquals(limitOf({ signal })?.aborted, false);
  assertThrows(() => limitOf({ signal: AbortSignal.abort(REASON) }), Error, "enough");
});

Deno.test("Mutex serves callers in the order of their calls", async () => {
  const mutex = new Mutex();
  const order: number[] = [];
  assert(mutex.tryLock());
  assert(!mutex.tryLock());
  const callers = [1, 2, 3].map(async (n) => {
    await mutex.lock(null);
    order.push(n);
    mutex.unlock();
  });
  assertEquals(order, []);
  mutex.unlock();
  await Promise.all(callers);
  assertEquals([order, mutex.locked], [[1, 2, 3], false]);
});

Deno.test("Mutex skips an aborted caller", async () => {
  const mutex = new Mutex();
  await mutex.lock(null);
  using limit = limitOf(undefined, 0, () => REASON);
  await assertRejects(() => mutex.lock(limit), Error, "enough");
  const next = mutex.lock(null);
  mutex.unlock();
  await next;
  assert(mutex.locked);
});
