/**
 * The only door to the WebAssembly core: it chooses the build that this runtime can run,
 * instantiates it once, and keeps views on its memory.
 *
 * @module
 */

import * as core from "../../wasm/pkg/core.js";
import { decodeBase64 } from "../encoding.ts";

export { core };

/** Which build of the core is running. */
export type WasmBuild = "relaxed" | "simd128";

/** Tests set this on `globalThis`, before anything is imported, to run the other build. */
const OVERRIDE = Symbol.for("@denossh/ssh wasm build");

// A module of one function that uses i8x16.relaxed_swizzle.
// deno-fmt-ignore
const RELAXED_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // type: () -> v128
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b,
]);

/** The build that was chosen when this module was loaded. */
export const wasmBuild: WasmBuild = chooseBuild();

// Literal specifiers, so that bundlers see them, and only the chosen one is loaded.
const { base64 } = wasmBuild === "relaxed"
  ? await import("../../wasm/pkg/relaxed.ts")
  : await import("../../wasm/pkg/simd128.ts");

const { memory } = core.initSync({ module: new WebAssembly.Module(decode(base64)) });
let bytes = new Uint8Array(buffer());
let words = new Uint32Array(buffer());

/** The core's memory. Do not keep it: it is detached when the memory grows. */
export function heap(): Uint8Array<ArrayBuffer> {
  if (bytes.length === 0) bytes = new Uint8Array(buffer());
  return bytes;
}

/** The core's memory as 32-bit words; not to be kept either. */
export function heapWords(): Uint32Array<ArrayBuffer> {
  if (words.length === 0) words = new Uint32Array(buffer());
  return words;
}

/** The memory is not shared; not every version of the types knows that. */
function buffer(): ArrayBuffer {
  return memory.buffer as ArrayBuffer;
}

function chooseBuild(): WasmBuild {
  const asked = (globalThis as { [OVERRIDE]?: WasmBuild })[OVERRIDE];
  return asked ?? (WebAssembly.validate(RELAXED_PROBE) ? "relaxed" : "simd128");
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  // The built-in takes 1 ms for the module, decodeBase64() 5 ms.
  const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  return fromBase64?.(text) ?? decodeBase64(text)!;
}
