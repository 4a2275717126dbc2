import { runtime } from "../runtime/runtime.ts";

/** Events after which a program may end without its `finally` blocks. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/**
 * Standard input as the terminal gives it, every key at once. Disposing restores it; so does an end of the
 * program by `exit` or by an error that is not caught.
 */
export function rawInput(): Disposable {
  const { stdin } = runtime.terminal;
  if (!stdin.isTerminal()) return { [Symbol.dispose]() {} };
  const ended = ({ defaultPrevented }: { readonly defaultPrevented: boolean }) => {
    if (!defaultPrevented) stdin.setRaw(false);
  };
  for (const end of ENDS) globalThis.addEventListener(end, ended);
  stdin.setRaw(true);
  return {
    [Symbol.dispose]() {
      for (const end of ENDS) globalThis.removeEventListener(end, ended);
      stdin.setRaw(false);
    },
  };
}
