import { SFTP_MAX_MESSAGE } from "../../defaults.ts";
import { ProtocolError } from "../../errors.ts";
import { peek32 } from "../../wire/hot.ts";
import * as msg from "../protocol/messages.ts";

/** A READ that waits for its data. */
export interface PendingRead {
  /** Bytes requested. */
  readonly length: number;
  /** Returns the memory for its data, called when the first bytes arrive; null to drop the data. */
  readonly into: (() => Uint8Array) | null;
}

/** Takes the answers; implemented by the session that sent the requests. */
export interface AnswerHandler {
  /**
   * Called at the start of a message. Returns the READ if this is its data, which is then copied directly
   * to its memory, followed by a call of `filled`; null to collect the message for `answered`.
   *
   * @throws If there was no such request
   */
  begun(type: number, id: number, length: number): PendingRead | null;
  /** Called when all `bytes` of a READ's data have arrived. */
  filled(id: number, bytes: number): void;
  /** Called when the data of a READ is malformed; it was skipped. */
  spoiled(id: number, problem: string): void;
  /** Called with a whole message; `body` is borrowed. */
  answered(type: number, id: number, body: Uint8Array): void;
}

/**
 * Parses a server's messages from chunks of any size, without waiting. Data of a READ is copied once, from
 * the packet to the caller's memory.
 */
export class AnswerParser {
  readonly #handler: AnswerHandler;
  readonly #head: Uint8Array = new Uint8Array(msg.DATA_HEADER);
  #headBytes = 0;
  #headLength = msg.FRAME_HEADER;
  #reading: PendingRead | null = null;
  #into: Uint8Array | null = null;
  /** Why the data of a READ is rejected. */
  #problem: string | null = null;
  #body: Uint8Array | null = null;
  /** Bytes after the head, and how many of them have arrived. */
  #length = 0;
  #at = 0;
  /** How many of them are data; the others are ignored. */
  #data = 0;

  constructor(handler: AnswerHandler) {
    this.#handler = handler;
  }

  /** Whether the last message is incomplete. */
  get inside(): boolean {
    return this.#headBytes > 0;
  }

  /**
   * Parses a chunk, which is borrowed.
   *
   * @throws {ProtocolError} If it does not answer a request
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
    // Checked here, because a message that is too short may be the last.
    if (this.#headBytes >= 4 && peek32(this.#head, 0) < msg.FRAME_HEADER - 4) {
      throw new ProtocolError("Impossible message length");
    }
    if (this.#headBytes === this.#headLength) this.#begin();
    return at - from;
  }

  /** The head is complete. */
  #begin(): void {
    const head = this.#head;
    if (this.#headLength === msg.DATA_HEADER) return this.#beginData();
    this.#length = peek32(head, 0) - (msg.FRAME_HEADER - 4);
    this.#at = 0;
    this.#reading = this.#handler.begun(head[4]!, peek32(head, 5), this.#length);
    if (this.#length > SFTP_MAX_MESSAGE) throw new ProtocolError("Impossible message length");
    if (this.#length < 4) this.#reading = null; // without data it is handled like other answers
    if (this.#reading !== null) this.#headLength = msg.DATA_HEADER;
    else if (this.#length === 0) this.#end(head.subarray(0, 0));
  }

  /**
   * DATA: uint32 length, then at most as many bytes as were requested; no bytes mean the end of the file.
   * Some servers add a byte that says whether the end was reached.
   */
  #beginData(): void {
    const size = peek32(this.#head, msg.FRAME_HEADER);
    const { into, length } = this.#reading!;
    this.#length -= 4;
    this.#problem = size > this.#length
      ? "the data is longer than its message"
      : size > length
      ? "more data than was asked for"
      : null;
    this.#data = this.#problem === null ? size : 0;
    this.#into = this.#data > 0 ? into?.() ?? null : null;
    if (this.#length === 0) this.#end(this.#head.subarray(0, 0));
  }

  /** Takes the part of a message's body that this chunk holds. */
  #take(bytes: Uint8Array, from: number): number {
    const count = Math.min(bytes.length - from, this.#length - this.#at);
    const piece = bytes.subarray(from, from + count);
    if (this.#reading !== null) {
      const left = this.#data - this.#at;
      if (left > 0 && this.#reading.into !== null) {
        this.#into!.set(count > left ? piece.subarray(0, left) : piece, this.#at);
      }
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
    if (reading !== null) {
      if (this.#problem === null) this.#handler.filled(id, this.#data);
      else this.#handler.spoiled(id, this.#problem);
    } else this.#handler.answered(this.#head[4]!, id, body);
  }
}
