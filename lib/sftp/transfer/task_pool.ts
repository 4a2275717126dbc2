/** What a task takes of the budget before it knows better. */
const SMALL = 128 * 1024;

/** Makes a task of this much out of a small one; waits for room. */
export type Grow = (cost: number) => Promise<void>;

/** Runs tasks side by side, so many at once, within a budget of bytes; a failure calls all off. */
export class Crew {
  readonly signal: AbortSignal;
  readonly #stop: AbortController = new AbortController();
  readonly #running: Set<Promise<void>> = new Set();
  readonly #most: number;
  readonly #budget: number;
  #used = 0;
  /** Resolves when a task has ended; a race of all would leave its marks on those that last. */
  #ended: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(most: number, budget: number, signal: AbortSignal | undefined) {
    this.#most = most;
    this.#budget = budget;
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** Starts a task, once there is room for a small one. */
  async start(task: (grow: Grow) => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#most) await this.#ended.promise;
    const cost = Math.min(SMALL, this.#budget);
    await this.#take(cost);
    const run = this.#run(task, cost);
    this.#running.add(run);
    run.then(() => {
      this.#running.delete(run);
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    });
  }

  /** Calls all off. */
  fail(cause: unknown): void {
    this.#stop.abort(cause);
  }

  /**
   * Runs `lead`, which starts tasks, and waits for all of them.
   *
   * @throws The first failure
   */
  async work(lead: () => Promise<void>): Promise<void> {
    await lead().catch((cause) => this.fail(cause));
    await Promise.all(this.#running);
    this.signal.throwIfAborted();
  }

  async #run(task: (grow: Grow) => Promise<void>, cost: number): Promise<void> {
    try {
      await task(async (wanted) => {
        if (wanted <= cost) return;
        // First back, then anew: so all that wait hold nothing, and the last of them gets in.
        this.#used -= cost;
        cost = 0;
        await this.#take(wanted);
        cost = wanted;
      });
    } catch (cause) {
      this.fail(cause);
    } finally {
      this.#used -= cost;
    }
  }

  /** Waits for room; what is alone always finds it. */
  async #take(cost: number): Promise<void> {
    while (this.#used > 0 && this.#used + cost > this.#budget) await this.#ended.promise;
    this.signal.throwIfAborted();
    this.#used += cost;
  }
}
