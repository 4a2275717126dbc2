/** What may cut a wait short. */
export interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  /** The error of a wait that took too long. */
  readonly late?: () => Error;
}

/** Waits for a promise, an abort or a time-out; what comes of the promise afterwards is ignored. */
export async function cancellable<T>(
  promise: Promise<T>,
  { signal, timeout, late = () => new DOMException("Timed out", "TimeoutError") }: Limits,
): Promise<T> {
  if (!signal && timeout === undefined) return await promise;
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal!.reason);
  const timer = timeout === undefined ? undefined : setTimeout(() => reject(late()), timeout);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    return await Promise.race([promise, cancelled]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
