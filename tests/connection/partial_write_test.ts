/** How much of a failed write was sent. */
import { assert, assertEquals } from "@std/assert";
import { bytesWritten, withBytesWritten } from "../../lib/connection/partial_write.ts";
import { ChannelOpenError, ClosedError } from "../../lib/errors.ts";
import { platformError } from "../../lib/runtime/errors.ts";

Deno.test("An error of ours is copied with the number of bytes, its class and its properties", () => {
  const errors = [
    new ClosedError("over"),
    new ChannelOpenError(4, "busy"),
    platformError("TimedOut", "late"),
  ];
  for (const error of errors) {
    const copy = withBytesWritten(error, 7) as Error;
    assert(copy !== error && copy instanceof error.constructor, String(error));
    assertEquals([bytesWritten(copy), bytesWritten(error)], [7, 0]);
    assertEquals([copy.message, copy.cause, copy.name], [error.message, error, error.name]);
    assertEquals((copy as ChannelOpenError).reason, (error as ChannelOpenError).reason);
  }
  assertEquals(bytesWritten(withBytesWritten(new ClosedError("over"), 1)), 1);
});

Deno.test("An error stays as it is if nothing was sent, or if it is the caller's reason", () => {
  const closed = new ClosedError("over");
  assert(withBytesWritten(closed, 0) === closed);
  for (const reason of [new Error("enough"), "enough", null, undefined, { bytesWritten: 3 }]) {
    assert(withBytesWritten(reason, 7) === reason);
  }
});

Deno.test("bytesWritten is 0 for everything that has no number of bytes", () => {
  for (const error of [null, undefined, "text", 5, {}, { bytesWritten: "5" }, new Error("x")]) {
    assertEquals(bytesWritten(error), 0);
  }
  assertEquals(bytesWritten({ bytesWritten: 5 }), 5);
});
