import type { SftpChannel } from "./channel.ts";

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
      this.#bytes += chunk.length;
    }
    if (release) this.#releases.push(release);
    if (this.#state === "idle") this.#flush();
  }

  /** Resolves when no more than `bytes` are queued, or writing has failed. */
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
      await this.#channel.writeAll(...chunks);
      this.#bytes -= bytes;
      for (const release of releases) release();
    } catch (cause) {
      this.#state = "failed";
      this.#chunks = [];
      this.#releases = [];
      this.#failed(cause);
    }
  }
}
