import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll, writeAllSync } from "../../runtime/write_all.ts";

/** How much is logged on standard error. */
export type LogLevel = "quiet" | "error" | "info" | "verbose" | "trace";

const LEVELS: readonly LogLevel[] = ["quiet", "error", "info", "verbose", "trace"];

/** Logs lines on standard error, or in a file. */
export class Log {
  readonly #level: number;
  readonly #file: LogFile | null;

  /**
   * @param level The least important level that is logged
   * @param file Where to; null for standard error
   */
  constructor(level: LogLevel = "info", file: LogFile | null = null) {
    this.#level = LEVELS.indexOf(level);
    this.#file = file;
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
    if (this.#level >= 1) this.#say(line);
  }

  /** Logs what the user should know. */
  info(line: string): void {
    if (this.#level >= 2) this.#say(line);
  }

  /** Logs a debugging line, or several; with `-v` only. */
  verbose(line: string): void {
    if (this.#level >= 3) this.#say(line.replace(/^/gm, "debug1: "));
  }

  /** Logs a message of the protocol; with `-vv` only. */
  trace(line: string): void {
    if (this.#level >= 4) this.#say(`debug2: ${line}`);
  }

  /** Shows the user a text of the server on standard error, wherever the log is; not with `-q`. */
  show(line: string): void {
    if (this.#level >= 2) sayIn(runtime.terminal.stderr, line);
  }

  #say(line: string): void {
    sayIn(this.#file ?? runtime.terminal.stderr, line);
  }
}

/** Where lines can be logged. */
export interface LogFile {
  writeSync(bytes: Uint8Array): number;
}

/** Opens the file of `-E`, to which lines are appended. */
export function openLogFile(path: string): LogFile & Disposable {
  return runtime.files.openSync(path, { append: true, create: true, mode: 0o600 });
}

function sayIn(to: LogFile, line: string): void {
  writeIfRead(to, new TextEncoder().encode(`${line}\n`));
}

/** Writes text to standard output. */
export async function print(text: string): Promise<void> {
  await writeAll(runtime.terminal.stdout, new TextEncoder().encode(text));
}

/** Writes all of the bytes, unless the reader has gone. */
export function writeIfRead(to: LogFile, bytes: Uint8Array): void {
  try {
    writeAllSync(to, bytes);
  } catch (error) {
    if (!isError(error, "BrokenPipe")) throw error;
  }
}
