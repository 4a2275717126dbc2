import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AsyncStack, promiseTry, SyncStack } from "../../npm/fills.ts";

Deno.test("A filled stack disposes in reverse, once", () => {
  const seen: string[] = [];
  const stack = new SyncStack();
  stack.use({ [Symbol.dispose]: () => void seen.push("used") });
  stack.use(null);
  stack.adopt("adopted", (text) => void seen.push(text));
  stack.defer(() => void seen.push("deferred"));
  stack[Symbol.dispose]();
  stack.dispose();
  assertEquals(seen, ["deferred", "adopted", "used"]);
  assertThrows(() => stack.defer(() => {}), ReferenceError);
});

Deno.test("A moved filled stack disposes nothing", () => {
  let calls = 0;
  const stack = new SyncStack();
  stack.defer(() => void calls++);
  const moved = stack.move();
  stack.dispose();
  assertEquals([stack.disposed, moved.disposed, calls], [true, false, 0]);
  moved.dispose();
  assertEquals(calls, 1);
});

Deno.test("A filled stack runs every callback, and throws the last error with the previous one inside", () => {
  const stack = new SyncStack();
  const [first, second] = [new Error("first"), new Error("second")];
  stack.defer(() => {
    throw second;
  });
  stack.defer(() => {
    throw first;
  });
  const error = assertThrows(() => stack.dispose(), Error, "suppressed") as Error & {
    error: unknown;
    suppressed: unknown;
  };
  assertEquals([error.name, error.error, error.suppressed], ["SuppressedError", second, first]);
});

Deno.test("A filled asynchronous stack awaits each before the next", async () => {
  const seen: string[] = [];
  const stack = new AsyncStack();
  stack.use({ [Symbol.dispose]: () => void seen.push("sync") });
  stack.use({
    async [Symbol.asyncDispose]() {
      await Promise.resolve();
      seen.push("async");
    },
  });
  await stack[Symbol.asyncDispose]();
  assertEquals(seen, ["async", "sync"]);
  const failing = new AsyncStack();
  failing.defer(() => Promise.reject(new Error("late")));
  await assertRejects(() => failing.disposeAsync(), Error, "late");
});

Deno.test("A filled Promise.try turns a throw into a rejection", async () => {
  assertEquals(await promiseTry((n: number) => n + 1, 1), 2);
  const run = () => {
    throw new Error("thrown");
  };
  await assertRejects(() => promiseTry(run), Error, "thrown");
});
