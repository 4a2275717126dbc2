import { platformError } from "./platform_errors.ts";

/** Options of a call that may wait. */
export interface CallOptions {
  /** Gives up waiting; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A place to wait for news. Who wakes looks again, since the news may have been for another. */
export class Bell {
  #next: PromiseWithResolvers<void> | null = null;

  wait(): Promise<void> {
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }

  ring(): void {
    this.#next?.resolve();
    this.#next = null;
  }
}

/**
 * How long one call may wait. When that is over it rings the bell that is waited for, instead of
 * racing with it, so that a wait that gave up leaves nothing behind on a promise that lives on.
 */
export class Limit implements Disposable {
  readonly #signal: AbortSignal | undefined;
  readonly #timeout: number | null;
  readonly #aborted = () => this.#end(this.#signal!.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bell: Bell | null = null;
  #over: { error: unknown } | null = null;

  constructor(signal: AbortSignal | undefined, timeout: number | null) {
    this.#signal = signal;
    this.#timeout = timeout;
    signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** Whether the caller's signal is what is over. */
  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** Waits for the bell; throws, before waiting, when there is no time left. */
  wait(bell: Bell): Promise<void> {
    this.#bell = bell;
    // The clock starts with the first wait: what need not wait needs no timer.
    if (this.#timeout !== null && this.#timer === undefined) this.#start(this.#timeout);
    if (this.#over) throw this.#over.error;
    return bell.wait();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#aborted);
  }

  #start(milliseconds: number): void {
    const late = () => this.#end(platformError("TimedOut", `Timed out after ${milliseconds} ms`));
    if (milliseconds === 0) late();
    else this.#timer = setTimeout(late, milliseconds);
  }

  #end(error: unknown): void {
    this.#over ??= { error };
    this.#bell?.ring();
  }
}

/**
 * The limit of one call, or null if it may wait for ever.
 *
 * @param timeout Milliseconds, or null
 * @throws The signal's reason, if it is aborted already
 */
export function limitOf(options: CallOptions | undefined, timeout: number | null): Limit | null {
  const signal = options?.signal;
  signal?.throwIfAborted();
  return signal === undefined && timeout === null ? null : new Limit(signal, timeout);
}

/** Waits for the bell, as long as the limit allows. */
export function waitFor(bell: Bell, limit: Limit | null): Promise<void> {
  return limit === null ? bell.wait() : limit.wait(bell);
}

/** Callers take turns, in the order in which they came. */
export class Turns {
  #taken = false;
  readonly #queue = new Set<Bell>();

  /** Whether it is somebody's turn. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Takes the turn if it is nobody's. */
  take(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /** Waits for the turn. */
  async wait(limit: Limit | null): Promise<void> {
    const bell = new Bell();
    this.#queue.add(bell);
    try {
      // Out of the queue means that the turn has been passed on.
      while (this.#queue.has(bell)) await waitFor(bell, limit);
    } catch (error) {
      this.#queue.delete(bell);
      throw error;
    }
  }

  /** Passes the turn on. */
  pass(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#taken = false;
    } else {
      this.#queue.delete(next);
      next.ring();
    }
  }
}
