import { builtin } from "./builtin.ts";
import { isError } from "./errors.ts";

/**
 * Reads standard input in pieces as they arrive. Disposing leaves later input unread and lets the program
 * end. Uses Node's stream, which can stop; Deno's `read` would wait for another key and consume it.
 *
 * @param take Called with each piece; the next one is read when its promise resolves
 * @param end Called at the end of the input
 */
export function readStdin(
  take: (bytes: Uint8Array) => Promise<void>,
  end: () => void,
): Disposable {
  const { stdin } = builtin("node:process");
  let isOpen = true;
  const data = (bytes: Uint8Array) => {
    stdin.pause();
    take(bytes).then(() => isOpen && stdin.resume(), () => {});
  };
  stdin.on("data", data);
  stdin.on("end", end);
  return {
    [Symbol.dispose]() {
      isOpen = false;
      stdin.off("data", data);
      stdin.off("end", end);
      stdin.pause();
    },
  };
}

/** Standard input, if it is a pipe, as read without waiting. */
export interface StdinPipe extends Disposable {
  /** The number of bytes read; null if there are none now, which may be the end. */
  read(into: Uint8Array): number | null;
}

/** Opens a pipe on standard input a second time, on Linux; null if that is refused, as for another user's. */
export function openStdinPipe(): StdinPipe | null {
  const { closeSync, constants: { O_NONBLOCK, O_RDONLY }, openSync, readSync } = builtin("node:fs");
  let descriptor: number;
  try {
    descriptor = openSync("/dev/stdin", O_RDONLY | O_NONBLOCK);
  } catch {
    return null;
  }
  return {
    read(into) {
      try {
        return readSync(descriptor, into) || null;
      } catch (error) {
        if (isError(error, "WouldBlock")) return null;
        throw error;
      }
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}
