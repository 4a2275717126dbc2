/** A terminal that a test types on, instead of this process's terminal. */
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "./replaced.ts";

/** Replaces the standard streams, the terminal's size and the signals until it is disposed. */
export class FakeTerminal implements Disposable {
  /** Whether the terminal is in raw mode; every change is in `modes`. */
  readonly modes: boolean[] = [];
  /** The text written to standard output and standard error. */
  readonly written: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
  /** The text that is typed when a question is asked, in pieces. */
  readonly answers: string[] = [];
  size: { columns: number; rows: number } = { columns: 100, rows: 40 };
  readonly #restore = new DisposableStack();
  readonly #signals: [Deno.Signal, () => void][] = [];
  #input: { take(bytes: Uint8Array): Promise<void>; end(): void } | null = null;

  constructor({ isTerminal = true } = {}) {
    const { terminal, process } = runtime;
    const stdin = {
      isTerminal: () => isTerminal,
      setRaw: (raw: boolean) => this.modes.push(raw),
      read: (into: Uint8Array) => {
        const keys = this.answers.shift();
        return Promise.resolve(
          keys === undefined ? null : new TextEncoder().encodeInto(keys, into).written,
        );
      },
    };
    const replace: typeof replaced = (target, name, value) =>
      this.#restore.use(replaced(target, name, value));
    replace(terminal, "stdin", stdin as unknown as typeof terminal.stdin);
    replace(terminal, "stdout", this.#output("stdout"));
    replace(terminal, "stderr", this.#output("stderr"));
    replace(terminal, "consoleSize", () => this.size);
    replace(terminal, "readStdin", (take, end) => {
      this.#input = { take, end };
      return { [Symbol.dispose]: () => void (this.#input = null) };
    });
    replace(process, "addSignalListener", (signal, run) => void this.#signals.push([signal, run]));
    replace(process, "removeSignalListener", (signal, run) => {
      const at = this.#signals.findIndex(([name, other]) => name === signal && other === run);
      this.#signals.splice(at, 1);
    });
  }

  /** Signals that have a listener. */
  get signals(): Deno.Signal[] {
    return this.#signals.map(([name]) => name);
  }

  /** Whether standard input is being read. */
  get isRead(): boolean {
    return this.#input !== null;
  }

  /** Types text; resolves when it has been read. */
  async type(text: string): Promise<void> {
    await this.#input!.take(new TextEncoder().encode(text));
  }

  /** Ends standard input. */
  endInput(): void {
    this.#input!.end();
  }

  /** Sends this process a signal. */
  signal(signal: Deno.Signal): void {
    for (const [name, run] of this.#signals) if (name === signal) run();
  }

  [Symbol.dispose](): void {
    this.#restore.dispose();
  }

  #output(name: "stdout" | "stderr"): typeof runtime.terminal.stdout {
    const write = (bytes: Uint8Array) => {
      this.written[name] += new TextDecoder().decode(bytes);
      return bytes.length;
    };
    const output = {
      write: (bytes: Uint8Array) => Promise.resolve(write(bytes)),
      writeSync: write,
    };
    return { ...output, isTerminal: () => true, close: () => {} };
  }
}
