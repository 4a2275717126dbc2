/** Runs tasks side by side within a budget; the first failure calls the others off. */
export class Crew {
  readonly signal: AbortSignal;
  readonly #stop: AbortController = new AbortController();
  readonly #running: Set<Promise<void>> = new Set();
  readonly #budget: number;
  #used = 0;

  constructor(budget: number, signal: AbortSignal | undefined) {
    this.#budget = budget;
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** Starts a task of a cost once there is room; one task always finds room. */
  async start(cost: number, task: () => Promise<void>): Promise<void> {
    while (this.#used > 0 && this.#used + cost > this.#budget) await Promise.race(this.#running);
    this.signal.throwIfAborted();
    this.#used += cost;
    const run = this.#run(cost, task);
    this.#running.add(run);
    run.then(() => this.#running.delete(run));
  }

  /**
   * Runs `lead`, which starts tasks, and waits for all of them.
   *
   * @throws The first failure
   */
  async work(lead: () => Promise<void>): Promise<void> {
    await this.#run(0, lead);
    await Promise.all(this.#running);
    this.signal.throwIfAborted();
  }

  async #run(cost: number, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (cause) {
      this.#stop.abort(cause);
    } finally {
      this.#used -= cost;
    }
  }
}

/** The least that a file costs, so that some 32 small ones are under way at once. */
const MIN_COST = 128 * 1024;

/** What a file of a size costs of a budget of bytes. */
export function fileCost(size: number): number {
  return Math.max(size, MIN_COST);
}
