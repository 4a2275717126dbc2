/**
 * An error that is made when it is first asked for. Most channels end while nothing waits for them, and an
 * error takes its stack trace when it is made: that costs more than the rest of closing a channel.
 */
export type LazyError = () => unknown;

/** Calls `make` at most once. */
export function lazyError(make: () => unknown): LazyError {
  let made: { error: unknown } | null = null;
  return () => (made ??= { error: make() }).error;
}
