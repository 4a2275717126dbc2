/**
 * The only door to the WebAssembly core: it instantiates the core once, when it is first used, and keeps
 * views on its memory.
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

/** What the core exports. The first call takes as long as it takes to compile it. */
export function core(): typeof glue {
  memory ??= glue.initSync({ module: coreModule() }).memory;
  return glue;
}

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
  core();
  return memory!.buffer as ArrayBuffer;
}
