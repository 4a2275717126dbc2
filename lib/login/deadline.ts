/** A time limit that stands still while the user is asked: only the time of the far side counts. */
export class Deadline implements Disposable {
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #reason: () => unknown;
  #left: number;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Starts the clock.
   *
   * @param milliseconds The limit; 0 is none
   * @param reason Makes the reason that the signal is aborted with
   */
  constructor(milliseconds: number, reason: () => unknown) {
    this.signal = this.#controller.signal;
    this.#left = milliseconds > 0 ? milliseconds : Infinity;
    this.#reason = reason;
    this.#start();
  }

  /** Waits for something that does not count. */
  async pausedFor<T>(wait: () => Promise<T>): Promise<T> {
    this.#stop();
    try {
      return await wait();
    } finally {
      this.#start();
    }
  }

  /** Stops the clock. */
  [Symbol.dispose](): void {
    this.#stop();
    this.#left = Infinity;
  }

  #start(): void {
    if (this.#left === Infinity) return;
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#controller.abort(this.#reason()), Math.max(this.#left, 0));
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
  }
}
