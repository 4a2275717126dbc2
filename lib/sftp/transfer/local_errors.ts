/**
 * Runs an operation on an open local file. The runtime's errors about open files do not name a path, which
 * a user who copies a thousand files needs; this adds it.
 */
export async function withPathInError<T>(
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
