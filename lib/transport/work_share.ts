import { STRANGERS_WORK_SHARE } from "../defaults.ts";
import { sleep } from "../waiting.ts";

/**
 * Work that takes at most a share of the thread's time: one piece after the other, in the order of asking,
 * and after each a rest in proportion to it. A piece that comes alone starts at once.
 */
export class WorkShare {
  readonly #rest: number;
  #last: Promise<void> = Promise.resolve();
  /** When the next piece may start, by `performance.now()`. */
  #free = 0;

  /** @param share How much of the time the work may take, above 0 and at most 1 */
  constructor(share: number) {
    this.#rest = 1 / share - 1;
  }

  /** Does a piece of work when its turn has come. One that throws at once costs the others nothing. */
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

/** Costly work for clients that are not logged in, over all connections. */
export const strangersWork: WorkShare = new WorkShare(STRANGERS_WORK_SHARE);
