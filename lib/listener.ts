/**
 * Calls a listener of the program, such as a log. Its errors and rejections are ignored, because it
 * must not affect the caller.
 */
export function tell<A extends unknown[]>(
  listener: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (listener) Promise.try(listener, ...args).catch(() => {});
}
