/**
 * Unencrypted packets of a control master's socket in proxy mode (OpenSSH PROTOCOL.mux §9): the length, a
 * padding length of 0, the message.
 *
 * @module
 */

import { MAX_PACKET_LENGTH } from "../defaults.ts";
import { ProtocolError } from "../errors.ts";
import { peek32 } from "../wire/hot.ts";

/** The length and the padding length. */
const HEADER_BYTES = 5;
const FIRST_BYTES = 64 * 1024;

/** Frames messages and keeps them until they are taken. */
export class PlainSealer implements Disposable {
  readonly #bytes = new Backlog();

  /** Bytes that have not been taken. */
  get pending(): number {
    return this.#bytes.length;
  }

  /** A borrowed view to write `length` bytes of a message to; valid until the next call. */
  room(length: number): Uint8Array {
    return this.#bytes.room(HEADER_BYTES + length).subarray(HEADER_BYTES);
  }

  /** Frames the `length` bytes that were written to {@linkcode room}. */
  seal(length: number): void {
    const header = this.#bytes.room(HEADER_BYTES + length);
    const view = new DataView(header.buffer, header.byteOffset);
    view.setUint32(0, length + 1);
    view.setUint8(4, 0);
    this.#bytes.filled(header.length);
  }

  /** Copies a message in and frames it. */
  sealPayload(payload: Uint8Array): void {
    this.room(payload.length).set(payload);
    this.seal(payload.length);
  }

  /** Moves framed bytes out, as many as fit; returns how many. */
  take(into: Uint8Array): number {
    const bytes = this.#bytes.take(Math.min(this.pending, into.length));
    into.set(bytes);
    return bytes.length;
  }

  /** Drops all framed bytes. */
  [Symbol.dispose](): void {
    this.#bytes.drop();
  }
}

/** Takes bytes from the socket and finds the messages in them. */
export class PlainOpener {
  readonly #bytes = new Backlog();

  /** Bytes that were pushed and not yet returned by {@linkcode next}. */
  get buffered(): number {
    return this.#bytes.length;
  }

  /** Copies bytes from the socket in. */
  push(bytes: Uint8Array): void {
    this.#bytes.room(bytes.length).set(bytes);
    this.#bytes.filled(bytes.length);
  }

  /**
   * The next message, borrowed until the next {@linkcode push}; null if more bytes are needed.
   *
   * @throws {ProtocolError} If the next packet is not well formed
   */
  next(): Uint8Array | null {
    if (this.buffered < HEADER_BYTES) return null;
    const header = this.#bytes.peek(HEADER_BYTES);
    const length = peek32(header, 0);
    if (length < 2 || length > MAX_PACKET_LENGTH) {
      throw new ProtocolError("Bad packet: packet_length is out of range");
    }
    if (header[4] !== 0) throw new ProtocolError("Bad packet: it has padding");
    if (this.buffered < 4 + length) return null;
    return this.#bytes.take(4 + length).subarray(HEADER_BYTES);
  }
}

/** A queue of bytes. */
class Backlog {
  #buffer = new Uint8Array(FIRST_BYTES);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** A view to write to, after which {@linkcode filled} is called. */
  room(length: number): Uint8Array {
    if (this.#end + length > this.#buffer.length) this.#reserve(length);
    return this.#buffer.subarray(this.#end, this.#end + length);
  }

  filled(length: number): void {
    this.#end += length;
  }

  peek(length: number): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#start + length);
  }

  /** A view that is valid until the next {@linkcode room}. */
  take(length: number): Uint8Array {
    const bytes = this.peek(length);
    this.#start += length;
    if (this.#start === this.#end) this.#start = this.#end = 0;
    return bytes;
  }

  drop(): void {
    this.#buffer = new Uint8Array(0);
    this.#start = this.#end = 0;
  }

  /** Moves the content to the front, and doubles the memory unless half of it is free then. */
  #reserve(length: number): void {
    const kept = this.peek(this.length);
    const wanted = kept.length + length;
    if (2 * wanted > this.#buffer.length) this.#buffer = new Uint8Array(2 * wanted);
    this.#buffer.set(kept);
    this.#start = 0;
    this.#end = kept.length;
  }
}
