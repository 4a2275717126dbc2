import { concat } from "@std/bytes";
import { SshError } from "../errors.ts";
import { platformError } from "../runtime/errors.ts";
import { Condition, type Limit } from "../waiting.ts";
import { ChunkList } from "./chunk_list.ts";
import { ChunkMemory } from "./chunk_memory.ts";
import type { LazyError } from "./lazy_error.ts";

/** A read that waits, and how much it has got. */
interface WaitingRead {
  readonly to: "reader";
  readonly into: Uint8Array;
  filled: number;
}

/** A callback that takes everything as it comes, and what it threw. */
interface Consumer {
  readonly to: "consumer";
  readonly take: (bytes: Uint8Array) => void;
  failure: { readonly error: unknown } | null;
}

/** Where received bytes go. While they go to a reader, there are none in chunks. */
type Delivery = { readonly to: "chunks" } | WaitingRead | Consumer | { readonly to: "nowhere" };

const TO_CHUNKS: Delivery = { to: "chunks" };
const TO_NOWHERE: Delivery = { to: "nowhere" };

/**
 * The received bytes of one stream of a channel, until they are read. It holds no more than the receive
 * window, since credit goes back only through `consumed`.
 */
export class ByteQueue {
  readonly #consumed: (bytes: number) => void;
  readonly #chunks: ChunkList;
  readonly #news = new Condition();
  #delivery: Delivery = TO_CHUNKS;
  #end: { cause: LazyError | null } | null = null;

  /**
   * @param consumed Told of bytes that have been read or discarded
   * @param memory Where chunks for readers that copy come from
   */
  constructor(consumed: (bytes: number) => void, memory: ChunkMemory = new ChunkMemory()) {
    this.#consumed = consumed;
    this.#chunks = new ChunkList(memory);
  }

  /** Bytes that can be read at once. */
  get size(): number {
    return this.#chunks.bytes;
  }

  /** Whether what comes is thrown away. */
  get discarding(): boolean {
    return this.#delivery === TO_NOWHERE;
  }

  /** Adds an owned chunk. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (chunk.length === 0) return;
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

  /** Puts bytes before those that are there; they count as not consumed again. */
  unread(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.discarding || chunk.length === 0) return;
    if (this.#delivery.to === "reader") this.#delivery = TO_CHUNKS;
    this.#chunks.unshift(chunk);
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
    const { bytes } = this.#chunks;
    this.#delivery = TO_NOWHERE;
    this.#chunks.takeAll();
    this.end();
    if (bytes > 0) this.#consumed(bytes);
  }

  /** Moves what is there to the end of another queue. */
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
      if (bytes > maxBytes) throw new SshError("command", `More than ${maxBytes} bytes of output`);
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]! : concat(chunks);
  }

  /**
   * Copies what is there into the buffer, waiting for at least a byte; null is the end. What comes while
   * it waits goes into the buffer at once.
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
   * Hands over what is there and what comes, at once and without a copy: it is borrowed until `take`
   * returns, or sends anything. Resolves at the end, and rejects with what `take` throws; the rest is
   * thrown away then.
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
   * Copies what is there into the buffer; null is the end.
   *
   * @throws {Deno.errors.WouldBlock} If nothing is there yet
   */
  tryRead(into: Uint8Array): number | null {
    if (into.length === 0) return 0;
    if (this.size > 0) return this.#copyTo(into);
    if (this.#end) return this.#finish();
    throw platformError("WouldBlock", "Nothing to read yet");
  }

  /** Gives data to whatever takes it now; returns what is to be kept in chunks, if there is any. */
  #deliver<B extends ArrayBufferLike>(data: Uint8Array<B>): Uint8Array<B> | null {
    const delivery = this.#delivery;
    if (delivery === TO_CHUNKS) return data;
    if (delivery.to === "reader") return this.#fill(delivery, data);
    // Asked for before: what a consumer sends may grow the memory that the data is in, and then it is gone.
    const { length } = data;
    if (delivery.to === "consumer") this.#handOver(delivery, data);
    this.#consumed(length);
    return null;
  }

  /** Copies data to a read that waits; returns what it has no room for. */
  #fill<B extends ArrayBufferLike>(reader: WaitingRead, data: Uint8Array<B>): Uint8Array<B> | null {
    // The room is asked for each time: a buffer that was transferred meanwhile has none.
    const n = Math.max(0, Math.min(reader.into.length - reader.filled, data.length));
    if (n > 0) {
      reader.into.set(n === data.length ? data : data.subarray(0, n), reader.filled);
      reader.filled += n;
      this.#chunks.copiedOut = true;
      this.#news.notify();
    }
    if (n === data.length) return null;
    this.#delivery = TO_CHUNKS;
    return data.subarray(n);
  }

  /** Calls the consumer. What it throws does not concern the connection. */
  #handOver(consumer: Consumer, data: Uint8Array): void {
    try {
      consumer.take(data);
    } catch (error) {
      consumer.failure = { error };
      this.discard();
    }
  }

  /** Waits until something has come, into the buffer or into chunks; returns how much is in the buffer. */
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
    if (reader.filled > 0) this.#consumed(reader.filled);
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
