/**
 * The only access to the WebAssembly core: instantiates it once, on first use, and keeps views of its
 * memory.
 *
 * @module
 */

import * as glue from "../../wasm/pkg/core.js";
import { coreModule } from "./core_module.ts";

export type { Initiator, Opener, Sealer } from "../../wasm/pkg/core.js";
export { type WasmBuild, wasmBuild } from "./core_module.ts";

let memory: WebAssembly.Memory | null = null;
let bytes = new Uint8Array();
let words = new Uint32Array();

/** The exports of the core. The first call compiles it. */
export function core(): typeof glue {
  memory ??= glue.initSync({ module: coreModule() }).memory;
  return glue;
}

/** The core's memory. Do not keep the view: it is detached when the memory grows. */
export function heap(): Uint8Array<ArrayBuffer> {
  if (bytes.length === 0) bytes = new Uint8Array(buffer());
  return bytes;
}

/** The core's memory as 32-bit words. Do not keep the view. */
export function heapWords(): Uint32Array<ArrayBuffer> {
  if (words.length === 0) words = new Uint32Array(buffer());
  return words;
}

/** The memory is not shared, which not all versions of the types express. */
function buffer(): ArrayBuffer {
  core();
  return memory!.buffer as ArrayBuffer;
}
