/** A time limit that stands still while the user is asked: only the time of the far side counts. */
export class Deadline implements Disposable {
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #reason: (milliseconds: number) => unknown;
  #limit: number;
  #left: number;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Starts the clock.
   *
   * @param milliseconds The limit; 0 is none
   * @param reason Makes the reason that the signal is aborted with, of the limit
   */
  constructor(milliseconds: number, reason: (milliseconds: number) => unknown) {
    this.signal = this.#controller.signal;
    this.#limit = this.#left = limitOf(milliseconds);
    this.#reason = reason;
    this.#start();
  }

  /** Makes it another limit, for the time since the start. */
  change(milliseconds: number): void {
    this.#stop();
    const limit = limitOf(milliseconds);
    // An endless one has counted nothing.
    this.#left = this.#left === Infinity ? limit : this.#left + limit - this.#limit;
    this.#limit = limit;
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
    this.#timer = setTimeout(
      () => this.#controller.abort(this.#reason(this.#limit)),
      Math.max(this.#left, 0),
    );
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
  }
}

function limitOf(milliseconds: number): number {
  return milliseconds > 0 ? milliseconds : Infinity;
}
