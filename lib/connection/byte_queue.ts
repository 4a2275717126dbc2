import { concat } from "@std/bytes";
import { SshError } from "../errors.ts";
import { platformError } from "../runtime/errors.ts";
import { Condition, type Limit } from "../waiting.ts";
import { ChunkList } from "./chunk_list.ts";
import { ChunkMemory } from "./chunk_memory.ts";
import type { LazyError } from "./lazy_error.ts";

/** A waiting read, and the bytes that it has received. */
interface WaitingRead {
  readonly to: "reader";
  readonly into: Uint8Array;
  filled: number;
}

/** A callback that takes all data as it arrives, and the error that it threw. */
interface Consumer {
  readonly to: "consumer";
  readonly take: (bytes: Uint8Array) => void;
  failure: { readonly error: unknown } | null;
}

/** The destination of received bytes. While they go to a reader, the chunks are empty. */
type Delivery = { readonly to: "chunks" } | WaitingRead | Consumer | { readonly to: "nowhere" };

const TO_CHUNKS: Delivery = { to: "chunks" };
const TO_NOWHERE: Delivery = { to: "nowhere" };

/**
 * The received bytes of one stream of a channel, until they are read. It holds at most the receive
 * window, since credit is returned only through `consumed`.
 */
export class ByteQueue {
  readonly #consumed: (bytes: number) => void;
  readonly #chunks: ChunkList;
  readonly #news = new Condition();
  #delivery: Delivery = TO_CHUNKS;
  #end: { cause: LazyError | null } | null = null;

  /**
   * @param consumed Called with the number of bytes that have been read or discarded
   * @param memory Provides chunks for readers that copy
   */
  constructor(consumed: (bytes: number) => void, memory: ChunkMemory = new ChunkMemory()) {
    this.#consumed = consumed;
    this.#chunks = new ChunkList(memory);
  }

  /** Bytes that can be read without waiting. */
  get size(): number {
    return this.#chunks.bytes;
  }

  /** Whether incoming data is discarded. */
  get discarding(): boolean {
    return this.#delivery === TO_NOWHERE;
  }

  /** Adds an owned chunk, which is not empty. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    const rest = this.#deliver(chunk);
    if (rest === null) return;
    this.#chunks.push(rest);
    this.#news.notify();
  }

  /**
   * Adds borrowed data.
   *
   * @param ahead Bytes that have arrived after this data, of this channel or another
   */
  append(data: Uint8Array, ahead: number): void {
    if (data.length === 0) return;
    const rest = this.#deliver(data);
    if (rest === null) return;
    this.#chunks.append(rest, ahead);
    this.#news.notify();
  }

  /** Puts bytes before the existing ones; they count as unconsumed again. */
  unread(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.discarding || chunk.length === 0) return;
    if (this.#delivery.to === "reader") this.#delivery = TO_CHUNKS;
    this.#chunks.unshift(chunk);
    this.#consumed(-chunk.length);
    this.#news.notify();
  }

