/**
 * The only door to the WebAssembly core: it instantiates the core once, and keeps views on its memory.
 *
 * @module
 */

import * as core from "../../wasm/pkg/core.js";
import { coreModule } from "./core_module.ts";

export { core };
export { type WasmBuild, wasmBuild } from "./core_module.ts";

const { memory } = core.initSync({ module: coreModule });
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
