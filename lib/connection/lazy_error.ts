import { ClosedError } from "../errors.ts";
import { plainMessage } from "../error_messages.ts";
/**
 * An error that is created on first use. Most channels end while nothing waits for them, and the stack
 * trace of an error costs more than the rest of closing a channel.
 */
export type LazyError = () => unknown;

/** Calls `make` at most once. */
export function lazyError(make: () => unknown): LazyError {
  let made: { error: unknown } | null = null;
  return () => (made ??= { error: make() }).error;
}

/** The error for a connection that is used after its end, with the reason of the end. */
export function connectionClosed(cause: unknown): ClosedError {
  const why = cause instanceof Error ? plainMessage(cause) : "";
  if (why.startsWith("The connection ")) return new ClosedError(why, { cause });
  const reason = why && `: ${why.charAt(0).toLowerCase()}${why.slice(1)}`;
  return new ClosedError(`The connection is closed${reason}`, { cause });
}