  /** Ends the stream; readers see the end, or the cause, after the remaining bytes. */
  end(cause: LazyError | null = null): void {
    if (this.#end) return;
    this.#end = { cause };
    this.#news.notify();
  }

  /** Discards present and future data, which counts as consumed. Readers see the end. */
  discard(): void {
    const { bytes } = this.#chunks;
    this.#delivery = TO_NOWHERE;
    this.#chunks.takeAll();
    this.end();
    this.#consumed(bytes);
  }

  /** Moves the content to the end of another queue. */
  moveTo(other: ByteQueue): void {
    for (const chunk of this.#chunks.takeAll()) other.push(chunk);
  }

  /** Resolves when a read would not wait. */
  async ready(limit: Limit | null): Promise<void> {
    while (this.size === 0 && !this.#end) await this.#news.wait(limit);
  }

  /** The next chunk, owned by the caller; null is the end. */
  async readChunk(limit: Limit | null = null): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#chunks.bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#news.wait(limit);
    }
    const chunk = this.#chunks.shift();
    this.#consumed(chunk.length);
    return chunk;
  }

  /**
   * Everything up to the end, owned by the caller.
   *
   * @throws {SshError} If that is more than `maxBytes`
   */
  async readAll(maxBytes: number, limit: Limit | null = null): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    for (let chunk; (chunk = await this.readChunk(limit)) !== null;) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        const message =
          `The output is longer than ${maxBytes} bytes: read it as it arrives, or raise ` +
          "maxOutput (maxBytes of readAll)";
        throw new SshError("command", message);
      }
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]! : concat(chunks);
  }

  /**
   * Copies available bytes into the buffer, waiting for at least one; null is the end. Data that
   * arrives during the wait is copied directly into the buffer.
   */
  async read(into: Uint8Array, limit: Limit | null = null): Promise<number | null> {
    if (into.length === 0) return 0;
    if (this.#chunks.bytes === 0 && this.#end === null && this.#delivery === TO_CHUNKS) {
      const filled = await this.#receiveInto(into, limit);
      if (filled > 0) return filled;
    }
    while (this.#chunks.bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#news.wait(limit);
    }
    return this.#copyTo(into);
  }

  /**
   * Passes present and future data to `take`, immediately and without a copy: it is borrowed until
   * `take` returns, or sends anything. Resolves at the end, and rejects with the error of `take`; the
   * rest is discarded then.
   *
   * @throws {TypeError} If it is being consumed already
   */
  async consume(take: (bytes: Uint8Array) => void, limit: Limit | null = null): Promise<void> {
    if (this.#delivery.to === "consumer") throw new TypeError("The data is being consumed already");
    const consumer: Consumer = { to: "consumer", take, failure: null };
    const chunks = this.#chunks.takeAll();
    if (!this.discarding) this.#delivery = consumer;
    try {
      for (const chunk of chunks) this.#deliver(chunk);
      while (this.#end === null) await this.#news.wait(limit);
    } finally {
      if (this.#delivery === consumer) this.#delivery = TO_CHUNKS;
    }
    if (consumer.failure !== null) throw consumer.failure.error;
    this.#finish();
  }

  /**
   * Copies available bytes into the buffer; null is the end.
   *
   * @throws {Deno.errors.WouldBlock} If no byte is available
   */
  tryRead(into: Uint8Array): number | null {
    if (into.length === 0) return 0;
    if (this.size > 0) return this.#copyTo(into);
    if (this.#end) return this.#finish();
    throw platformError("WouldBlock", "Nothing to read yet");
  }

  /** Gives data to the current reader or consumer; returns the rest, to be kept in chunks. */
  #deliver<B extends ArrayBufferLike>(data: Uint8Array<B>): Uint8Array<B> | null {
    const delivery = this.#delivery;
    if (delivery === TO_CHUNKS) return data;
    if (delivery.to === "reader") return this.#fill(delivery, data);
    // Allocate before the call: a consumer that sends data may grow the WebAssembly memory, which detaches
    // `data`.
    const { length } = data;
    if (delivery.to === "consumer") this.#handOver(delivery, data);
    this.#consumed(length);
    return null;
  }

  /** Copies data to a waiting read; returns the rest. */
  #fill<B extends ArrayBufferLike>(reader: WaitingRead, data: Uint8Array<B>): Uint8Array<B> | null {
    // The room is computed each time, because a buffer transferred in the meantime has none.
    const n = Math.max(0, Math.min(reader.into.length - reader.filled, data.length));
    if (n > 0) {
      reader.into.set(n === data.length ? data : data.subarray(0, n), reader.filled);
      reader.filled += n;
      this.#chunks.copiedOut = true;
      this.#news.notify();
    }
    return n === data.length ? null : data.subarray(n);
  }

  /** Calls the consumer. Its errors do not affect the connection. */
  #handOver(consumer: Consumer, data: Uint8Array): void {
    try {
      consumer.take(data);
    } catch (error) {
      consumer.failure = { error };
      this.discard();
    }
  }

  /** Waits for data in the buffer or in chunks; returns the number of bytes in the buffer. */
  async #receiveInto(into: Uint8Array, limit: Limit | null): Promise<number> {
    const reader: WaitingRead = { to: "reader", into, filled: 0 };
    this.#delivery = reader;
    try {
      while (reader.filled === 0 && this.#chunks.bytes === 0 && this.#end === null) {
        await this.#news.wait(limit);
      }
    } finally {
      if (this.#delivery === reader) this.#delivery = TO_CHUNKS;
    }
    this.#consumed(reader.filled);
    return reader.filled;
  }

  #copyTo(into: Uint8Array): number {
    const filled = this.#chunks.copyTo(into);
    this.#consumed(filled);
    return filled;
  }

  #finish(): null {
    const { cause } = this.#end!;
    if (cause !== null) throw cause();
    return null;
  }
}
