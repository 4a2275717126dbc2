/** Reusable memory of a server, for answers to READs and for requests. */
import { SFTP_MAX_MESSAGE } from "../../defaults.ts";

/** Bytes of buffers to keep: twice those of the answers that run or wait at the same time. */
const FREE_BYTES = 4 * 1024 * 1024;

/** The number of request buffers to keep. */
const MAX_SPARE = 4;

/** Memory for answers to READs; each buffer has the greatest length so far, because lengths vary. */
export class AnswerBuffers {
  #length = 0;
  #free: ArrayBuffer[] = [];

  /** Memory of a length, which may hold old bytes. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.#length) {
      this.#length = length;
      this.#free = [];
    }
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(this.#length), 0, length);
  }

  /** Whether memory may be one of these buffers. */
  lent(buffer: ArrayBuffer): boolean {
    return buffer.byteLength === this.#length;
  }

  /** Returns the memory of an answer that has been sent. */
  give(buffer: ArrayBuffer): void {
    const fits = (this.#free.length + 1) * this.#length <= FREE_BYTES;
    if (this.lent(buffer) && fits) this.#free.push(buffer);
  }
}

/** Memory to receive requests in. A request keeps its buffer while it runs. */
export class RequestBuffers {
  /** The buffer for the next request. */
  current: Uint8Array<ArrayBuffer> = new Uint8Array(SFTP_MAX_MESSAGE);
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];

  /** Bytes of memory that a request holds while it runs. */
  heldBy(body: Uint8Array): number {
    return body.buffer === this.current.buffer ? this.current.length : body.length;
  }

  /** Lends the current buffer to a request until it ends, if the body is in it. */
  lend(body: Uint8Array, until: Promise<unknown>): void {
    if (body.buffer !== this.current.buffer) return;
    const lent = this.current;
    this.current = this.#spare.pop() ?? new Uint8Array(SFTP_MAX_MESSAGE);
    until.then(() => {
      if (this.#spare.length < MAX_SPARE) this.#spare.push(lent);
    });
  }
}
