import type { LazyError } from "./lazy_error.ts";
import { CHUNK_BYTES, ChunkMemory } from "./chunk_memory.ts";
import { platformError } from "../runtime/errors.ts";
import { Condition, type Limit } from "../waiting.ts";

const EMPTY = new Uint8Array(0);
/** Data from which on a packet counts as bulk. */
const BULK = 8 * 1024;

interface Taker {
  readonly take: (bytes: Uint8Array) => void;
  failure: { readonly error: unknown } | null;
}

/**
 * The received bytes of one stream of a channel, until somebody reads them. It holds no more than
 * the receive window, since credit goes back only through `consumed`.
 */
export class ByteQueue {
  readonly #consumed: (bytes: number) => void;
  readonly #memory: ChunkMemory;
  readonly #news = new Condition();
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #head = 0;
  #bytes = 0;
  /** What is free behind the last chunk, for `append`. */
  #tail: Uint8Array = EMPTY;
  #end: { cause: LazyError | null } | null = null;
  #discarding = false;
  /** Whether the reader brings its own buffer, so that chunks stay here. */
  #copies = false;
  /** Who takes all that comes, as it comes, and what went wrong there. */
  #taker: Taker | null = null;
  /** A read that waits, and how much it has got. */
  #waiting: { readonly into: Uint8Array; filled: number } | null = null;

  /**
   * @param consumed Told of bytes that have been read or discarded
   * @param memory Where chunks for readers that copy come from
   */
  constructor(consumed: (bytes: number) => void, memory: ChunkMemory = new ChunkMemory()) {
    this.#consumed = consumed;
    this.#memory = memory;
  }

  /** Bytes that can be read at once. */
  get size(): number {
    return this.#bytes;
  }

  /** Whether what comes is thrown away. */
  get discarding(): boolean {
    return this.#discarding;
  }

