import { builtin } from "./builtin.ts";

/**
 * Gives standard input as it comes, a piece after the other. Disposing leaves what comes then to others,
 * and lets the program end: Deno's own `read` would wait for a key, and swallow it. Node's stream can stop.
 *
 * @param take Gets each piece; the next one is read when its promise is resolved
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
