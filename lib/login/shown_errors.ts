import { printable } from "../errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";

/**
 * Milliseconds for a command to end, or for its remaining messages to arrive, after its output has
 * ended.
 */
export const ENDING_MS = 1000;

/** Characters of standard error kept for messages. */
const LAST_CHARS = 1000;

/** A command's standard error, which is shown as it arrives. */
export class ShownErrors {
  /** Resolves when all of it has been shown. */
  readonly shown: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #last = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.shown = this.#show().catch(() => {}); // standard error may be closed
  }

  /** The last non-blank line. */
  get lastLine(): string {
    return printable(this.#last.split("\n").findLast((line) => line.trim() !== "")?.trim() ?? "");
  }

  /** Stops showing it: another program may have inherited it, and stay. */
  async end(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.shown;
  }

  async #show(): Promise<void> {
    const decoder = new TextDecoder();
    for (let read; !(read = await this.#reader.read()).done;) {
      this.#last = (this.#last + decoder.decode(read.value, { stream: true })).slice(-LAST_CHARS);
      await writeAll(runtime.terminal.stderr, read.value);
    }
  }
}
