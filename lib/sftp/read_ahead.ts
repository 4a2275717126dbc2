import { blockDepth, blockLength } from "./blocks.ts";
import { cancellable } from "./cancel.ts";
import type { SftpOptions } from "./options.ts";
import type { RemoteFile } from "./remote_file.ts";
import { sftpError, SftpStatus } from "./status.ts";

/** Asked for behind the expected end: nothing will come, unless the file has grown. */
const PROBE_BYTES = 1024;

interface Block {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Behind the expected end: may be short or empty. */
  readonly probe: boolean;
  readonly filled: Promise<number>;
}

/** Reads a remote file in order, with many requests under way. */
export class ReadAhead {
  readonly #file: RemoteFile;
  readonly #expected: number;
  readonly #signal: AbortSignal | undefined;
  readonly #length: number;
  readonly #depth: number;
  readonly #free: Uint8Array[] = [];
  readonly #blocks: Block[] = [];
  #asked: number;
  #ended = false;

  /** Reads from `start`; `size` is the file's, 0 if that is not known. */
  constructor(
    file: RemoteFile,
    { start = 0, size, signal }: { start?: number; size: number } & SftpOptions,
  ) {
    this.#file = file;
    this.#asked = start;
    this.#expected = size;
    this.#signal = signal;
    this.#length = blockLength(file.readLength);
    this.#depth = blockDepth(this.#length);
  }

  /**
   * The next block, or null at the end.
   *
   * @throws {SftpError} If the file ends before its size
   */
  async next(): Promise<Uint8Array | null> {
    this.#signal?.throwIfAborted();
    if (this.#ended) return null;
    this.#ask();
    const { bytes, filled, probe, offset } = this.#blocks[0]!;
    const count = await cancellable(filled, { signal: this.#signal });
    this.#blocks.shift();
    if (count < bytes.length && !probe) this.#short(offset + count);
    if (probe) this.#asked = offset + count;
    if (count === 0) {
      this.#ended = true;
      return null;
    }
    this.#ask(); // before the caller is busy with this block
    return bytes.subarray(0, count);
  }

  /** Gives the memory of a block back, to be filled again. */
  release(block: Uint8Array): void {
    if (block.buffer.byteLength === this.#length) {
      this.#free.push(new Uint8Array(block.buffer as ArrayBuffer));
    }
  }

  #ask(): void {
    while (this.#asked < this.#expected && this.#blocks.length < this.#depth) {
      this.#block(Math.min(this.#length, this.#expected - this.#asked), false);
    }
    if (this.#asked >= this.#expected && !this.#blocks.at(-1)?.probe) {
      const grown = this.#asked > this.#expected || this.#expected === 0;
      this.#block(grown ? this.#file.readLength : PROBE_BYTES, true);
    }
  }

  #block(length: number, probe: boolean): void {
    const whole = length === this.#length ? this.#free.pop() : undefined;
    const bytes = whole ?? new Uint8Array(length);
    const offset = this.#asked;
    const filled = this.#fill(bytes, offset);
    filled.catch(() => {}); // heard of when its turn comes, if it comes
    this.#blocks.push({ offset, bytes, probe, filled });
    this.#asked += length;
  }

  /** All requests of one block at once. */
  async #fill(bytes: Uint8Array, offset: number): Promise<number> {
    const step = this.#file.readLength;
    const reads: Promise<number>[] = [];
    for (let at = 0; at < bytes.length; at += step) {
      reads.push(this.#read(bytes.subarray(at, at + step), offset + at));
    }
    return (await Promise.all(reads)).reduce((total, count) => total + count, 0);
  }

  /** A server may send less than was asked for: the gap is asked for again. */
  async #read(into: Uint8Array, offset: number): Promise<number> {
    let count = 0;
    while (count < into.length) {
      const more = await this.#file.read(into.subarray(count), offset + count);
      if (more === 0) break;
      count += more;
    }
    return count;
  }

  #short(at: number): never {
    const call = { operation: "read", path: this.#file.path };
    throw sftpError(SftpStatus.EOF, call, `it ends at ${at} of ${this.#expected} bytes`);
  }
}
