/**
 * Tells a listener of the program's, such as a log, which has no say in what happens: what it throws or
 * rejects with is dropped.
 */
export function tell<A extends unknown[]>(
  listener: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (listener) Promise.try(listener, ...args).catch(() => {});
}
