/** When the core is compiled. This file has its own global scope, in which nothing has used it yet. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";

const compiled = counted();

Deno.test("The core is compiled when it is first used, once, and not by an import", async () => {
  await import("../../mod.ts");
  await import("../../lib/server/mod.ts");
  const { generateKey } = await import("../../lib/keys/mod.ts");
  assertEquals(compiled.count, 0);
  (await generateKey())[Symbol.dispose]();
  (await generateKey())[Symbol.dispose]();
  assertEquals(compiled.count, 1);
});

Deno.test("The core is compiled by the import in Workers, which allow it only then", async () => {
  const before = compiled.count;
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" } });
  const { coreModule } = await import(String("../../lib/crypto/core_module.ts?workers"));
  assertEquals(compiled.count, before + 1);
  coreModule();
  assertEquals(compiled.count, before + 1);
});

Deno.test("Where no bytes are compiled the program gives the core, or learns how", async () => {
  const { coreBytes } = await import("../../lib/crypto/core_module.ts");
  const given = new WebAssembly.Module(coreBytes("simd128"));
  const { Module } = WebAssembly;
  WebAssembly.Module = function () {
    throw new WebAssembly.CompileError("not here");
  } as unknown as typeof Module;
  const { coreModule } = await import(String("../../lib/crypto/core_module.ts?given"));
  assertThrows(coreModule, Error, 'provide the module "@denossh/ssh/core.wasm"');
  WebAssembly.Module = Module;
  Reflect.set(globalThis, Symbol.for("@denossh/ssh wasm module"), given);
  assertStrictEquals(coreModule(), given);
});

/** Counts the modules that are compiled from now on, except small ones such as the one that unpacks. */
function counted(): { readonly count: number } {
  const counter = { count: 0 };
  const { Module } = WebAssembly;
  WebAssembly.Module = class extends Module {
    constructor(bytes: BufferSource) {
      super(bytes);
      if (bytes.byteLength > 100_000) counter.count++;
    }
  };
  return counter;
}
