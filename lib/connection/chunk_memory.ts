/** The most bytes joined to one chunk, and the size of reused memory. */
export const CHUNK_BYTES = 256 * 1024;
/** The number of chunks to keep per connection: a reader holds one while the next is filled. */
const SPARES = 4;

/**
 * Memory for the chunks of one connection. The memory of chunks that were copied out is reused, because new
 * memory costs more than the copy and stays until the next garbage collection.
 */
export class ChunkMemory {
  readonly #spares: ArrayBuffer[] = [];

  /** Memory of {@linkcode CHUNK_BYTES}, with old content. */
  take(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#spares.pop() ?? new ArrayBuffer(CHUNK_BYTES));
  }

  /** Returns memory for reuse; no view of it may be in use. */
  give(memory: ArrayBuffer): void {
    if (memory.byteLength !== CHUNK_BYTES || this.#spares.length === SPARES) return;
    this.#spares.push(memory);
  }
}
