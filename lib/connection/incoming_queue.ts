import { Condition } from "../waiting.ts";

/**
 * Requests of a peer that wait for a loop of the program. When the last loop is left or the queue ends,
 * waiting requests are refused.
 */
export class IncomingQueue<T> implements AsyncIterable<T, undefined> {
  readonly #refuse: (item: T) => void;
  readonly #backlog: number;
  readonly #news = new Condition();
  readonly #waiting: T[] = [];
  #loops = 0;
  #end: { error: unknown } | null = null;

  /**
   * @param refuse Called with requests that no loop will take
   * @param backlog The most waiting requests
   */
  constructor(refuse: (item: T) => void, backlog: number) {
    this.#refuse = refuse;
    this.#backlog = backlog;
  }

  /** Whether a loop takes requests. */
  get awaited(): boolean {
    return this.#loops > 0 && this.#end === null;
  }

  /** Adds an item; false if the queue is full or has ended. */
  offer(item: T): boolean {
    if (this.#end || this.#waiting.length >= this.#backlog) return false;
    this.#waiting.push(item);
    this.#news.notify();
    return true;
  }

  /** Ends the queue and its loops, with the error if there is one. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.#refuseAll();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    this.#loops++;
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      if (--this.#loops === 0) this.#refuseAll();
      this.#news.notify();
    };
    return {
      next: async () => {
        while (!left) {
          if (this.#waiting.length > 0) return { value: this.#waiting.shift()!, done: false };
          if (this.#end) {
            leave();
            if (this.#end.error !== undefined) throw this.#end.error;
          } else {
            await this.#news.wait();
          }
        }
        return { value: undefined, done: true };
      },
      return: () => {
        leave();
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #refuseAll(): void {
    for (const item of this.#waiting.splice(0)) this.#refuse(item);
    this.#news.notify();
  }
}
