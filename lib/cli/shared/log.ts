import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll, writeAllSync } from "../../runtime/write_all.ts";

/** How much is logged on standard error. */
export type LogLevel = "quiet" | "error" | "info" | "verbose" | "trace";

const LEVELS: readonly LogLevel[] = ["quiet", "error", "info", "verbose", "trace"];

/** Logs lines on standard error. */
export class Log {
  readonly #level: number;

  /** @param level The least important level that is logged */
  constructor(level: LogLevel = "info") {
    this.#level = LEVELS.indexOf(level);
  }

  /** Whether debugging lines are logged. */
  get isVerbose(): boolean {
    return this.#level >= 3;
  }

  /** Whether each message of the protocol is logged. */
  get traces(): boolean {
    return this.#level >= 4;
  }

  /** Logs why something failed. */
  error(line: string): void {
    if (this.#level >= 1) say(line);
  }

  /** Logs what the user should know. */
  info(line: string): void {
    if (this.#level >= 2) say(line);
  }

  /** Logs a debugging line; with `-v` only. */
  verbose(line: string): void {
    if (this.#level >= 3) say(`debug1: ${line}`);
  }

  /** Logs a message of the protocol; with `-vv` only. */
  trace(line: string): void {
    if (this.#level >= 4) say(`debug2: ${line}`);
  }
}

function say(line: string): void {
  writeIfRead(runtime.terminal.stderr, new TextEncoder().encode(`${line}\n`));
}

/** Writes text to standard output. */
export async function print(text: string): Promise<void> {
  await writeAll(runtime.terminal.stdout, new TextEncoder().encode(text));
}

/** Writes all of the bytes, unless the reader has gone. */
export function writeIfRead(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    writeAllSync(to, bytes);
  } catch (error) {
    if (!isError(error, "BrokenPipe")) throw error;
  }
}
