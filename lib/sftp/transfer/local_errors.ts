import { isPlatformError, systemReason } from "../../runtime/errors.ts";

/**
 * Runs an operation on a local file. The runtime's errors about open files name no path, and others the hidden
 * name of a file that is not complete yet; theirs names the file that the user knows, and the side.
 */
export async function onThisMachine<T>(
  operation: string,
  path: string,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    // Some are plain errors, such as that of a disk that cannot be read.
    const isOurs = isPlatformError(cause) || (cause instanceof Error && cause.name === "Error");
    if (isOurs && !cause.message.includes(" on this machine: ")) {
      cause.message = `Cannot ${operation} "${path}" on this machine: ${systemReason(cause)}`;
    }
    throw cause;
  }
}
