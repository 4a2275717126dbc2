import { STRANGERS_WORK_SHARE } from "../defaults.ts";
import { sleep } from "../waiting.ts";

/**
 * Limits work to a share of the thread's time: pieces run one after the other, in the order of the calls,
 * each followed by a rest in proportion to its duration. A single piece starts immediately.
 */
export class WorkShare {
  readonly #rest: number;
  #last: Promise<void> = Promise.resolve();
  /** When the next piece may start, by `performance.now()`. */
  #free = 0;

  /** @param share The share of the time for the work, above 0 and at most 1 */
  constructor(share: number) {
    this.#rest = 1 / share - 1;
  }

  /**
   * Runs a piece of work when its turn has come. One that throws before it starts costs the others
   * nothing.
   */
  async run<T>(work: () => T): Promise<T> {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = promise;
    await before;
    try {
      const wait = this.#free - performance.now();
      if (wait > 0) await sleep(wait);
      const start = performance.now();
      try {
        return work();
      } finally {
        const end = performance.now();
        this.#free = end + (end - start) * this.#rest;
      }
    } finally {
      done();
    }
  }
}

/** Costly work for clients before login, over all connections. */
export const strangersWork: WorkShare = new WorkShare(STRANGERS_WORK_SHARE);
