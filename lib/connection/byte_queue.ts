/**
 * The received bytes of one stream of a channel, until somebody reads them. It holds no more than
 * the receive window, since credit goes back only through `consumed`.
 */
export class ByteQueue {
  readonly #consumed: (bytes: number) => void;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #head = 0;
  #bytes = 0;
  #waiting: PromiseWithResolvers<void> | null = null;
  #end: { error: unknown } | null = null;
  #discarding = false;

  /** @param consumed Told of bytes that have been read or discarded */
  constructor(consumed: (bytes: number) => void) {
    this.#consumed = consumed;
  }

  /** Bytes that can be read at once. */
  get size(): number {
    return this.#bytes;
  }

  /** Whether the end is known and everything before it has been read. */
  get ended(): boolean {
    return this.#end !== null && this.#bytes === 0;
  }

  /** Adds an owned chunk. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (chunk.length === 0) return;
    if (this.#discarding) return this.#consumed(chunk.length);
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake();
  }

  /** No more will come: the end of the stream, or an error once the rest has been read. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.#wake();
  }

  /** Throws away what is there and what comes; it counts as consumed. */
  discard(): void {
    this.#discarding = true;
    const bytes = this.#bytes;
    this.#chunks = [];
    this.#head = 0;
    this.#bytes = 0;
    if (bytes > 0) this.#consumed(bytes);
  }

  /** The next chunk, owned by the caller; null is the end. */
  async readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#wait();
    }
    return this.#shift();
  }

  /** Copies what is there into the buffer, waiting for at least a byte; null is the end. */
  async read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return 0;
    while (this.#bytes === 0) {
      if (this.#end) return this.#finish();
      await this.#wait();
    }
    let filled = 0;
    while (filled < into.length && this.#bytes > 0) {
      const chunk = this.#chunks[this.#head]!;
      const n = Math.min(chunk.length, into.length - filled);
      into.set(n === chunk.length ? chunk : chunk.subarray(0, n), filled);
      filled += n;
      if (n === chunk.length) this.#drop();
      else this.#chunks[this.#head] = chunk.subarray(n);
      this.#bytes -= n;
    }
    this.#consumed(filled);
    return filled;
  }

  #shift(): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunks[this.#head]!;
    this.#drop();
    this.#bytes -= chunk.length;
    this.#consumed(chunk.length);
    return chunk;
  }

  /** Forgets the first chunk; the array is shortened rarely, so that this costs nothing. */
  #drop(): void {
    this.#chunks[this.#head++] = EMPTY;
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head >= 64) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }

  #finish(): null {
    if (this.#end!.error !== undefined) throw this.#end!.error;
    return null;
  }

  #wait(): Promise<void> {
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }
}

const EMPTY = new Uint8Array(0);
