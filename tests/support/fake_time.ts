/** A clock that moves only when a test moves it. */

interface Timer {
  due: number;
  readonly interval: number | null;
  readonly run: () => void;
}

/**
 * Timer numbers of the fake clock, which real ones do not reach: a timer that has run can be cleared,
 * too.
 */
const FIRST_ID = 2 ** 40;

const realTimeout = globalThis.setTimeout;
const realClear = globalThis.clearTimeout;

/** Replaces timers, `performance.now` and `Date.now` in this test file until it is disposed. */
export class FakeTime implements Disposable {
  readonly #epoch: number = Date.now();
  readonly #timers = new Map<number, Timer>();
  readonly #restore = new DisposableStack();
  #now = 0;
  #lastId = FIRST_ID;

  constructor() {
    const set =
      (interval: boolean) => (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        this.#set(() => run(...args), Math.max(ms, 0), interval);
    const clear = (id = 0) => {
      // A timer that was started before the clock was replaced is a real one.
      if (id > FIRST_ID) this.#timers.delete(id);
      else realClear(id);
    };
    this.#replace(globalThis, "setTimeout", set(false));
    this.#replace(globalThis, "setInterval", set(true));
    this.#replace(globalThis, "clearTimeout", clear);
    this.#replace(globalThis, "clearInterval", clear);
    this.#replace(performance, "now", () => this.#now);
    this.#replace(Date, "now", () => this.#epoch + this.#now);
  }

  /** Milliseconds since the clock was made. */
  get now(): number {
    return this.#now;
  }

  /** Timers that have been set and have not run. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves the clock without running timers, like work that blocks the thread. */
  skip(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** Moves the clock, and runs each timer when it is due. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await turn();
    while (this.#runNext(end)) await turn();
    this.#now = end;
  }

  /**
   * Moves the clock from timer to timer until the promise is settled.
   *
   * @param farthest Milliseconds: later timers are time-outs of real I/O, and do not run
   */
  async settle<T>(promise: Promise<T>, farthest = Infinity): Promise<T> {
    let settled = false;
    const done = () => void (settled = true);
    promise.then(done, done);
    for (await turn(); !settled; await turn()) this.#runNext(this.#now + farthest);
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#restore.dispose();
  }

  #set(run: () => void, ms: number, repeats: boolean): number {
    const id = ++this.#lastId;
    this.#timers.set(id, { due: this.#now + ms, interval: repeats ? ms : null, run });
    return id;
  }

  #runNext(end: number): boolean {
    const [next] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due);
    if (next === undefined || next[1].due > end) return false;
    const [id, timer] = next;
    this.#now = Math.max(this.#now, timer.due);
    if (timer.interval === null) this.#timers.delete(id);
    else timer.due = this.#now + timer.interval;
    timer.run();
    return true;
  }

  #replace<T extends object>(target: T, name: keyof T, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
    this.#restore.defer(() => {
      if (before === undefined) delete target[name];
      else Object.defineProperty(target, name, before);
    });
  }
}

/** Runs a turn of the event loop, in which everything proceeds that waits for neither a timer nor I/O. */
function turn(): Promise<void> {
  return new Promise((resolve) => void realTimeout(resolve));
}
