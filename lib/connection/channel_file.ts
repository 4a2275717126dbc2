import { concat } from "@std/bytes";
import { ClosedError, SshError } from "../errors.ts";
import type { CallOptions } from "../waiting.ts";

/** Options of a {@linkcode ChannelFile}. */
export interface ChannelFileOptions {
  /** `"r"` reads (the default), `"w"` and `"a"` write, `"r+"` does both. */
  readonly mode?: "r" | "w" | "a" | "r+";
  /** Bytes to buffer: 0 writes immediately, 1 writes whole lines; 8192 by default. */
  readonly bufferSize?: number;
  /**
   * Which stream: `"stdout"` is the channel's own two directions. `"stderr"` is read by a client and
   * written by a server; `"stdin"` is the reverse, and closing it sends EOF.
   */
  readonly stream?: "stdout" | "stderr" | "stdin";
}

/** The ends of a channel that a file is opened on. */
export interface ChannelFileEnds {
  read(into: Uint8Array, options?: CallOptions): Promise<number | null>;
  write(data: Uint8Array, options?: CallOptions): Promise<void>;
  /** Called at closing, after flushing. */
  close(): Promise<void>;
}

const BUFFER_BYTES = 8192;
/** The longest line, because a peer that never ends a line must not fill the memory. */
const MAX_LINE = 1024 * 1024;
const LF = 10;
const CR = 13;

/**
 * A buffered file on a stream of a channel, with lines. Closing it flushes, but leaves the channel open.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: async ({ channel }) => {
 *     await using input = channel.file({ stream: "stdin" });
 *     await using output = channel.file({ mode: "w" });
 *     for await (const line of input.lines()) {
 *       await output.write(line.toUpperCase() + "\n");
 *     }
 *   },
 * });
 * await using channel = await pair.host.openSession();
 * await channel.shell();
 * const stdin = channel.file({ stream: "stdin", mode: "w" });
 * await stdin.write("first\nsecond\n");
 * await stdin.close();
 * assertEquals(await Array.fromAsync(channel.lines()), ["FIRST", "SECOND"]);
 * ```
 */
export class ChannelFile implements AsyncDisposable {
  readonly #ends: ChannelFileEnds;
  readonly #mode: "r" | "w" | "a" | "r+";
  readonly #bufferSize: number;
  #read: Uint8Array = new Uint8Array(0);
  #from = 0;
  #to = 0;
  #written: Uint8Array[] = [];
  #writtenBytes = 0;
  #closed = false;

  /**
   * Files are opened with `channel.file()`, not constructed.
   *
   * @ignore
   */
  constructor(ends: ChannelFileEnds, options: ChannelFileOptions = {}) {
    const { mode = "r", bufferSize = BUFFER_BYTES } = options;
    if (!Number.isSafeInteger(bufferSize) || bufferSize < 0) {
      throw new RangeError(`Buffer size must be a whole number of bytes, not ${bufferSize}`);
    }
    this.#ends = ends;
    this.#mode = mode;
    this.#bufferSize = bufferSize;
  }

  /** Whether the file has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Reads available bytes, waiting for at least one.
   *
   * @returns The number of bytes, or null at the end
   */
  async read(into: Uint8Array, options?: CallOptions): Promise<number | null> {
    this.#reading();
    if (this.#from === this.#to) return await this.#ends.read(into, options);
    const n = Math.min(into.length, this.#to - this.#from);
    into.set(this.#read.subarray(this.#from, this.#from + n));
    this.#from += n;
    return n;
  }

  /**
   * Reads a line.
   *
   * @returns The line as text without its end (LF or CR LF), or null at the end
   * @throws {SshError} If the line is longer than 1 MiB
   */
  async readLine(options?: CallOptions): Promise<string | null> {
    this.#reading();
    for (let searched = 0;;) {
      const at = this.#read.subarray(this.#from, this.#to).indexOf(LF, searched);
      if (at >= 0) return this.#takeLine(at, at + 1);
      searched = this.#to - this.#from;
      if (searched > MAX_LINE) throw new SshError("command", `A line of over ${MAX_LINE} bytes`);
      if (await this.#fill(options)) continue;
      return searched === 0 ? null : this.#takeLine(searched, searched);
    }
  }

  /** The lines up to the end. */
  async *lines(options?: CallOptions): AsyncIterableIterator<string> {
    for (let line; (line = await this.readLine(options)) !== null;) yield line;
  }

  /**
   * Writes all of the text or bytes to the buffer.
   *
   * @throws {ClosedError} If the file or the channel is closed for writing
   */
  async write(data: Uint8Array | string, options?: CallOptions): Promise<void> {
    this.#writing();
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (this.#bufferSize === 0) return await this.#ends.write(bytes, options);
    // Copied, because the caller may reuse the buffer.
    this.#written.push(bytes.slice());
    this.#writtenBytes += bytes.length;
    const due = this.#bufferSize === 1
      ? bytes.includes(LF)
      : this.#writtenBytes >= this.#bufferSize;
    if (due) await this.flush(options);
  }

  /** Sends buffered data. */
  async flush(options?: CallOptions): Promise<void> {
    if (this.#writtenBytes === 0) return;
    const bytes = concat(this.#written);
    this.#written = [];
    this.#writtenBytes = 0;
    await this.#ends.write(bytes, options);
  }

  /** Flushes; on `"stdin"`, EOF follows. The channel stays open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    if (this.#mode !== "r") await this.#ends.close();
  }

  /** Flushes and closes the file. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Reads more data after the buffered data; false at the end. */
  async #fill(options: CallOptions | undefined): Promise<boolean> {
    const kept = this.#to - this.#from;
    if (this.#to === this.#read.length) {
      // Double the buffer, so that a long line is not copied repeatedly.
      const roomier = new Uint8Array(Math.max(this.#bufferSize, BUFFER_BYTES, 2 * kept));
      roomier.set(this.#read.subarray(this.#from, this.#to));
      this.#read = roomier;
      this.#from = 0;
      this.#to = kept;
    }
    const n = await this.#ends.read(this.#read.subarray(this.#to), options);
    this.#to += n ?? 0;
    return n !== null;
  }

  #takeLine(length: number, next: number): string {
    const bytes = this.#read.subarray(this.#from, this.#from + length);
    this.#from += next;
    if (next === length || bytes.at(-1) !== CR) return new TextDecoder().decode(bytes);
    return new TextDecoder().decode(bytes.subarray(0, -1));
  }

  #reading(): void {
    if (this.#closed) throw new ClosedError("The file is closed");
    if (this.#mode === "w" || this.#mode === "a") {
      throw new TypeError("The file is not open for reading");
    }
  }

  #writing(): void {
    if (this.#closed) throw new ClosedError("The file is closed");
    if (this.#mode === "r") throw new TypeError("The file is not open for writing");
  }
}
