import { ProtocolError } from "../errors.ts";

const MAX_WINDOW = 0xffff_ffff;

/** What the peer allows us to send (RFC 4254 §5.2). Pure arithmetic and a place to wait. */
export class SendWindow {
  #available: number;
  #waiting: PromiseWithResolvers<void> | null = null;
  #closed: { error: unknown } | null = null;

  constructor(available: number) {
    this.#available = available;
  }

  /** Bytes that may be sent now. */
  get available(): number {
    return this.#available;
  }

  /** Uses up credit; the caller has looked at {@linkcode available}. */
  take(bytes: number): void {
    this.#available -= bytes;
  }

  /** The peer's WINDOW_ADJUST. */
  grow(bytes: number): void {
    // RFC 4254 §5.2: the window must not go beyond 2^32 - 1.
    if (this.#available + bytes > MAX_WINDOW) {
      throw new ProtocolError("Window adjust beyond 2^32 - 1 bytes");
    }
    this.#available += bytes;
    if (this.#available === 0) return;
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  /** Resolves when there is credit; rejects when there will be none. */
  wait(): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed.error);
    if (this.#available > 0) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** No more credit will come. */
  close(error: unknown): void {
    this.#closed ??= { error };
    this.#waiting?.promise.catch(() => {});
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

/**
 * What we allow the peer to send. Credit goes back only for bytes that the reader has consumed, and
 * in steps of an eighth of the window: rarely enough to be cheap, early enough that the peer
 * never waits for a round trip while the reader keeps up.
 */
export class ReceiveWindow {
  readonly size: number;
  #available: number;
  #consumed = 0;

  constructor(size: number) {
    this.size = size;
    this.#available = size;
  }

  /** Bytes that the peer may still send. */
  get available(): number {
    return this.#available;
  }

  /** Data came in. */
  receive(bytes: number): void {
    if (bytes > this.#available) throw new ProtocolError("Channel data beyond the window");
    this.#available -= bytes;
  }

  /** The reader took bytes; returns the credit to send now, or 0. */
  consume(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < this.size / 8) return 0;
    const credit = this.#consumed;
    this.#consumed = 0;
    this.#available += credit;
    return credit;
  }
}
