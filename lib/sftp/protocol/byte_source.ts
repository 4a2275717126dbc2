import { ProtocolError } from "../../errors.ts";
import { roomFor } from "../../runtime/read_buffer.ts";
import { peek32 } from "../../wire/hot.ts";
import type { SftpChannel } from "./channel.ts";

/** The first bytes to read into memory that is reused: few, for idle sessions. */
const FIRST_READ_BYTES = 4 * 1024;

/** Reads exact numbers of bytes from a channel whose chunks have any size, with at most one copy. */
export class ByteSource {
  readonly #channel: SftpChannel;
  readonly #reuses: boolean;
  /** The reused memory for reads. */
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  #readBytes: number = FIRST_READ_BYTES;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;

  /** With `reuses`, taken bytes are valid only until the next read, unless they are kept. */
  constructor(channel: SftpChannel, { reuses = false }: { reuses?: boolean } = {}) {
    this.#channel = channel;
    this.#reuses = reuses;
  }

  /** Prevents the memory of these bytes from being reused. */
  keep(bytes: Uint8Array): void {
    if (bytes.buffer === this.#buffer?.buffer) this.#buffer = null;
  }

  /** Bytes that have arrived and were not taken yet. */
  get arrived(): number {
    return this.#chunk.length - this.#offset;
  }

  /** Whether there is a byte to take: false at the end of the stream. */
  async more(): Promise<boolean> {
    while (this.#offset === this.#chunk.length) {
      const chunk = await this.#next();
      if (chunk === null) return false;
      this.#chunk = chunk;
      this.#offset = 0;
    }
    return true;
  }

  async #next(): Promise<Uint8Array | null> {
    if (!this.#reuses || !this.#channel.read) return await this.#channel.readChunk();
    const buffer = this.#buffer ??= new Uint8Array(this.#readBytes);
    const n = await this.#channel.read(buffer);
    if (n === null) return null;
    this.#buffer = roomFor(n, buffer);
    this.#readBytes = this.#buffer.length;
    return buffer.subarray(0, n);
  }

  /** The number in the next four bytes, which must have arrived and are not taken. */
  peek32(): number {
    return peek32(this.#chunk, this.#offset);
  }

  /** Takes the next `length` bytes as a view of the chunk; null if it does not contain all of them. */
  takeNow(length: number): Uint8Array | null {
    const end = this.#offset + length;
    if (end > this.#chunk.length) return null;
    const view = this.#chunk.subarray(this.#offset, end);
    this.#offset = end;
    return view;
  }

  /**
   * The next `length` bytes: a view on the chunk if it holds them all, otherwise copied to `scratch`, or
   * to new memory.
   *
   * @throws {ProtocolError} If the stream ends first
   */
  async take(length: number, scratch?: Uint8Array): Promise<Uint8Array> {
    const view = this.takeNow(length);
    if (view !== null) return view;
    const gathered = scratch?.subarray(0, length) ?? new Uint8Array(length);
    await this.each(length, (piece, at) => gathered.set(piece, at));
    return gathered;
  }

  /**
   * As many of the next `length` bytes as have arrived, at least one.
   *
   * @throws {ProtocolError} If the stream ends
   */
  async some(length: number): Promise<Uint8Array> {
    if (!await this.more()) throw new ProtocolError("The stream ends inside a message");
    const start = this.#offset;
    const piece = this.#chunk.subarray(start, start + length);
    this.#offset = start + piece.length;
    return piece;
  }

  /**
   * Hands over the next `length` bytes piece by piece, as they arrive.
   *
   * @throws {ProtocolError} If the stream ends first
   */
  async each(length: number, sink: (piece: Uint8Array, at: number) => void): Promise<void> {
    for (let at = 0; at < length;) {
      if (!await this.more()) throw new ProtocolError("The stream ends inside a message");
      const start = this.#offset;
      const piece = this.#chunk.subarray(start, start + length - at);
      this.#offset = start + piece.length;
      sink(piece, at);
      at += piece.length;
    }
  }
}
