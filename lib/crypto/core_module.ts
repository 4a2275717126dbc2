/**
 * The core as a WebAssembly module. It is unpacked and compiled on first use. On platforms that forbid
 * compiling bytes, the program provides the module.
 *
 * @module
 */

import { packed, unpacker } from "../../wasm/pkg/module.ts";
import { decodeBase64 } from "../encoding.ts";
import { unpack } from "./unpack.ts";

/** The build of the core: with relaxed SIMD, or only with the SIMD that every runtime has. */
export type WasmBuild = "relaxed" | "simd128";

/** Tests set this on `globalThis`, before anything is imported, to run the other build. */
const OVERRIDE = Symbol.for("@denossh/ssh wasm build");
/** A program may set this on `globalThis` to a `WebAssembly.Module`, before the core is used. */
const GIVEN = Symbol.for("@denossh/ssh wasm module");

// A module of one function that uses i8x16.relaxed_swizzle.
// deno-fmt-ignore
const RELAXED_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // type: () -> v128
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b,
]);

const globals = globalThis as {
  [OVERRIDE]?: WasmBuild;
  [GIVEN]?: WebAssembly.Module;
  navigator?: { userAgent?: string };
};

let compiled: WebAssembly.Module | null = null;

// Cloudflare Workers allow compiling only while a module is loaded, and older versions never.
if (globals.navigator?.userAgent === "Cloudflare-Workers") {
  try {
    coreModule();
  } catch {
    // The program may still provide the core; otherwise its first use fails with the same error.
  }
}

/**
 * The core, compiled.
 *
 * @throws {Error} If the platform forbids compiling bytes and the program has not provided a module, or if
 *   it has no WebAssembly, or not enough memory
 */
export function coreModule(): WebAssembly.Module {
  return compiled ??= globals[GIVEN] ?? compile();
}

/** The build for this runtime. */
export function wasmBuild(): WasmBuild {
  return globals[OVERRIDE] ?? (WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "simd128");
}

function compile(): WebAssembly.Module {
  try {
    return new WebAssembly.Module(coreBytes(wasmBuild()));
  } catch (cause) {
    const problem = isForbidden(cause)
      ? 'This platform forbids compiling WebAssembly from bytes: provide the module "@denossh/ssh/core.wasm", ' +
        "as docs/edge.md shows"
      : `Cannot compile the WebAssembly core: ${cause instanceof Error ? cause.message : cause}`;
    throw new Error(problem, { cause });
  }
}

/**
 * Whether the platform, or a page's Content Security Policy, forbids it. V8 and Firefox throw a CompileError,
 * as for bytes that they do not understand, and Safari an EvalError.
 */
function isForbidden(cause: unknown): boolean {
  if (cause instanceof EvalError) return true;
  return cause instanceof Error &&
    /disallowed|refused to|content security policy|blocked by CSP/i.test(cause.message);
}

/** The content of the core's `.wasm` file. */
export function coreBytes(build: WasmBuild): Uint8Array<ArrayBuffer> {
  const bytes = unpack(decode(unpacker), decode(packed));
  if (build === "simd128") replaceSwizzles(bytes);
  return bytes;
}

/**
 * Replaces i8x16.relaxed_swizzle (FD 80 02) by i8x16.swizzle (FD 0E, padded to three bytes). The core gives
 * it no index above 15, so both do the same. `wasm/build.ts` checks that nothing else has these bytes.
 */
function replaceSwizzles(wasm: Uint8Array): void {
  for (let at = wasm.indexOf(0xfd); at !== -1; at = wasm.indexOf(0xfd, at + 1)) {
    if (wasm[at + 1] !== 0x80 || wasm[at + 2] !== 0x02) continue;
    wasm[at + 1] = 0x8e; // 0x0e as a LEB128 number of two bytes
    wasm[at + 2] = 0x00;
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  return fromBase64?.(text) ?? decodeBase64(text)!;
}
