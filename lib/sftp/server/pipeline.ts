/** Reads or writes that may be under way at once. */
const MAX_RUNNING = 16;

/**
 * Runs requests so that a client sees them done in its order. What is alike, a run of reads or a run of
 * writes to different places, is under way at once; everything else waits for all before it, and all
 * after it waits. Answers leave in the order of the requests.
 */
export class Pipeline<A> {
  readonly #limit: number;
  readonly #send: (answer: A) => void;
  /** What is under way, the oldest first; each leaves when it is answered. */
  readonly #running: Promise<void>[] = [];
  #kind: string | null = null;
  #bytes = 0;

  /**
   * @param limit Bytes that may be under way at once
   * @param send Takes the answers
   */
  constructor(limit: number, send: (answer: A) => void) {
    this.#limit = limit;
    this.#send = send;
  }

  /** Runs a request after all before it; resolves when it is answered. `run` must not fail. */
  async alone(run: () => Promise<A> | A): Promise<void> {
    await this.idle();
    this.#send(await run());
  }

  /** Runs a request beside others of its kind; resolves when the next may come. `run` must not fail. */
  async beside(kind: string, bytes: number, run: () => Promise<A> | A): Promise<void> {
    if (this.#kind !== kind) await this.idle();
    this.#kind = kind;
    const answer = run();
    if (this.#running.length === 0 && !(answer instanceof Promise)) return this.#send(answer);
    this.#bytes += bytes;
    this.#running.push(this.#answer(answer, bytes, this.#running.at(-1)));
    while (this.#running.length >= MAX_RUNNING || this.#bytes > this.#limit) {
      await this.#running[0];
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.#running.length > 0) await this.#running.at(-1);
  }

  async #answer(answer: Promise<A> | A, bytes: number, before?: Promise<void>): Promise<void> {
    const done = await answer;
    await before;
    this.#running.shift();
    this.#bytes -= bytes;
    this.#send(done);
  }
}
