import { ProtocolError } from "../errors.ts";

const MAX_WINDOW = 0xffff_ffff;

/** Up to this round trip, OpenSSH's 2 MiB are enough: 400 MB/s at 5 ms. */
const SHORT_ROUND_TRIP_MS = 5;

/** If half a window takes more round trips than this, the window is too large. */
const SLOW_ROUND_TRIPS = 32;

/** The bytes that the peer allows us to send (RFC 4254 §5.2). */
export class SendWindow {
  #available: number;
  #largest: number;

  constructor(available: number) {
    this.#available = available;
    this.#largest = available;
  }

  /** The most bytes available so far: the whole window, if the peer has ever read everything sent. */
  get largest(): number {
    return this.#largest;
  }

  /** Bytes that may be sent now. */
  get available(): number {
    return this.#available;
  }

  /** Uses credit; the caller has checked {@linkcode available}. */
  take(bytes: number): void {
    this.#available -= bytes;
  }

  /** Handles the peer's WINDOW_ADJUST. */
  grow(bytes: number): void {
    // RFC 4254 §5.2: the window must not go beyond 2^32 - 1.
    if (this.#available + bytes > MAX_WINDOW) {
      throw new ProtocolError("Window adjust beyond 2^32 - 1 bytes");
    }
    this.#available += bytes;
    this.#largest = Math.max(this.#largest, this.#available);
  }
}

/** The budget by which the receive windows of one connection grow. */
export interface WindowBudget {
  /**
   * The size to which every window may grow, whatever the path, if it started smaller because there were
   * many.
   */
  readonly initial: number;
  /**
   * The shortest round trip measured, in milliseconds, or null. Measure answers that are not queued after
   * bulk data: those take as long as a window, and windows that follow them would grow without limit.
   */
  readonly roundTrip: number | null;
  /** Takes bytes for a window to grow by; returns the number available. */
  take(bytes: number): number;
  /** Returns bytes of a window. */
  give(bytes: number): void;
}

/**
 * The bytes that we allow the peer to send. Credit is returned only for bytes that the reader has consumed,
 * in steps of an eighth of the window: rarely enough to be cheap, early enough that the peer does not wait
 * for a round trip while the reader keeps up.
 *
 * With a budget the window adapts to the path. If the peer fills half of it within a round trip, the window
 * is the limit and doubles. If half of it takes many round trips, it is larger than needed and returns an
 * eighth. The initial size was taken from the budget already.
 */
export class ReceiveWindow {
  readonly #initial: number;
  readonly #budget: WindowBudget | null;
  #size: number;
  #available: number;
  #isClosed = false;
  #consumed = 0;
  #sinceLook = 0;
  #lastLook = 0;

  constructor(size: number, budget: WindowBudget | null = null) {
    this.#initial = size;
    this.#size = size;
    this.#available = size;
    this.#budget = budget;
  }

  /** The most bytes that the peer may have sent and the reader not yet consumed. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that the peer may still send. */
  get available(): number {
    return this.#available;
  }

  /** Records received data. */
  receive(bytes: number): void {
    if (bytes > this.#available) throw new ProtocolError("Channel data beyond the window");
    this.#available -= bytes;
  }

  /** Records bytes that the reader has consumed; returns the credit to send now, or 0. */
  consume(bytes: number): number {
    if (this.#isClosed) return this.#giveBack(bytes);
    this.#consumed += bytes;
    if (this.#consumed < this.#size / 8) return 0;
    const credit = this.#consumed + this.#tune(this.#consumed);
    this.#consumed = 0;
    this.#available += credit;
    return credit;
  }

  /**
   * Called when the peer will send no more data: returns the window to the budget.
   *
   * @param unread Bytes that still count, until the reader consumes them or this is called again
   */
  close(unread: number = 0): void {
    this.#isClosed = true;
    this.#giveBack(this.#size - unread);
  }

  #giveBack(bytes: number): number {
    const back = Math.min(bytes, this.#size);
    this.#budget?.give(back);
    this.#size -= back;
    return 0;
  }

  /** By how many bytes the window grows now; negative if it shrinks. Measures once per half a window. */
  #tune(consumed: number): number {
    if (this.#budget === null) return 0;
    this.#sinceLook += consumed;
    if (this.#sinceLook < this.#size / 2) return 0;
    const now = performance.now();
    const elapsed = now - this.#lastLook;
    this.#sinceLook = 0;
    this.#lastLook = now;
    const { roundTrip } = this.#budget;
    if (roundTrip === null) return 0;
    const mayGrow = roundTrip > SHORT_ROUND_TRIP_MS || this.#size < this.#budget.initial;
    if (elapsed < roundTrip && mayGrow) {
      const more = this.#budget.take(this.#size);
      this.#size += more;
      return more;
    }
    if (elapsed < SLOW_ROUND_TRIPS * roundTrip) return 0;
    const less = Math.min(consumed, this.#size - this.#initial);
    this.#budget.give(less);
    this.#size -= less;
    return -less;
  }
}
