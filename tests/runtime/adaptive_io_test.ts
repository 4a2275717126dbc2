import { assertEquals } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";
import { FakeTime } from "../support/fake_time.ts";

Deno.test("after a slow call later ones use other threads, until a trial call", async () => {
  using time = new FakeTime();
  const io = new AdaptiveIo();
  const ways: string[] = [];
  const call = (milliseconds: number) =>
    io.run(() => {
      time.skip(milliseconds);
      ways.push("now");
    }, () => {
      ways.push("later");
      return Promise.resolve();
    });
  await call(6);
  while (ways.lastIndexOf("now") === 0) await call(0);
  assertEquals(ways.length, 66);
});

Deno.test("a slow call that fails counts, and its error is thrown", () => {
  using time = new FakeTime();
  const io = new AdaptiveIo();
  let failure: unknown = null;
  try {
    io.run(() => {
      time.skip(6);
      throw new Deno.errors.NotFound("gone");
    }, () => Promise.resolve());
  } catch (cause) {
    failure = cause;
  }
  assertEquals((failure as Error).message, "gone");
  assertEquals(io.run(() => "now", () => Promise.resolve("later")) === "now", false);
});
