/** Waiting with abort signals and time limits, for conditions and locks. */

/** The longest time for `setTimeout`, 24.8 days: with a longer one it calls at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** Options of a call that may wait. */
export interface CallOptions {
  /** Aborts the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Limits of a wait. */
export interface WaitLimits extends CallOptions {
  /** Milliseconds; unlimited by default. */
  readonly timeout?: number | undefined;
  /** Makes the error of a wait that took too long; a `TimeoutError` by default. */
  readonly late?: () => unknown;
}

/**
 * Calls `run` with the signal's reason when it is aborted, immediately if it is aborted already. Disposing
 * removes the listener.
 */
export function onAbort(
  signal: AbortSignal | undefined,
  run: (reason: unknown) => void,
): Disposable {
  const abort = () => run(signal!.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", abort) };
}

/**
 * Calls `run` after a time in milliseconds, at most {@linkcode MAX_TIMER_MS}, or never if that is undefined.
 * Disposing clears the timer.
 */
export function onTimeout(milliseconds: number | undefined, run: () => void): Disposable {
  const timer = milliseconds === undefined
    ? undefined
    : setTimeout(run, Math.min(milliseconds, MAX_TIMER_MS));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Waits for a promise, or rejects with the signal's reason if that comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? promise : withLimits(promise, { signal });
}

/** Waits for a promise within limits; after those, the promise's outcome is ignored. */
export async function withLimits<T>(
  promise: Promise<T>,
  { signal, timeout, late = timedOut }: WaitLimits,
): Promise<T> {
  if (signal === undefined && timeout === undefined) return await promise;
  const over = Promise.withResolvers<never>();
  using _aborted = onAbort(signal, over.reject);
  using _late = onTimeout(timeout, () => over.reject(late()));
  return await Promise.race([promise, over.promise]);
}

/**
 * Waits for a promise, but not longer than a time in milliseconds; whether it is settled.
 *
 * @throws The promise's error, or the signal's reason
 */
export async function settlesWithin(
  promise: Promise<unknown>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  using _late = onTimeout(milliseconds, () => late.resolve(false));
  return await abortable(Promise.race([promise.then(() => true), late.promise]), signal);
}

/** Waits for a time in milliseconds; rejects with the signal's reason if it is aborted. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _aborted = onAbort(signal, reject);
  using _done = onTimeout(milliseconds, resolve);
  await promise;
}

/**
 * A condition to wait for. A waiter must check it again after waking, because another may have been faster.
 */
export class Condition {
  #next: PromiseWithResolvers<void> | null = null;

  /**
   * Resolves at the next {@linkcode notify}.
   *
   * @throws The limit's error, if the time is over
   */
  wait(limit: Limit | null = null): Promise<void> {
    limit?.watch(this);
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }

  /** Wakes every waiter. */
  notify(): void {
    this.#next?.resolve();
    this.#next = null;
  }
}

/**
 * The time limit of one call, over several waits for conditions. At its end it notifies the condition
 * instead of racing with it, so that no reaction is left on a long-lived promise.
 */
export class Limit implements Disposable {
  readonly #signal: AbortSignal | undefined;
  readonly #timeout: number | null;
  readonly #late: () => unknown;
  readonly #aborting: Disposable;
  #timer: Disposable | null = null;
  #condition: Condition | null = null;
  #over: { error: unknown } | null = null;

  constructor(signal: AbortSignal | undefined, timeout: number | null, late: () => unknown) {
    this.#signal = signal;
    this.#timeout = timeout;
    this.#late = late;
    this.#aborting = onAbort(signal, (reason) => this.#end(reason));
  }

  /** Whether the caller's signal is aborted. */
  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** Limits a wait for a condition that begins now; throws if no time is left. */
  watch(condition: Condition): void {
    this.#condition = condition;
    // The clock starts with the first wait: a call that does not wait needs no timer.
    if (this.#timeout === 0) this.#end(this.#late());
    else if (this.#timeout !== null) {
      this.#timer ??= onTimeout(this.#timeout, () => this.#end(this.#late()));
    }
    if (this.#over) throw this.#over.error;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#aborting[Symbol.dispose]();
  }

  #end(error: unknown): void {
    this.#over ??= { error };
    this.#condition?.notify();
  }
}

/**
 * The limit of one call, or null if it may wait without limit.
 *
 * @param timeout Milliseconds
 * @param late Makes the error of a call that took too long; a `TimeoutError` unless given
 * @throws The signal's reason, if it is aborted already
 */
export function limitOf(
  options: CallOptions | undefined,
  timeout: number | null = null,
  late: () => unknown = timedOut,
): Limit | null {
  const signal = options?.signal;
  signal?.throwIfAborted();
  return signal === undefined && timeout === null ? null : new Limit(signal, timeout, late);
}

/** A lock for one caller at a time; the others get it in the order of their requests. */
export class Mutex {
  #locked = false;
  readonly #queue = new Set<Condition>();

  /** Whether a caller holds it. */
  get locked(): boolean {
    return this.#locked;
  }

  /** Takes the lock if it is free. */
  tryLock(): boolean {
    if (this.#locked) return false;
    this.#locked = true;
    return true;
  }

  /** Takes the lock, waiting for it if another caller holds it. */
  async lock(limit: Limit | null): Promise<void> {
    if (this.tryLock()) return;
    const turn = new Condition();
    this.#queue.add(turn);
    try {
      // `unlock` removes a caller from the queue when it passes the lock on.
      while (this.#queue.has(turn)) await turn.wait(limit);
    } catch (error) {
      this.#queue.delete(turn);
      throw error;
    }
  }

  /** Passes the lock to the next caller, or frees it. */
  unlock(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#locked = false;
    } else {
      this.#queue.delete(next);
      next.notify();
    }
  }
}

function timedOut(): DOMException {
  return new DOMException("Timed out", "TimeoutError");
}
