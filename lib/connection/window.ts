import { ProtocolError } from "../errors.ts";

const MAX_WINDOW = 0xffff_ffff;

/** Shorter round trips need no more than OpenSSH's 2 MiB: that is 400 MB/s at 5 ms. */
const SHORT_ROUND_TRIP_MS = 5;

/** Round trips for half a window after which it counts as too large. */
const SLOW_ROUND_TRIPS = 32;

/** What the peer allows us to send (RFC 4254 §5.2). Pure arithmetic. */
export class SendWindow {
  #available: number;
  #largest: number;

  constructor(available: number) {
    this.#available = available;
    this.#largest = available;
  }

  /** The most bytes that there was room for at once: the window, once the peer has read all that was sent. */
  get largest(): number {
    return this.#largest;
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
    this.#largest = Math.max(this.#largest, this.#available);
  }
}

/** What lets the receive windows of one connection grow. */
export interface WindowBudget {
  /** What windows may grow to on any path: those that had to start with less, since there were many. */
  readonly initial: number;
  /**
   * The shortest round trip seen, in milliseconds, or null. It must come from an answer that nothing
   * queues before: one that waits behind bulk data takes as long as a window, and windows that
   * follow it grow for ever.
   */
  readonly roundTrip: number | null;
  /** Takes bytes by which a window grows; returns how many there were. */
  take(bytes: number): number;
  /** Gives bytes of a window back. */
  give(bytes: number): void;
}

/**
 * What we allow the peer to send. Credit goes back only for bytes that the reader has consumed, and
 * in steps of an eighth of the window: rarely enough to be cheap, early enough that the peer
 * never waits for a round trip while the reader keeps up.
 *
 * With a budget the window follows the path: a peer that fills half of it within a round trip is held
 * back by it, so it doubles; where half of it takes many round trips, it is larger than it need be
 * and gives an eighth back. The size that it starts with has been taken from the budget already.
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

  /** Bytes that the peer may have sent and the reader not yet consumed, at most. */
  get size(): number {
    return this.#size;
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
    if (this.#isClosed) return this.#giveBack(bytes);
    this.#consumed += bytes;
    if (this.#consumed < this.#size / 8) return 0;
    const credit = this.#consumed + this.#tune(this.#consumed);
    this.#consumed = 0;
    this.#available += credit;
    return credit;
  }

  /**
   * The peer sends no more.
   *
   * @param unread Bytes that still count until the reader takes them, or this is called again
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

  /** By how much the window grows now; negative if it shrinks. Looks once for half a window. */
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
