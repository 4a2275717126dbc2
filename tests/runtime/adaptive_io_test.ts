import { assertEquals } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";

function busy(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

Deno.test("after a slow call those that follow are left to other threads, and then one is tried", async () => {
  const io = new AdaptiveIo();
  const ways: string[] = [];
  const call = (milliseconds: number) =>
    io.run(() => {
      busy(milliseconds);
      ways.push("now");
    }, () => {
      ways.push("later");
      return Promise.resolve();
    });
  await call(6);
  while (ways.lastIndexOf("now") === 0) await call(0);
  assertEquals(ways.length, 66);
});

Deno.test("a slow call that fails counts, and its failure is told", () => {
  const io = new AdaptiveIo();
  let failure: unknown = null;
  try {
    io.run(() => {
      busy(6);
      throw new Deno.errors.NotFound("gone");
    }, () => Promise.resolve());
  } catch (cause) {
    failure = cause;
  }
  assertEquals((failure as Error).message, "gone");
  assertEquals(io.run(() => "now", () => Promise.resolve("later")) === "now", false);
});
