import { SftpError } from "../../errors.ts";
import { RequestPacing } from "./pacing.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { RemoteFile } from "./remote_file.ts";
import { SftpStatus } from "../protocol/status.ts";

/** A length of requests that every server accepts. */
const CAREFUL_BYTES = 32 * 1024;

/** The preferred bytes of a block, which stays in the processor's cache while it is read and sent. */
const UNIT_BYTES = 256 * 1024;

/** The most requests in flight, however short: 32 MiB of the usual length. */
const MAX_SENT = 1024;

/** A WRITE in flight. */
interface Sent {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly written: Promise<void>;
  /** Called when the request is answered, if it is the last of its block. */
  readonly release: (() => void) | null;
}

/** Where to write, and the limits. */
export interface WriteBehindOptions extends SftpOptions {
  /** The first byte; 0 unless given. */
  readonly start?: number;
  /** The most bytes in flight. */
  readonly inFlight?: number;
}

/** Writes a remote file in order, with many requests in flight. */
export class WriteBehind {
  readonly #file: RemoteFile;
  readonly #limits: SftpOptions;
  readonly #pacing: RequestPacing;
  #sent: Sent[] = [];
  #bytes = 0;
  /** Requests that the channel has not sent yet. */
  #waiting = 0;
  #refused = false;
  #news: PromiseWithResolvers<void> | null = null;
  #offset: number;
  #state: "many" | "one" = "many";

  constructor(file: RemoteFile, { start = 0, inFlight, signal, timeout }: WriteBehindOptions = {}) {
    this.#file = file;
    this.#limits = { signal, timeout };
    this.#offset = start;
    this.#pacing = new RequestPacing(file.writeLength, file.pathEstimates.write, inFlight);
  }

  /** The offset of the next block. */
  get offset(): number {
    return this.#offset;
  }

  /** How far before the last byte written a byte may be missing. */
  get window(): number {
    return this.#pacing.window;
  }

  /** Whether the server accepts one request at a time only. */
  get careful(): boolean {
    return this.#state === "one";
  }

  /** Bytes of a block that fills its requests. */
  get unit(): number {
    const { request, block } = this.#pacing;
    return Math.min(Math.max(Math.floor(UNIT_BYTES / request), 1) * request, block);
  }

  /** Leaves a hole. */
  skip(bytes: number): void {
    this.#offset += bytes;
  }

  /**
   * Sends a block and waits until the channel has taken it, or longer while too much is in flight. The block
   * must not change before `release` is called.
   *
   * @throws {SftpError} If this or an earlier write was refused
   */
  async write(block: Uint8Array, release: () => void): Promise<void> {
    this.#limits.signal?.throwIfAborted();
    for (let at = 0; at < block.length;) {
      const length = this.#state === "one" ? CAREFUL_BYTES : this.#pacing.request;
      const bytes = block.subarray(at, at + length);
      at += bytes.length;
      this.#send(bytes, at < block.length ? null : release);
      const most = this.#state === "one" ? 0 : this.#pacing.depth * this.#pacing.block;
      while (this.#bytes > most || this.#sent.length > MAX_SENT) await this.#oldest();
    }
    // Reading the next block now would displace this one from the processor's cache before it is encrypted.
    while (this.#waiting > 0 && !this.#refused) {
      this.#news = Promise.withResolvers();
      await this.#news.promise;
    }
  }

  /** Waits for all answers. */
  async finish(): Promise<void> {
    while (this.#sent.length > 0) await this.#oldest();
  }

  #send(bytes: Uint8Array, release: (() => void) | null): void {
    const offset = this.#offset;
    this.#waiting++;
    const written = this.#file.writePiece(bytes, offset, this.#limits, () => {
      if (--this.#waiting === 0) this.#news?.resolve();
    });
    written.catch(() => { // reported when the request is the oldest
      this.#refused = true;
      this.#news?.resolve();
    });
    this.#sent.push({ bytes, offset, written, release });
    this.#offset += bytes.length;
    this.#bytes += bytes.length;
  }

  async #oldest(): Promise<void> {
    const { bytes, written, release } = this.#sent[0]!;
    try {
      await written;
    } catch (cause) {
      return await this.#again(cause);
    }
    this.#sent.shift();
    this.#bytes -= bytes.length;
    this.#pacing.passed(bytes.length);
    release?.();
  }

  /** Some servers accept one request at a time, or short ones: writes the rest again that way. */
  async #again(cause: unknown): Promise<void> {
    if (this.#state === "one" || !(cause instanceof SftpError)) throw cause;
    if (cause.status !== SftpStatus.FAILURE && cause.status !== SftpStatus.BAD_MESSAGE) throw cause;
    this.#state = "one";
    await Promise.allSettled(this.#sent.map(({ written }) => written));
    for (const { bytes, offset, release } of this.#sent) {
      for (let at = 0; at < bytes.length; at += CAREFUL_BYTES) {
        const piece = bytes.subarray(at, at + CAREFUL_BYTES);
        await this.#file.writePiece(piece, offset + at, this.#limits);
      }
      release?.();
    }
    this.#sent = [];
    this.#bytes = 0;
  }
}
