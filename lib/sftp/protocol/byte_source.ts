import { ProtocolError } from "../../errors.ts";
import { peek32 } from "../../wire/hot.ts";
import type { SftpChannel } from "./channel.ts";

/** Reads exact numbers of bytes from a channel whose chunks have any size, with at most one copy. */
export class ByteSource {
  readonly #channel: SftpChannel;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(channel: SftpChannel) {
    this.#channel = channel;
  }

  /** Bytes that have arrived and were not taken yet. */
  get arrived(): number {
    return this.#chunk.length - this.#offset;
  }

  /** Whether there is a byte to take: false at the end of the stream. */
  async more(): Promise<boolean> {
    while (this.#offset === this.#chunk.length) {
      const chunk = await this.#channel.readChunk();
      if (chunk === null) return false;
      this.#chunk = chunk;
      this.#offset = 0;
    }
    return true;
  }

  /** The number in the next four bytes, which stay to be taken; they have arrived. */
  peek32(): number {
    return peek32(this.#chunk, this.#offset);
  }

  /** Takes the next `length` bytes as a view on the chunk; null if it does not hold them all. */
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
