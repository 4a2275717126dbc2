import { assertThrows } from "@std/assert";
import { nodeRuntime } from "../../lib/runtime/node.ts";

Deno.test("A Node version without required built-ins is refused with one error", () => {
  const { withResolvers } = Promise;
  try {
    Reflect.deleteProperty(Promise, "withResolvers");
    assertThrows(() => nodeRuntime(), Error, "@denossh/ssh needs Node 22.3 or later, and this is");
  } finally {
    Promise.withResolvers = withResolvers;
  }
});
