import { SFTP_MAX_MESSAGE } from "../../defaults.ts";
import { ProtocolError } from "../../errors.ts";
import { peek32 } from "../../wire/hot.ts";
import * as msg from "../protocol/messages.ts";

/** A READ that is under way. */
export interface Reading {
  /** Bytes that were asked for. */
  readonly length: number;
  /** Where its data goes, asked when there is some; null if nobody wants it any more. */
  readonly into: (() => Uint8Array) | null;
}

/** Who asked, and hears the answers. */
export interface Asker {
  /**
   * A message begins. If it is the data of a READ it goes straight to where it is wanted, and then
   * `filled` hears of it; null has the message gathered for `answered`.
   *
   * @throws If nobody asked for it
   */
  begun(type: number, id: number, length: number): Reading | null;
  /** So many bytes of a READ have come. */
  filled(id: number, bytes: number): void;
  /** A message has come; its body is borrowed. */
  answered(type: number, id: number, body: Uint8Array): void;
}

/**
 * Cuts what a server sends into messages, as it comes and without a wait. Data is copied once: from the
 * packet that it came in to where it is wanted.
 */
export class Answers {
  readonly #asker: Asker;
  readonly #head: Uint8Array = new Uint8Array(msg.DATA_HEADER);
  #headBytes = 0;
  #headLength = msg.FRAME_HEADER;
  #reading: Reading | null = null;
  #into: Uint8Array | null = null;
  #body: Uint8Array | null = null;
  /** Bytes behind the head, and how many of them have come. */
  #length = 0;
  #at = 0;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** Whether the last message is not whole. */
  get inside(): boolean {
    return this.#headBytes > 0;
  }

  /**
   * Takes what has come, which is borrowed.
   *
   * @throws {ProtocolError} If it is no answer to what was asked
   */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      at += this.#headBytes < this.#headLength ? this.#takeHead(bytes, at) : this.#take(bytes, at);
    }
  }

  #takeHead(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#headBytes < this.#headLength) {
      this.#head[this.#headBytes++] = bytes[at++]!;
    }
    if (this.#headBytes === this.#headLength) this.#begin();
    return at - from;
  }

  /** The head is whole. */
  #begin(): void {
    const head = this.#head;
    if (this.#headLength === msg.DATA_HEADER) return this.#beginData();
    this.#length = peek32(head, 0) - (msg.FRAME_HEADER - 4);
    this.#at = 0;
    this.#reading = this.#asker.begun(head[4]!, peek32(head, 5), this.#length);
    if (this.#length < 0 || this.#length > SFTP_MAX_MESSAGE) {
      throw new ProtocolError("Message length is absurd");
    }
    if (this.#reading !== null) {
      if (this.#length < 4) throw new ProtocolError("Message ends too early");
      this.#headLength = msg.DATA_HEADER;
    } else if (this.#length === 0) this.#end(head.subarray(0, 0));
  }

  /** DATA: uint32 length, then the bytes, at most as many as were asked for and at least one. */
  #beginData(): void {
    const size = peek32(this.#head, msg.FRAME_HEADER);
    if (size !== this.#length - 4) throw new ProtocolError("Data does not fill its message");
    if (size === 0) throw new ProtocolError("Data is empty");
    const { into, length } = this.#reading!;
    if (size > length) throw new ProtocolError("More data than was asked for");
    this.#length = size;
    this.#into = into?.() ?? null;
  }

  /** Takes what there is of the rest of a message. */
  #take(bytes: Uint8Array, from: number): number {
    const count = Math.min(bytes.length - from, this.#length - this.#at);
    const piece = bytes.subarray(from, from + count);
    if (this.#reading !== null) {
      if (this.#reading.into !== null) this.#into!.set(piece, this.#at);
    } else if (count < this.#length) {
      this.#body ??= new Uint8Array(this.#length);
      this.#body.set(piece, this.#at);
    }
    this.#at += count;
    if (this.#at === this.#length) this.#end(this.#body ?? piece);
    return count;
  }

  #end(body: Uint8Array): void {
    const reading = this.#reading;
    const id = peek32(this.#head, 5);
    this.#headBytes = 0;
    this.#headLength = msg.FRAME_HEADER;
    this.#reading = this.#into = this.#body = null;
    if (reading !== null) this.#asker.filled(id, this.#length);
    else this.#asker.answered(this.#head[4]!, id, body);
  }
}
