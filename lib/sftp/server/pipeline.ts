/** The most reads or writes that run in parallel. */
const MAX_RUNNING = 16;

/**
 * Runs requests with the same effect as one after the other. Consecutive reads, or consecutive writes to
 * different places, run in parallel; any other request waits for the earlier ones and delays the later
 * ones. Answers are sent in the order of the requests.
 */
export class Pipeline<A> {
  readonly #limit: () => number;
  readonly #send: (answer: A) => void;
  /** Running requests, the oldest first; each is removed when it is answered. */
  readonly #running: Promise<void>[] = [];
  #kind: number | null = null;
  #bytes = 0;

  /**
   * @param limit The most bytes of memory for running requests
   * @param send Takes the answers
   */
  constructor(limit: () => number, send: (answer: A) => void) {
    this.#limit = limit;
    this.#send = send;
  }

  /**
   * Runs a request after all earlier ones; null if it is answered already, otherwise resolves when it is.
   * `run` must not fail.
   */
  alone(run: () => Promise<A> | A): Promise<void> | null {
    if (this.#running.length > 0) return this.idle().then(() => this.alone(run) ?? undefined);
    const answer = run();
    if (answer instanceof Promise) return answer.then((done) => this.#send(done));
    this.#send(answer);
    return null;
  }

  /**
   * Runs a request in parallel with others of its kind; null if it is answered already, otherwise resolves
   * when the next may start. `run` must not fail.
   *
   * @param bytes The memory that it uses while it runs
   */
  beside(kind: number, bytes: number, run: () => Promise<A> | A): Promise<void> | null {
    if (this.#kind !== kind && this.#running.length > 0) {
      return this.idle().then(() => this.beside(kind, bytes, run) ?? undefined);
    }
    this.#kind = kind;
    const answer = run();
    if (this.#running.length === 0 && !(answer instanceof Promise)) {
      this.#send(answer);
      return null;
    }
    this.#bytes += bytes;
    this.#running.push(this.#answer(answer, bytes, this.#running.at(-1)));
    return this.#room();
  }

  /** Resolves when few enough requests are running to start the next. */
  async #room(): Promise<void> {
    while (this.#running.length >= MAX_RUNNING || this.#bytes > this.#limit()) {
      await this.#running[0];
    }
  }

  /** Resolves when nothing is running. */
  async idle(): Promise<void> {
    await this.#running.at(-1);
  }

  async #answer(answer: Promise<A> | A, bytes: number, before?: Promise<void>): Promise<void> {
    const done = await answer;
    await before;
    this.#running.shift();
    this.#bytes -= bytes;
    this.#send(done);
  }
}
