import { runtime } from "../../runtime/runtime.ts";

const CLEAR_LINE = "\r\x1b[K";

/** Shows how many hosts are done, on a line of standard error that is redrawn; only on a terminal. */
export class ProgressLine implements Disposable {
  readonly #total: number;
  readonly #shown: boolean;
  #done = 0;
  #failed = 0;

  constructor(total: number, { quiet }: { readonly quiet: boolean }) {
    this.#total = total;
    this.#shown = !quiet && runtime.terminal.stderr.isTerminal();
    this.#draw();
  }

  /** Counts a host. */
  ended(success: boolean): void {
    this.#done++;
    if (!success) this.#failed++;
    this.#draw();
  }

  /** Writes something else, and redraws the line below it. */
  around(write: () => void): void {
    this.#write(CLEAR_LINE);
    write();
    this.#draw();
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    this.#write(CLEAR_LINE);
  }

  #draw(): void {
    const failed = this.#failed > 0 ? `, ${this.#failed} failed` : "";
    this.#write(`${CLEAR_LINE}${this.#done} of ${this.#total} hosts${failed}`);
  }

  #write(text: string): void {
    if (this.#shown) runtime.terminal.stderr.writeSync(new TextEncoder().encode(text));
  }
}
