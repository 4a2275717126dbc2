import { runtime } from "../runtime/runtime.ts";

/** A terminal whose mode can be set. */
interface Mode {
  setRaw(raw: boolean): void;
}

/**
 * A terminal in raw mode, which delivers every key immediately. Disposing of it restores the mode; so
 * does the end of the program by `exit` or by an uncaught error.
 */
export function rawMode(terminal: Mode): Disposable {
  const ending = runtime.onEnd(() => terminal.setRaw(false));
  terminal.setRaw(true);
  return {
    [Symbol.dispose]() {
      ending[Symbol.dispose]();
      terminal.setRaw(false);
    },
  };
}

/** The same for standard input, if it is a terminal. */
export function rawInput(): Disposable {
  const { stdin } = runtime.terminal;
  return stdin.isTerminal() ? rawMode(stdin) : { [Symbol.dispose]() {} };
}
