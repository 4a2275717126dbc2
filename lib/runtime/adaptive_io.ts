/** What takes this many milliseconds waits for something slow: a disk, a network. */
const SLOW_MS = 5;

/** Calls that are left to other threads after a slow one, before one is tried again. */
const WARY_CALLS = 64;

/**
 * Where local files are, as who uses them comes to know it. From the page cache a block comes in less time
 * than the way through another thread takes, and is in the processor's cache then: so calls are made at
 * once. As soon as one took long, they are left to other threads for a while, side by side, and the
 * program goes on meanwhile.
 */
export class Medium {
  readonly #slow: number;
  #wary = 0;

  /** @param slow Milliseconds from which on a call counts as slow; Infinity has all made at once */
  constructor(slow: number = SLOW_MS) {
    this.#slow = slow;
  }

  /** Runs a call in one of its two forms; both must do the same. */
  run<T>(now: () => T, later: () => Promise<T>): T | Promise<T> {
    if (this.#wary > 0) {
      this.#wary--;
      return later();
    }
    const start = performance.now();
    try {
      return now();
    } finally {
      if (performance.now() - start > this.#slow) this.#wary = WARY_CALLS;
    }
  }
}
