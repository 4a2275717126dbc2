/**
 * Calls a listener of the program, such as a log, and ignores its errors and rejections.
 */
export function tell<A extends unknown[]>(
  listener: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (listener) Promise.try(listener, ...args).catch(() => {});
}
