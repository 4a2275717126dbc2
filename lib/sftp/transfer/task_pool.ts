/** Bytes of the budget that a task takes before its size is known. */
const SMALL_TASK_BYTES = 128 * 1024;

/** Raises a task's share of the budget to `cost` bytes; waits until there is room. */
export type Grow = (cost: number) => Promise<void>;

/** Runs up to `limit` tasks in parallel within a budget of bytes; the first failure cancels the rest. */
export class TaskPool {
  readonly signal: AbortSignal;
  readonly #stop: AbortController = new AbortController();
  readonly #running: Set<Promise<void>> = new Set();
  readonly #limit: number;
  readonly #budget: number;
  #used = 0;
  /** Resolves when a task has ended; `Promise.race` would add a reaction to each running task. */
  #ended: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(limit: number, budget: number, signal: AbortSignal | undefined) {
    this.#limit = limit;
    this.#budget = budget;
    this.signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** Starts a task when there is room for a small one. */
  async start(task: (grow: Grow) => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await this.#ended.promise;
    const cost = Math.min(SMALL_TASK_BYTES, this.#budget);
    await this.#take(cost);
    const run = this.#run(task, cost);
    this.#running.add(run);
    run.then(() => {
      this.#running.delete(run);
      this.#ended.resolve();
      this.#ended = Promise.withResolvers();
    });
  }

  /** Cancels all tasks. */
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
        // Returned first: waiting tasks hold nothing, so that one of them always fits.
        this.#used -= cost;
        cost = 0; // nothing to return if taking fails
        await this.#take(wanted);
        cost = wanted;
      });
    } catch (cause) {
      this.fail(cause);
    } finally {
      this.#used -= cost;
    }
  }

  /** Waits for room; a task that runs alone always fits. */
  async #take(cost: number): Promise<void> {
    while (this.#used > 0 && this.#used + cost > this.#budget) await this.#ended.promise;
    this.signal.throwIfAborted();
    this.#used += cost;
  }
}
