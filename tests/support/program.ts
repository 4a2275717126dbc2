import { HANGS_MS, within } from "./within.ts";

const LOG_CHARACTERS = 1024 * 1024;

/** A program that runs beside a test: its output is collected, and it ends with the test. */
export class Program implements AsyncDisposable {
  /** Resolves when it exits. */
  readonly status: Promise<Deno.CommandStatus>;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #readers: ReadableStreamDefaultReader<string>[];
  readonly #pumps: Promise<void>[];
  #log = "";
  #news = Promise.withResolvers<void>();

  /** Starts it; its standard input is empty. */
  constructor(command: string, options: Omit<Deno.CommandOptions, "stdin" | "stdout" | "stderr">) {
    this.#name = command;
    this.#child = new Deno.Command(command, {
      ...options,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.status = this.#child.status;
    this.#readers = [this.#child.stdout, this.#child.stderr]
      .map((stream) => stream.pipeThrough(new TextDecoderStream()).getReader());
    this.#pumps = this.#readers.map((reader) => this.#pump(reader));
    this.status.then(() => this.#announce());
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The newest MiB of its output so far, both streams together. */
  get log(): string {
    return this.#log;
  }

  /** Waits until the log matches. Fails with the log if the program ends or `ms` pass before. */
  async waitFor(pattern: RegExp, ms = HANGS_MS): Promise<RegExpMatchArray> {
    let ended = false;
    this.status.then(() => ended = true);
    const search = async (): Promise<RegExpMatchArray> => {
      for (;;) {
        const news = this.#news.promise;
        const match = this.#log.match(pattern);
        if (match) return match;
        if (ended) throw new Error("the program has ended");
        await news;
      }
    };
    try {
      return await within(search(), `${pattern}`, ms);
    } catch (cause) {
      throw new Error(`${this.#name} did not print ${pattern}; its log:\n${this.#log}`, { cause });
    }
  }

  /** Sends a signal; does nothing if it has ended. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // TypeError: it has ended already
    }
  }

  /** Ends it and waits for its exit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGTERM");
    try {
      await within(this.status, `The end of ${this.#name}`, 3_000);
    } catch {
      this.kill("SIGKILL");
      await this.status;
    }
    // Its children may hold the pipes open; their output is ignored.
    await Promise.all(this.#readers.map((reader) => reader.cancel()));
    await Promise.all(this.#pumps);
  }

  async #pump(reader: ReadableStreamDefaultReader<string>): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#log = (this.#log + value).slice(-LOG_CHARACTERS);
      this.#announce();
    }
  }

  #announce(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
