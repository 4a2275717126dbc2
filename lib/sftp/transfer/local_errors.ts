import { isPlatformError, systemReason } from "../../runtime/errors.ts";

/**
 * Runs an operation on a local file. Errors of the runtime name no path, or the hidden name of an
 * incomplete file; they are converted to name the path that the user knows, and the side.
 */
export async function onThisMachine<T>(
  operation: string,
  path: string,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    // Some have no class of `Deno.errors`, for example when the disk cannot be read.
    const isOurs = isPlatformError(cause) || (cause instanceof Error && cause.name === "Error");
    if (isOurs && !cause.message.includes(" on this machine: ")) {
      cause.message = `Cannot ${operation} "${path}" on this machine: ${systemReason(cause)}`;
    }
    throw cause;
  }
}
