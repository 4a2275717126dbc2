import { runtime } from "../runtime/runtime.ts";

/** Standard input as the terminal gives it, every key at once; disposing restores it. */
export function rawInput(): Disposable {
  if (!runtime.terminal.stdin.isTerminal()) return { [Symbol.dispose]() {} };
  const restore = () => runtime.terminal.stdin.setRaw(false);
  // An exit of the process runs no finally blocks, but it does this.
  globalThis.addEventListener("unload", restore);
  runtime.terminal.stdin.setRaw(true);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("unload", restore);
      restore();
    },
  };
}
