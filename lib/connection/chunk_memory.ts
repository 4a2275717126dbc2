/** What is joined to one chunk at most, and so what a chunk's memory can be. */
export const CHUNK_BYTES = 256 * 1024;
/** Chunks of one connection whose memory is kept: a reader holds one, and the next is being filled. */
const SPARES = 4;

/**
 * Memory for the chunks of one connection. That of chunks which were copied out comes back and serves
 * again: fresh memory costs more than the copy, and stays until the garbage collector comes by.
 */
export class ChunkMemory {
  readonly #spares: ArrayBuffer[] = [];

  /** Memory of {@linkcode CHUNK_BYTES}; what is in it is old. */
  take(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#spares.pop() ?? new ArrayBuffer(CHUNK_BYTES));
  }

  /** Takes memory back; no view on it may be in use. */
  give(memory: ArrayBuffer): void {
    if (memory.byteLength !== CHUNK_BYTES || this.#spares.length === SPARES) return;
    this.#spares.push(memory);
  }
}
