import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll, writeAllSync } from "../../runtime/write_all.ts";

/** How much is said on standard error. */
export type LogLevel = "quiet" | "error" | "info" | "verbose" | "trace";

const LEVELS: readonly LogLevel[] = ["quiet", "error", "info", "verbose", "trace"];

/** What a program says on standard error, one line at a time. */
export class Log {
  readonly #level: number;

  /** @param level What is said; errors and more important things too */
  constructor(level: LogLevel = "info") {
    this.#level = LEVELS.indexOf(level);
  }

  /** Whether what helps to find a fault is said. */
  get isVerbose(): boolean {
    return this.#level >= 3;
  }

  /** Whether each message of the wire is told. */
  get traces(): boolean {
    return this.#level >= 4;
  }

  /** Why it failed. */
  error(line: string): void {
    if (this.#level >= 1) say(line);
  }

  /** What the user should know. */
  info(line: string): void {
    if (this.#level >= 2) say(line);
  }

  /** What helps to find a fault; with `-v` only. */
  verbose(line: string): void {
    if (this.#level >= 3) say(`debug1: ${line}`);
  }

  /** A message of the wire; with `-vv` only. */
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
