/**
 * Runs an operation on an open local file. Errors of such name no path, and a user with a thousand files
 * wants to know which disk is full.
 */
export async function naming<T>(
  operation: string,
  path: string,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof Error && !cause.message.includes(path)) {
      cause.message = `Cannot ${operation} "${path}": ${cause.message}`;
    }
    throw cause;
  }
}
