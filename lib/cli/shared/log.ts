import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll, writeAllSync } from "../../runtime/write_all.ts";

/** The log levels. */
export type LogLevel = "quiet" | "error" | "info" | "verbose" | "trace";

const LEVELS: readonly LogLevel[] = ["quiet", "error", "info", "verbose", "trace"];

/** Logs lines on standard error, or in a file. */
export class Log {
  readonly #level: number;
  readonly #file: LogFile | null;

  /**
   * @param level The least important level to log
   * @param file The log file; null for standard error
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

  /** Logs an information for the user. */
  info(line: string): void {
    if (this.#level >= 2) this.#say(line);
  }

  /** Logs one or more debugging lines; only with `-v`. */
  verbose(line: string): void {
    if (this.#level >= 3) this.#say(line.replace(/^/gm, "debug1: "));
  }

  /** Logs a message of the protocol; only with `-vv`. */
  trace(line: string): void {
    if (this.#level >= 4) this.#say(`debug2: ${line}`);
  }

  /** Shows a text of the server on standard error, even if the log goes to a file; not with `-q`. */
  show(line: string): void {
    if (this.#level >= 2) sayIn(runtime.terminal.stderr, line);
  }

  #say(line: string): void {
    sayIn(this.#file ?? runtime.terminal.stderr, line);
  }
}

/** A file for log lines. */
export interface LogFile {
  writeSync(bytes: Uint8Array): number;
}

/** Opens the file of `-E` for appending. */
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

/** Writes all of the bytes, unless the reader has closed the pipe. */
export function writeIfRead(to: LogFile, bytes: Uint8Array): void {
  try {
    writeAllSync(to, bytes);
  } catch (error) {
    if (!isError(error, "BrokenPipe")) throw error;
  }
}
