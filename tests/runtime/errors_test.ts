import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import * as fs from "node:fs";
import { isError, isPlatformError, platformError } from "../../lib/runtime/errors.ts";

Deno.test("isError knows the errors of Deno and those of Node by their kind", async () => {
  const missing = `${import.meta.dirname}/does_not_exist`;
  const ofDeno = await Deno.stat(missing).catch((error) => error);
  const ofNode = await fs.promises.stat(missing).catch((error) => error);
  for (const error of [ofDeno, ofNode]) {
    assert(isError(error, "NotFound"));
    assert(isError(error, "PermissionDenied", "NotFound"));
    assert(!isError(error, "PermissionDenied"));
    assert(isPlatformError(error));
  }
});

Deno.test("isError ignores objects that only have the name of an error", () => {
  assertEquals(isError({ name: "NotFound" }, "NotFound"), false);
  assertEquals(isPlatformError(new TypeError("no")), false);
});

Deno.test("platformError makes an error of Deno's class", () => {
  const error = platformError("Busy", "in use");
  assertInstanceOf(error, Deno.errors.Busy);
  assertEquals(error.message, "in use");
  assert(isError(error, "Busy") && isPlatformError(error));
});
