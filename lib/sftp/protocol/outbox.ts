import { concat } from "@std/bytes";
import type { SftpChannel } from "./channel.ts";

/** Chunks of up to this many bytes are joined with their neighbours: each would be a packet. */
const SMALL_BYTES = 1024;

/** Up to this many bytes they are joined, which is about a packet. */
const JOINED_BYTES = 32 * 1024;

/** What a chunk takes besides its bytes, so that many small ones count as what they cost. */
const CHUNK_BYTES = 256;

/** Queues outgoing messages; those pushed together, or during a write, leave in one write. */
export class Outbox {
  readonly #channel: SftpChannel;
  readonly #failed: (cause: unknown) => void;
  #state: "idle" | "flushing" | "failed" = "idle";
  #chunks: Uint8Array[] = [];
  #releases: (() => void)[] = [];
  #bytes = 0;
  #batch: Promise<void> = Promise.resolve();

  /** `failed` is called when a write fails; nothing is sent afterwards. */
  constructor(channel: SftpChannel, failed: (cause: unknown) => void) {
    this.#channel = channel;
    this.#failed = failed;
  }

  /** Queues chunks, which must stay as they are until `release` is called. */
  push(chunks: readonly Uint8Array[], release?: () => void): void {
    if (this.#state === "failed") return;
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length + CHUNK_BYTES;
    }
    if (release) this.#releases.push(release);
    if (this.#state === "idle") this.#flush();
  }

  /** Resolves when no more than `bytes` are queued, what chunks cost included, or writing has failed. */
  async below(bytes: number): Promise<void> {
    while (this.#bytes > bytes && this.#state === "flushing") await this.#batch;
  }

  async #flush(): Promise<void> {
    this.#state = "flushing";
    await this.#batch; // also if it has ended, so that a burst of pushes becomes one write
    while (this.#chunks.length > 0) {
      this.#batch = this.#write();
      await this.#batch;
    }
    if (this.#state === "flushing") this.#state = "idle";
  }

  async #write(): Promise<void> {
    const chunks = this.#chunks;
    const releases = this.#releases;
    const bytes = this.#bytes;
    this.#chunks = [];
    this.#releases = [];
    try {
      await this.#channel.writeAll(...joined(chunks));
      this.#bytes -= bytes;
      for (const release of releases) release();
    } catch (cause) {
      this.#state = "failed";
      this.#chunks = [];
      this.#failed(cause);
    }
  }
}

/** The chunks, small ones that follow each other as one. */
function joined(chunks: readonly Uint8Array[]): Uint8Array[] {
  if (chunks.length < 2) return [...chunks];
  const list: Uint8Array[] = [];
  for (let at = 0; at < chunks.length;) {
    const from = at;
    for (let bytes = 0; at < chunks.length && chunks[at]!.length <= SMALL_BYTES; at++) {
      bytes += chunks[at]!.length;
      if (bytes > JOINED_BYTES) break;
    }
    if (at - from > 1) list.push(concat(chunks.slice(from, at)));
    else {
      list.push(chunks[from]!);
      at = from + 1;
    }
  }
  return list;
}
