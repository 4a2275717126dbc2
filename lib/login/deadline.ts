import { MAX_TIMER_MS } from "../waiting.ts";

/** A time limit that pauses while the user is asked, so that only the time of the server counts. */
export class Deadline implements Disposable {
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #reason: (milliseconds: number) => unknown;
  #limit: number;
  #left: number;
  #since = 0;
  /** How many waits are not counted at present. */
  #pauses = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Starts the clock.
   *
   * @param milliseconds The limit; 0 is none
   * @param reason Makes the abort reason for a limit
   */
  constructor(milliseconds: number, reason: (milliseconds: number) => unknown) {
    this.signal = this.#controller.signal;
    this.#limit = this.#left = limitOf(milliseconds);
    this.#reason = reason;
    this.#start();
  }

  /** Changes the limit, which counts from the start. */
  change(milliseconds: number): void {
    if (this.#pauses === 0) this.#stop();
    const limit = limitOf(milliseconds);
    // A deadline without a limit has not counted.
    this.#left = this.#left === Infinity ? limit : this.#left + limit - this.#limit;
    this.#limit = limit;
    if (this.#pauses === 0) this.#start();
  }

  /** Waits for a promise without counting the time; several may wait together. */
  async pausedFor<T>(wait: () => Promise<T>): Promise<T> {
    if (this.#pauses++ === 0) this.#stop();
    try {
      return await wait();
    } finally {
      if (--this.#pauses === 0) this.#start();
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

/** A time that no timer can measure is no limit. */
function limitOf(milliseconds: number): number {
  return milliseconds > 0 && milliseconds <= MAX_TIMER_MS ? milliseconds : Infinity;
}
