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
  writeAllSync(Deno.stderr, new TextEncoder().encode(`${line}\n`));
}

/** Writes all of the bytes. */
export function writeAllSync(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array) {
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch (error) {
    // Nobody reads any more what the program has to say.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
