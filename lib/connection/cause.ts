/**
 * Why something ended, told to who asks. Most channels end with nobody waiting, and an error takes its
 * stack trace when it is made: that costs more than the rest of closing a channel.
 */
export type Cause = () => unknown;

/** The error of the function, made when the first asks. */
export function causeOf(make: () => unknown): Cause {
  let made: { error: unknown } | null = null;
  return () => (made ??= { error: make() }).error;
}
