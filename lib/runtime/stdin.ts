import { builtin } from "./builtin.ts";

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
