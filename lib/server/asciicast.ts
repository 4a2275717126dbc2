import type { TerminalSize } from "../connection/session_requests.ts";
import type { Session } from "../session/session.ts";

/** The size of a session without a terminal, for players. */
const NO_TERMINAL = { columns: 80, rows: 24, term: "dumb" };

/** Writes the output of a session as asciicast version 2: a header, and a line for each event. */
export class Asciicast {
  readonly #writer: WritableStreamDefaultWriter<string>;
  readonly #decoder = new TextDecoder();
  readonly #start = performance.now();
  #last: Promise<void>;

  constructor(to: WritableStream<string>, session: Session) {
    this.#writer = to.getWriter();
    const { columns, rows, term } = session.pty ?? NO_TERMINAL;
    const header = {
      version: 2,
      width: columns,
      height: rows,
      timestamp: Math.floor(Date.now() / 1000),
      ...session.command !== null && { command: session.command },
      title: session.user,
      env: { TERM: term },
    };
    this.#last = this.#line(header);
    this.#last.catch(() => {});
  }

  /** Resolves when it is written. */
  async output(bytes: Uint8Array): Promise<void> {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text !== "") await this.#event("o", text);
  }

  resized({ columns, rows }: Required<TerminalSize>): void {
    this.#last = this.#event("r", `${columns}x${rows}`);
    this.#last.catch(() => {});
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#writer.close();
  }

  abort(reason: unknown): void {
    this.#writer.abort(reason).catch(() => {});
  }

  #event(kind: "o" | "r", data: string): Promise<void> {
    return this.#line([(performance.now() - this.#start) / 1000, kind, data]);
  }

  #line(value: unknown): Promise<void> {
    return this.#writer.write(`${JSON.stringify(value)}\n`);
  }
}
