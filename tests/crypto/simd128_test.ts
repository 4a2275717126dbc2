/** Runs the tests of kernels and packets on the build without relaxed SIMD. */

import { assert, assertEquals } from "@std/assert";
import { equals } from "@std/bytes";

// Every test file has its own global scope, so this reaches no other file.
Object.assign(globalThis, { [Symbol.for("@denossh/ssh wasm build")]: "simd128" });

Deno.test("the build without relaxed SIMD is the one that runs here", async () => {
  const { wasmBuild } = await import("../../lib/crypto/wasm.ts");
  assertEquals(wasmBuild(), "simd128");
});

Deno.test("the build without relaxed SIMD differs by its swizzles alone", async () => {
  const { coreBytes } = await import("../../lib/crypto/core_module.ts");
  const [relaxed, plain] = [coreBytes("relaxed"), coreBytes("simd128")];
  const places: number[] = [];
  for (let at = 0; (at = relaxed.indexOf(0xfd, at)) !== -1; at++) {
    if (relaxed[at + 1] === 0x80 && relaxed[at + 2] === 0x02) places.push(at);
  }
  assert(places.length > 0);
  for (const at of places) relaxed.set([0xfd, 0x8e, 0x00], at);
  assert(equals(plain, relaxed));
});

// Literal specifiers, so that they are checked with the rest.
await import("./kernels_test.ts");
await import("./cipher_test.ts");
await import("./digest_test.ts");
await import("./packet_cipher_test.ts");
