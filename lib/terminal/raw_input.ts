import { runtime } from "../runtime/runtime.ts";

/** Events after which a program may end without its `finally` blocks. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/** A terminal whose mode can be set. */
interface Mode {
  setRaw(raw: boolean): void;
}

/**
 * A terminal that gives every key at once. Disposing restores it; so does an end of the program by `exit` or
 * by an error that is not caught.
 */
export function rawMode(terminal: Mode): Disposable {
  const ended = ({ defaultPrevented }: { readonly defaultPrevented: boolean }) => {
    if (!defaultPrevented) terminal.setRaw(false);
  };
  for (const end of ENDS) globalThis.addEventListener(end, ended);
  terminal.setRaw(true);
  return {
    [Symbol.dispose]() {
      for (const end of ENDS) globalThis.removeEventListener(end, ended);
      terminal.setRaw(false);
    },
  };
}

/** The same of standard input, if it is a terminal. */
export function rawInput(): Disposable {
  const { stdin } = runtime.terminal;
  return stdin.isTerminal() ? rawMode(stdin) : { [Symbol.dispose]() {} };
}
