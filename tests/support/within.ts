/** The limit for waits that could hang, in milliseconds; far more than a busy machine needs. */
export const HANGS_MS = 120_000;

/** Awaits the promise; a time-out error names `what`. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  ms: number = HANGS_MS,
): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
