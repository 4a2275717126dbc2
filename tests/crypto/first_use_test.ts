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

const FORBIDDING = [
  // workerd, Chromium, Firefox, Safari
  new WebAssembly.CompileError(
    "WebAssembly.Module(): Wasm code generation disallowed by embedder",
  ),
  new WebAssembly.CompileError(
    "WebAssembly.Module(): Refused to compile or instantiate WebAssembly module because 'unsafe-eval' is " +
      "not an allowed source of script",
  ),
  new WebAssembly.CompileError("call to WebAssembly.Module() blocked by CSP"),
  new EvalError("not here"),
];

Deno.test("Where compiling bytes is forbidden the program gives the core, or learns how", async () => {
  const { coreBytes } = await import("../../lib/crypto/core_module.ts");
  const given = new WebAssembly.Module(coreBytes("simd128"));
  const coreModule = await unused("given");
  for (const cause of FORBIDDING) {
    using _failing = failing(cause);
    const error = assertThrows(coreModule, Error, 'provide the module "@denossh/ssh/core.wasm"');
    assertStrictEquals(error.cause, cause);
  }
  Reflect.set(globalThis, Symbol.for("@denossh/ssh wasm module"), given);
  assertStrictEquals(coreModule(), given);
});

Deno.test("A core that cannot be compiled for another reason is reported with that reason", async () => {
  Reflect.deleteProperty(globalThis, Symbol.for("@denossh/ssh wasm module"));
  const coreModule = await unused("broken");
  for (
    const cause of [
      new WebAssembly.CompileError("WebAssembly.Module(): SIMD unsupported @+123"),
      new RangeError("WebAssembly.Instance(): Out of memory"),
    ]
  ) {
    using _failing = failing(cause);
    const error = assertThrows(coreModule, Error);
    assertEquals(error.message, `Cannot compile the WebAssembly core: ${cause.message}`);
    assertStrictEquals(error.cause, cause);
  }
});

/** The core of a fresh copy of the file, which has compiled nothing. */
async function unused(copy: string): Promise<() => WebAssembly.Module> {
  using _failing = failing(new Error("not while it is loaded"));
  return (await import(String(`../../lib/crypto/core_module.ts?${copy}`))).coreModule;
}

/** Lets compiling fail. */
function failing(cause: Error): Disposable {
  const { Module } = WebAssembly;
  WebAssembly.Module = function () {
    throw cause;
  } as unknown as typeof Module;
  return { [Symbol.dispose]: () => void (WebAssembly.Module = Module) };
}

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
