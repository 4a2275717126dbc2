/** Runs the tests of kernels and packets on the build without relaxed SIMD. */

import { assertEquals } from "@std/assert";

// Every test file has its own global scope, so this reaches no other file.
Object.assign(globalThis, { [Symbol.for("@denossh/ssh wasm build")]: "simd128" });

Deno.test("the build without relaxed SIMD is the one that runs here", async () => {
  const { wasmBuild } = await import("../../lib/crypto/wasm.ts");
  assertEquals(wasmBuild(), "simd128");
});

// Literal specifiers, so that they are checked with the rest.
await import("./kernels_test.ts");
await import("./cipher_test.ts");
await import("./digest_test.ts");
await import("./packet_cipher_test.ts");
