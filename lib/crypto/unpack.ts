/** The exports of `wasm/unpack`. Memory for the caller starts at the heap base. */
interface Unpacker {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global;
  start(packed: number, length: number, room: number, size: number): void;
  /** Returns whether everything is unpacked. */
  step(): number;
}

const PAGE_BYTES = 65536;
/** The offset of the unpacked size in a .lzma file, after the properties and the dictionary size. */
const SIZE_OFFSET = 5;

/**
 * Unpacks LZMA data synchronously. Used for the core, because DecompressionStream is asynchronous, which
 * neither Cloudflare Workers nor Node's `require()` allow while a module is loaded.
 *
 * @param unpacker The WebAssembly module that unpacks. Although compiled for this call only, it is faster
 *   than JavaScript, which would finish before it is optimized
 * @param packed A `.lzma` file with the parameters that `wasm/unpack` requires. It is trusted
 */
export function unpack(
  unpacker: Uint8Array<ArrayBuffer>,
  packed: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(unpacker));
  const { memory, __heap_base, start, step } = exports as unknown as Unpacker;
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const [length, size] = [packed.length, view.getUint32(SIZE_OFFSET, true)];
  const base: number = __heap_base.value;
  memory.grow(Math.ceil((length + size) / PAGE_BYTES));
  const bytes = new Uint8Array(memory.buffer as ArrayBuffer, base, length + size);
  bytes.set(packed);
  start(base, length, base + length, size);
  while (!step());
  return bytes.slice(length);
}
