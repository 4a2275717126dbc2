import { CHUNK_BYTES, type ChunkMemory } from "./chunk_memory.ts";

const EMPTY = new Uint8Array(0);
/** The least data of a packet that counts as bulk. */
const BULK = 8 * 1024;

/** Elements of an array of ballast, 8 bytes each; one is allocated for so many bytes of chunks. */
const BALLAST_ELEMENTS = 512;
const BYTES_PER_BALLAST = 8 * 1024;

/** A queue of bytes in chunks. */
export class ChunkList {
  readonly #memory: ChunkMemory;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #head = 0;
  #bytes = 0;
  /** Free memory after the last chunk, for `append`; empty if there is no chunk. */
  #tail: Uint8Array = EMPTY;

  /**
   * Arrays that are allocated for each chunk and not used; the field keeps the last one. V8 collects young
   * objects once enough of them fill its own heap, where the memory of chunks does not count: it would be
   * freed only at 64 MiB. The arrays make a chunk count for half of its size. They are small because the
   * last one survives each collection, and what survives makes V8's young heap larger and collections rarer.
   */
  static #ballast: unknown[] = [];

  /** Whether readers copy data out, so that the memory of chunks can be reused. */
  copiedOut = false;

  constructor(memory: ChunkMemory) {
    this.#memory = memory;
  }

  /** Bytes in all chunks. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds an owned chunk. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    this.#tail = EMPTY;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * Copies borrowed data in, at least a byte. Packets that arrived together become one chunk, because a
   * reader that takes one chunk at a time would be slower than a fast source.
   *
   * @param ahead Bytes that have arrived after this data, of this channel or another
   */
  append(data: Uint8Array, ahead: number): void {
    if (this.#tail.length >= data.length) {
      const last = this.#chunks.length - 1;
      this.#tail.set(data);
      const { buffer, byteOffset, length } = this.#chunks[last]!;
      this.#chunks[last] = new Uint8Array(buffer, byteOffset, length + data.length);
      this.#tail = this.#tail.subarray(data.length);
      this.#bytes += data.length;
      return;
    }
    const memory = this.#memoryFor(data.length, ahead);
    memory.set(data);
    this.push(memory.subarray(0, data.length));
    this.#tail = memory.subarray(data.length);
  }

  /** Puts an owned chunk before the others. */
  unshift(chunk: Uint8Array<ArrayBuffer>): void {
    this.#chunks.splice(this.#head, 0, chunk);
    this.#bytes += chunk.length;
  }

  /** Removes and returns the first chunk, which must exist. */
  shift(): Uint8Array<ArrayBuffer> {
    const chunk = this.#drop();
    this.copiedOut = false;
    this.#bytes -= chunk.length;
    return chunk;
  }

  /** Removes and returns all chunks. */
  takeAll(): Uint8Array<ArrayBuffer>[] {
    const chunks = this.#chunks.slice(this.#head);
    this.#tail = EMPTY;
    this.#chunks = [];
    this.#head = 0;
    this.#bytes = 0;
    return chunks;
  }

  /** Moves as much as fits into the buffer; returns the number of bytes. */
  copyTo(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.#bytes > 0) {
      const chunk = this.#chunks[this.#head]!;
      const n = Math.min(chunk.length, into.length - filled);
      into.set(n === chunk.length ? chunk : chunk.subarray(0, n), filled);
      filled += n;
      if (n === chunk.length) this.#memory.give(this.#drop().buffer);
      else this.#chunks[this.#head] = chunk.subarray(n);
      this.#bytes -= n;
    }
    this.copiedOut = true;
    return filled;
  }

  /** Memory for data and for the data that follows it. */
  #memoryFor(bytes: number, ahead: number): Uint8Array<ArrayBuffer> {
    // Room for more only after bulk data; for small data it would be wasted.
    if (bytes < BULK) return new Uint8Array(bytes);
    if (this.copiedOut && bytes <= CHUNK_BYTES) return this.#memory.take();
    const chunk = new Uint8Array(Math.min(bytes + ahead, Math.max(bytes, CHUNK_BYTES)));
    for (let at = 0; at < chunk.length; at += BYTES_PER_BALLAST) {
      ChunkList.#ballast = new Array(BALLAST_ELEMENTS);
    }
    return chunk;
  }

  /** Removes and returns the first chunk. The array is shortened rarely, which makes this cheap. */
  #drop(): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunks[this.#head]!;
    this.#chunks[this.#head++] = EMPTY;
    if (this.#head === this.#chunks.length) {
      this.#tail = EMPTY;
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head >= 64) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    return chunk;
  }
}
