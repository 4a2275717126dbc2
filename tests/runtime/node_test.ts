import { assertThrows } from "@std/assert";
import { nodeRuntime } from "../../lib/runtime/node.ts";

Deno.test("A version of Node without the built-ins that are used is refused in one error", () => {
  const { withResolvers } = Promise;
  try {
    Reflect.deleteProperty(Promise, "withResolvers");
    assertThrows(() => nodeRuntime(), Error, "@denossh/ssh needs Node 22.3 or later, and this is");
  } finally {
    Promise.withResolvers = withResolvers;
  }
});
