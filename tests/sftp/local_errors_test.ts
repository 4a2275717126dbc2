/** Errors of local files name the path that the user knows, and the side. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { onThisMachine } from "../../lib/sftp/transfer/local_errors.ts";

/** The message of what an operation on `/file` throws. */
async function messageOf(cause: unknown): Promise<string> {
  const fails = () => Promise.reject(cause);
  const error = await assertRejects(() => onThisMachine("read", "/file", fails), Error);
  assertEquals(error, cause);
  return error.message;
}

Deno.test("an error of the system names the operation, the path and the side", async () => {
  const expected = 'Cannot read "/file" on this machine: it is busy';
  const errors = [
    new Error("it is busy"),
    new Deno.errors.Busy("it is busy"),
    new Deno.errors.PermissionDenied("it is busy"),
  ];
  for (const error of errors) {
    const kind = error.constructor;
    assertEquals(await messageOf(error), expected);
    assert(error instanceof kind);
  }
  const now = () => {
    throw new Error("it is busy");
  };
  await assertRejects(() => onThisMachine("read", "/file", now), Error, expected);
});

Deno.test("an error that names the side already is left as it is", async () => {
  const message = 'Cannot open "/other" on this machine: it is busy';
  assertEquals(await messageOf(new Deno.errors.Busy(message)), message);
  const inner = () => onThisMachine("read", "/file", () => Promise.reject(new Error("it is busy")));
  await assertRejects(
    () => onThisMachine("write", "/file", inner),
    Error,
    'Cannot read "/file" on this machine: it is busy',
  );
});

Deno.test("a bug, and what is no error, are left as they are", async () => {
  assertEquals(await messageOf(new TypeError("a bug")), "a bug");
  assertEquals(await messageOf(new RangeError("a bug")), "a bug");
  for (const cause of [null, "text", { name: "Error", message: "x" }]) {
    const caught = await onThisMachine("read", "/file", () => Promise.reject(cause))
      .catch((cause) => ({ cause }));
    assertEquals(caught, { cause });
  }
});

Deno.test("a result is passed on, at once or later", async () => {
  assertEquals(await onThisMachine("read", "/file", () => 5), 5);
  assertEquals(await onThisMachine("read", "/file", () => Promise.resolve(6)), 6);
});
