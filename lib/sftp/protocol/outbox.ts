import type { SftpChannel } from "./channel.ts";

/**
 * Chunks of up to this many bytes are joined with their neighbours. Otherwise each would be a packet, and
 * an object that survives the first garbage collections.
 */
const SMALL_BYTES = 1024;

/** The most bytes of joined chunks, about one packet. */
const JOINED_BYTES = 32 * 1024;

/** The memory that a chunk takes besides its bytes, unless it is joined. */
const CHUNK_BYTES = 256;

/** Queues outgoing messages; those pushed together, or during a write, leave in one write. */
export class Outbox {
  readonly #channel: SftpChannel;
  readonly #failed: (cause: unknown) => void;
  #state: "idle" | "flushing" | "failed" | "dropped" = "idle";
  #chunks: Uint8Array[] = [];
  /** The last chunk, if small chunks are joined in it; they are at its beginning. */
  #joined: Uint8Array | null = null;
  #joinedBytes = 0;
  #releases: (() => void)[] = [];
  #bytes = 0;
  #batch: Promise<void> = Promise.resolve();
  #hold: {
    readonly over: PromiseWithResolvers<void>;
    readonly timer: ReturnType<typeof setTimeout>;
  } | null = null;

  /** `failed` is called when a write fails; nothing is sent afterwards. */
  constructor(channel: SftpChannel, failed: (cause: unknown) => void) {
    this.#channel = channel;
    this.#failed = failed;
  }

  /** Queues chunks, which must stay as they are until `release` is called. */
  push(chunks: readonly Uint8Array[], release?: () => void): void {
    if (this.#state === "dropped") return release?.();
    if (release) this.#releases.push(release);
    if (this.#state === "failed") return;
    for (const chunk of chunks) this.#add(chunk);
    if (this.isLong) this.release();
    if (this.#state === "idle") this.#flush();
  }

  /** Delays writes for a millisecond, or until enough is queued or `release`, so that messages leave together. */
  hold(): void {
    this.#hold ??= {
      over: Promise.withResolvers(),
      timer: setTimeout(() => this.release()),
    };
  }

  /** Ends the delay. */
  release(): void {
    if (this.#hold === null) return;
    clearTimeout(this.#hold.timer);
    this.#hold.over.resolve();
    this.#hold = null;
  }

  /** Whether enough is queued for a write. */
  get isLong(): boolean {
    return this.#bytes >= JOINED_BYTES;
  }

  /** Resolves when at most `bytes` are queued, counting the overhead of chunks, or when writing has failed. */
  async below(bytes: number): Promise<void> {
    if (this.#bytes > bytes) this.release();
    while (this.#bytes > bytes && this.#state === "flushing") await this.#batch;
  }

  #add(chunk: Uint8Array): void {
    const isSmall = chunk.length <= SMALL_BYTES;
    if (isSmall && this.#joined !== null && this.#joinedBytes + chunk.length <= JOINED_BYTES) {
      this.#join(chunk);
      this.#bytes += chunk.length;
      return;
    }
    this.#endJoined();
    this.#chunks.push(chunk);
    this.#bytes += chunk.length + CHUNK_BYTES;
    if (isSmall) [this.#joined, this.#joinedBytes] = [chunk, chunk.length];
  }

  /** Appends a copy of a chunk to the joined ones. */
  #join(chunk: Uint8Array): void {
    const bytes = this.#joinedBytes + chunk.length;
    if (bytes > this.#joined!.length) { // for example the first one, which belongs to the caller
      const longer = new Uint8Array(Math.min(Math.max(4 * bytes, SMALL_BYTES), JOINED_BYTES));
      longer.set(this.#joined!.subarray(0, this.#joinedBytes));
      this.#joined = longer;
    }
    this.#joined!.set(chunk, this.#joinedBytes);
    this.#joinedBytes = bytes;
  }

  /** Stops joining chunks to the last one. */
  #endJoined(): void {
    if (this.#joined === null) return;
    this.#chunks[this.#chunks.length - 1] = this.#joined.subarray(0, this.#joinedBytes);
    this.#joined = null;
  }

  async #flush(): Promise<void> {
    this.#state = "flushing";
    await this.#batch; // even if it has ended, so that a burst of pushes becomes one write
    while (this.#chunks.length > 0) {
      while (this.#hold !== null) await this.#hold.over.promise;
      this.#batch = this.#write();
      await this.#batch;
    }
    if (this.#state === "flushing") this.#state = "idle";
  }

  async #write(): Promise<void> {
    this.#endJoined();
    const chunks = this.#chunks;
    const releases = this.#releases;
    const bytes = this.#bytes;
    this.#chunks = [];
    this.#releases = [];
    try {
      await this.#channel.writeAll(...chunks);
      this.#bytes -= bytes;
      for (const release of releases) release();
    } catch (cause) {
      this.#releases.unshift(...releases);
      if (this.#state === "dropped") return this.drop();
      this.#state = "failed";
      this.#chunks = [];
      this.#joined = null;
      this.#failed(cause);
    }
  }

  /** Drops the queue and releases its chunks. */
  drop(): void {
    this.#state = "dropped";
    this.#chunks = [];
    this.#joined = null;
    for (const release of this.#releases.splice(0)) release();
  }
}