  /** Adds an owned chunk. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (chunk.length === 0) return;
    if (this.#discarding) return this.#consumed(chunk.length);
    if (this.#taker !== null) return this.#give(chunk);
    this.#tail = EMPTY;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#news.notify();
  }

  /**
   * Copies borrowed data in. Packets that arrived together become one chunk: a reader takes one at
   * a time, and would fall behind a source that brings many.
   *
   * @param ahead Bytes that have arrived behind this data, of this channel or another
   */
  append(data: Uint8Array, ahead: number): void {
    if (data.length === 0) return;
    if (this.#discarding) return this.#consumed(data.length);
    if (this.#taker !== null) return this.#give(data);
    if (this.#waiting !== null && this.#bytes === 0) {
      data = this.#hand(data, this.#waiting);
      if (data.length === 0) return;
    }
    const last = this.#chunks.length - 1;
    if (this.#tail.length >= data.length && last >= this.#head) {
      this.#tail.set(data);
      const { buffer, byteOffset, length } = this.#chunks[last]!;
      this.#chunks[last] = new Uint8Array(buffer, byteOffset, length + data.length);
      this.#tail = this.#tail.subarray(data.length);
      this.#bytes += data.length;
      this.#news.notify();
      return;
    }
    const memory = this.#room(data.length, ahead);
    memory.set(data);
    this.push(memory.subarray(0, data.length));
    this.#tail = memory.subarray(data.length);
  }

  /** Puts bytes in front of what is there; they count as not consumed again. */
  unread(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#discarding || chunk.length === 0) return;
    this.#chunks.splice(this.#head, 0, chunk);
    this.#bytes += chunk.length;
    this.#consumed(-chunk.length);
    this.#news.notify();
  }

  /** No more will come: the end of the stream, or its cause once the rest has been read. */
  end(cause: LazyError | null = null): void {
    if (this.#end) return;
    this.#end = { cause };
    this.#news.notify();
  }

  /** Throws away what is there and what comes; it counts as consumed. Readers see the end. */
  discard(): void {
    this.#discarding = true;
    const bytes = this.#bytes;
    this.#clear();
    this.end();
    if (bytes > 0) this.#consumed(bytes);
  }

  /** Moves what is there to the end of another queue. */
  moveTo(other: ByteQueue): void {
    const chunks = this.#chunks.slice(this.#head);
    this.#clear();
    for (const chunk of chunks) other.push(chunk);
  }

  /** Resolves when a read would not wait. */
  async ready(limit: Limit | null): Promise<void> {
    while (this.#bytes === 0 && !this.#end) await this.#news.wait(limit);
  }

  /** The next chunk, owned by the caller; null is the end. */
  async readChunk(limit: Limit | null = null): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#news.wait(limit);
    }
    return this.#shift();
  }

  /**
   * Copies what is there into the buffer, waiting for at least a byte; null is the end. What comes
   * while it waits goes into the buffer at once.
   */
  async read(into: Uint8Array, limit: Limit | null = null): Promise<number | null> {
    if (into.length === 0) return 0;
    if (this.#bytes === 0 && this.#end === null && this.#waiting === null) {
      const filled = await this.#await(into, limit);
      if (filled > 0) return filled;
    }
    while (this.#bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#news.wait(limit);
    }
    return this.#copy(into);
  }

  /**
   * Hands over what is there and what comes, at once and without a copy: it is borrowed until `take`
   * returns. Resolves at the end, and rejects with what `take` throws; the rest is thrown away then.
   *
   * @throws {TypeError} If somebody else takes it
   */
  async consume(take: (bytes: Uint8Array) => void, limit: Limit | null = null): Promise<void> {
    if (this.#taker !== null) throw new TypeError("The data is being consumed already");
    const taker: Taker = { take, failure: null };
    this.#taker = taker;
    const chunks = this.#chunks.slice(this.#head);
    this.#clear();
    try {
      for (const chunk of chunks) this.append(chunk, 0);
      while (this.#end === null) await this.#news.wait(limit);
    } finally {
      this.#taker = null;
    }
    if (taker.failure !== null) throw taker.failure.error;
    this.#finish();
  }

  /**
   * Copies what is there into the buffer; null is the end.
   *
   * @throws {Deno.errors.WouldBlock} If nothing is there yet
   */
  tryRead(into: Uint8Array): number | null {
    if (into.length === 0) return 0;
    if (this.#bytes > 0) return this.#copy(into);
    if (this.#end) return this.#finish();
    throw platformError("WouldBlock", "Nothing to read yet");
  }

  /** Hands borrowed data over. What goes wrong there is no affair of the connection's. */
  #give(data: Uint8Array): void {
    const taker = this.#taker!;
    try {
      taker.take(data);
    } catch (error) {
      taker.failure = { error };
      this.discard();
    }
    this.#consumed(data.length);
  }

  /** Memory for data and for what comes behind it. */
  #room(bytes: number, ahead: number): Uint8Array<ArrayBuffer> {
    // Room for more only behind bulk data: little that comes between is not worth it.
    if (bytes < BULK) return new Uint8Array(bytes);
    if (this.#copies && bytes <= CHUNK_BYTES) return this.#memory.take();
    return new Uint8Array(Math.min(bytes + ahead, Math.max(bytes, CHUNK_BYTES)));
  }

  /** Waits until something has come: into the buffer, or otherwise. */
  async #await(into: Uint8Array, limit: Limit | null): Promise<number> {
    const waiting = this.#waiting = { into, filled: 0 };
    try {
      while (waiting.filled === 0 && this.#bytes === 0 && this.#end === null) {
        await this.#news.wait(limit);
      }
    } finally {
      this.#waiting = null;
    }
    if (waiting.filled > 0) this.#consumed(waiting.filled);
    return waiting.filled;
  }

  /** Copies borrowed data to a read that waits; returns what it has no room for. */
  #hand(data: Uint8Array, waiting: { readonly into: Uint8Array; filled: number }): Uint8Array {
    // The room is asked for each time: a buffer that was transferred meanwhile has none.
    const n = Math.min(waiting.into.length - waiting.filled, data.length);
    if (n <= 0) return data;
    waiting.into.set(n === data.length ? data : data.subarray(0, n), waiting.filled);
    waiting.filled += n;
    this.#copies = true;
    this.#news.notify();
    return n === data.length ? EMPTY : data.subarray(n);
  }

  #copy(into: Uint8Array): number {
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
    this.#copies = true;
    this.#consumed(filled);
    return filled;
  }

  #shift(): Uint8Array<ArrayBuffer> {
    const chunk = this.#drop();
    this.#copies = false;
    this.#bytes -= chunk.length;
    this.#consumed(chunk.length);
    return chunk;
  }

  #clear(): void {
    this.#tail = EMPTY;
    this.#chunks = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** Takes the first chunk out; the array is shortened rarely, so that this costs nothing. */
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

  #finish(): null {
    const { cause } = this.#end!;
    if (cause !== null) throw cause();
    return null;
  }
}
