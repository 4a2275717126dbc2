/** A call that takes longer than this many milliseconds counts as waiting for a disk or a network. */
const SLOW_MS = 5;

/** The number of calls in other threads after a slow one, before a synchronous one is tried again. */
const WARY_CALLS = 64;

/**
 * Chooses synchronous or threaded I/O by how slow the disk has been. Reading a block from the page cache
 * takes less time than a switch to another thread, and leaves the block in the processor's cache, so
 * calls are synchronous at first. After a slow one, the next calls run in other threads, in parallel, and
 * do not block the program.
 */
export class AdaptiveIo {
  readonly #slow: number;
  #wary = 0;

  /** @param slow Milliseconds above which a call counts as slow; with Infinity every call is synchronous */
  constructor(slow: number = SLOW_MS) {
    this.#slow = slow;
  }

  /** Runs an operation in its synchronous or its threaded form; both must do the same. */
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
