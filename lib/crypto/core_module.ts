/**
 * The core as a WebAssembly module. It is unpacked and compiled when it is first used, unless the program
 * gave it, which it does where bytes may not be compiled.
 *
 * @module
 */

import { deflated } from "../../wasm/pkg/module.ts";
import { decodeBase64 } from "../encoding.ts";
import { inflate } from "./inflate.ts";

/** Whether the core runs with the instructions of relaxed SIMD, or with those that every runtime has. */
export type WasmBuild = "relaxed" | "simd128";

/** Tests set this on `globalThis`, before anything is imported, to run the other build. */
const OVERRIDE = Symbol.for("@denossh/ssh wasm build");
/** A program sets this on `globalThis`, before the core is used, to a `WebAssembly.Module`. */
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

/** The build that was chosen when this file was loaded. */
export const wasmBuild: WasmBuild = globals[OVERRIDE] ??
  (WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "simd128");

let compiled: WebAssembly.Module | null = null;

// Cloudflare Workers compile bytes only while a module is loaded, and older versions never.
if (globals.navigator?.userAgent === "Cloudflare-Workers") {
  try {
    coreModule();
  } catch {
    // The program may still give the core; if it does not, its first use fails like this.
  }
}

/**
 * The core, compiled.
 *
 * @throws {Error} If the platform compiles no bytes, and the program has given no module.
 */
export function coreModule(): WebAssembly.Module {
  return compiled ??= globals[GIVEN] ?? compile();
}

function compile(): WebAssembly.Module {
  const bytes = coreBytes(wasmBuild);
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    const todo = 'give it the module "@denossh/ssh/core.wasm", as docs/edge.md shows';
    throw new Error(`This platform does not compile WebAssembly from bytes: ${todo}`, { cause });
  }
}

/** The core as a `.wasm` file has it. */
export function coreBytes(build: WasmBuild): Uint8Array<ArrayBuffer> {
  const bytes = inflate(decode(deflated));
  if (build === "simd128") replaceSwizzles(bytes);
  return bytes;
}

/**
 * Writes i8x16.swizzle (FD 0E, in as many bytes) where i8x16.relaxed_swizzle (FD 80 02) is. The core gives
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
