import { sleep } from "../../waiting.ts";

/** Limits a rate of bytes by waiting. */
export class Throttle {
  readonly #rate: number;
  readonly #signal: AbortSignal | undefined;
  /** The time at which the bytes so far were due. */
  #due: number = performance.now();

  /** The preferred bytes of one `pass`: a tenth of a second's worth. */
  readonly piece: number;

  constructor(bytesPerSecond: number, signal: AbortSignal | undefined) {
    this.#rate = bytesPerSecond;
    this.piece = Math.max(Math.floor(bytesPerSecond / 10), 1);
    this.#signal = signal;
  }

  /**
   * Waits until this many bytes may have passed.
   *
   * @throws The signal's reason, if it is aborted
   */
  async pass(bytes: number): Promise<void> {
    const now = performance.now();
    this.#due = Math.max(this.#due, now) + bytes / this.#rate * 1000;
    const wait = this.#due - now;
    if (wait < 1) return;
    await sleep(wait, this.#signal);
  }
}
