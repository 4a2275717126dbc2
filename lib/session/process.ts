import { TextLineStream } from "@std/streams";
import type { Channel } from "../connection/channel.ts";
import type { ExitStatus } from "../connection/request.ts";
import { KILL_GRACE_MS, MAX_OUTPUT } from "../defaults.ts";
import { checkChunk } from "../option_checks.ts";
import type { SignalName } from "../wire/numbers.ts";
import { runtime } from "../runtime/runtime.ts";
import { type CallOptions, onAbort, onTimeout } from "../waiting.ts";
import { drain } from "../runtime/drain.ts";
import { attachChannel } from "./attach.ts";
import { Expecter, type ExpectOptions } from "./expect.ts";
import type { Pattern, PatternMatch } from "./pattern_search.ts";
import { watchStall } from "./stall.ts";
import { encodeSignal, type TerminalSize } from "../connection/session_requests.ts";

/** A signal's name with or without SIG (RFC 4254 §6.10). */
export type Signal = `SIG${SignalName}` | SignalName;

/** The result of a finished command, in the shape of Deno's `CommandOutput`. */
export interface CommandOutput extends ExitStatus {
  /** Its standard output. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** Its standard error. */
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** Options for the streams of a process. */
export interface ProcessOptions {
  /** `"null"` discards standard output, `"inherit"` writes it to this program's. */
  readonly stdout?: "piped" | "null" | "inherit" | undefined;
  /**
   * `"null"` discards standard error, `"merge"` adds it to standard output, `"inherit"` writes it to
   * this program's.
   */
  readonly stderr?: "piped" | "null" | "merge" | "inherit" | undefined;
  /** Ends the process when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the process is ended, with a `TimeoutError`; no limit by default. */
  readonly timeout?: number | undefined;
  /** Maximum bytes that `output()` collects from each stream; 256 MiB by default. */
  readonly maxOutput?: number | undefined;
}

/** Options that the process was started with. */
interface StartedOptions extends ProcessOptions {
  /** Its terminal, if it has one. */
  readonly pty?: unknown;
}

/**
 * A running remote command, shaped like `Deno.ChildProcess`. Its two outputs share the channel's
 * window, 2 MiB at first: an output that is not read stalls the command once it has filled the window,
 * like a full pipe. If this is standard error and the property `stderr` was never read, the command is
 * ended after 5 to 10 s with an error that says so. Programs that read only standard output use `stderr:
 * "null"` or `"merge"`.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.stdin.pipeTo(session.stdout),
 * });
 * await using process = await pair.host.command("cat").spawn();
 * const writer = process.stdin.getWriter();
 * await writer.write(new TextEncoder().encode("through the wire"));
 * await writer.close();
 * let text = "";
 * for await (
 *   const part of process.stdout.pipeThrough(new TextDecoderStream())
 * ) text += part;
 * assertEquals(text, "through the wire");
 * assertEquals((await process.status).code, 0);
 * ```
 */
export class Process implements AsyncDisposable {
  /** The channel that the command runs on. */
  readonly channel: Channel;
  /** The exit status; all null if the channel closed without one. */
  readonly status: Promise<ExitStatus>;
  readonly #options: StartedOptions;
  /** Resolves when inherited output is copied. */
  readonly #inherited: Promise<void>;
  #stdin: WritableStream<Uint8Array> | null = null;
  #killing: Disposable | null = null;
  /** Checks for a stall while standard error is not read; undefined before, null if not needed. */
  #watching: Disposable | null | undefined;
  readonly #expecters: Partial<Record<"stdout" | "stderr", Expecter>> = {};

  /**
   * Processes are started with `command().spawn()` or `shell()`, not constructed.
   *
   * @ignore
   */
  constructor(channel: Channel, options: StartedOptions = {}) {
    this.channel = channel;
    this.#options = options;
    const { signal, timeout, stdout, stderr } = options;
    const end = (reason: unknown) => this.#end(reason);
    const aborting = onAbort(signal, end);
    const late = onTimeout(timeout, () => {
      const message = `The command did not end within ${timeout} ms, and was ended`;
      end(new DOMException(message, "TimeoutError"));
    });
    if (stderr === "null") channel.discard("stderr");
    this.#inherited = Promise.all([
      stdout === "inherit" && drain((into) => channel.read(into), runtime.terminal.stdout),
      stderr === "inherit" && drain((into) => channel.readStderr(into), runtime.terminal.stderr),
    ]).then(() => {});
    this.#inherited.catch(() => {});
    this.status = channel.exitStatus;
    const done = () => {
      aborting[Symbol.dispose]();
      late[Symbol.dispose]();
      this.#killing?.[Symbol.dispose]();
      this.#stopWatching();
    };
    channel.closed.then(done, done);
  }

  /**
   * The command's standard input; closing or aborting it sends EOF. As with a pipe, the command's
   * output and status still arrive after an abort. A chunk that is not a `Uint8Array` ends the command.
   */
  get stdin(): WritableStream<Uint8Array> {
    const { channel } = this;
    return this.#stdin ??= new WritableStream({
      write: (chunk, { signal }) => {
        try {
          checkChunk(chunk);
        } catch (error) {
          this.#end(error); // a stream that has failed cannot send EOF, for which the command would wait
          throw error;
        }
        return channel.writeAll(chunk, { signal });
      },
      close: () => channel.closeWrite(),
      abort: () => channel.closeWrite(),
    });
  }

  /**
   * The command's standard output, a byte stream. Each chunk of a default reader is new memory, of which
   * the engine may keep 64 MB before it is collected; a BYOB reader reuses its own.
   *
   * @throws {TypeError} If it is inherited
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#mustBePiped("stdout");
    if ((this.#options.stderr ?? "piped") === "piped" && this.channel.isOpen) {
      if (this.#watching === undefined) {
        this.#watching = watchStall(this.channel, (error) => this.#end(error));
      }
    }
    return this.channel.readable;
  }

  /**
   * The command's standard error.
   *
   * @throws {TypeError} If it is inherited
   */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#mustBePiped("stderr");
    this.#stopWatching();
    return this.channel.stderr;
  }

  /** The lines of standard output, as they arrive, without LF or CR LF. */
  lines(): ReadableStream<string> {
    return linesOf(this.stdout);
  }

  /** The lines of standard error, as they arrive, without LF or CR LF. */
  stderrLines(): ReadableStream<string> {
    return linesOf(this.stderr);
  }

  /**
   * Sends text or bytes to standard input, which stays open; at a terminal, a line ends with `"\n"`.
   *
   * @throws {ClosedError} If the channel is closed for writing
   */
  send(data: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return this.channel.writeAll(bytes, options);
  }

  /**
   * Waits until one of the patterns appears in the output, read as UTF-8; of several, the first match
   * counts. Output after the match is left to the next call, and to `stdout`, `lines()` and
   * `output()`. Nothing is read between calls.
   *
   * A regular expression is matched against the output so far, so `$` is its current end; it sees at
   * least the last 8,192 characters. Its flags `g` and `y` have no effect.
   *
   * @throws {ExpectError} If none appears in time, or the output ends; the error has the last output
   * @throws {TypeError} If the output is inherited, has a reader, or another call waits for it
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using pair = await connectedPair({
   *   handler: async (session) => {
   *     await session.print("Your name? ");
   *     for await (const line of session.channel.lines()) {
   *       await session.print(`Hello ${line}!\n$ `);
   *     }
   *   },
   * });
   * await using shell = await pair.host.shell();
   * await shell.expect("name? ");
   * await shell.send("Ann\n");
   * const { captures } = await shell.expect(/Hello (\w+)/, { timeout: 5_000 });
   * assertEquals(captures, ["Ann"]);
   * const { before, index } = await shell.expect(["# ", "$ "]);
   * assertEquals([before, index], ["!\r\n", 1]);
   * ```
   */
  // deno-lint-ignore require-await -- what is wrong with the options is a rejection
  async expect(
    patterns: Pattern | readonly Pattern[],
    options: ExpectOptions = {},
  ): Promise<PatternMatch> {
    const { stream = "stdout" } = options;
    if (this[stream].locked) throw new TypeError(`Cannot expect: "${stream}" has a reader`);
    const expecter = this.#expecters[stream] ??= new Expecter(this.channel, stream);
    return expecter.expect(patterns, options);
  }

  /**
   * Connects the process with the terminal of this program, as `ssh -t` does, until it ends: keys are
   * sent as they are typed, and its terminal follows the size of this one. The terminal is restored
   * after an error, a signal or an exit of this program. Without a terminal on the server (`pty:
   * false`) or on this side, input is sent line by line.
   *
   * @returns How the process ended
   * @throws {InterruptedError} If this program gets SIGINT, SIGTERM, SIGHUP or SIGQUIT in the meantime
   * @throws {TypeError} If an output is inherited or has a reader
   *
   * @example
   * ```ts ignore
   * import { connect } from "@denossh/ssh";
   *
   * await using host = await connect("db1");
   * await using shell = await host.shell();
   * const { code } = await shell.attach();
   * ```
   */
  // deno-lint-ignore require-await -- what is wrong with the streams is a rejection
  async attach(options: CallOptions = {}): Promise<ExitStatus> {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this[stream].locked) throw new TypeError(`Cannot attach: "${stream}" has a reader`);
    }
    return attachChannel(this.channel, Boolean(this.#options.pty), options);
  }

  /**
   * Reads both streams to their ends; an inherited one is empty in the result.
   *
   * @throws {TypeError} If a stream has a reader
   * @throws {SshError} If a stream is longer than `maxOutput` bytes
   */
  async output(): Promise<CommandOutput> {
    const { maxOutput: maxBytes = MAX_OUTPUT } = this.#options;
    const read = (stream: "stdout" | "stderr") =>
      this.#options[stream] === "inherit"
        ? this.#inherited.then(() => new Uint8Array(0))
        : this.channel.readAll({ stream, maxBytes });
    const [stdout, stderr, status] = await Promise.all([
      read("stdout"),
      read("stderr"),
      this.status,
    ]).catch((error) => {
      this.channel.abort(error);
      throw error;
    });
    return { ...status, stdout, stderr };
  }

  /**
   * Sends a signal to the command (RFC 4254 §6.9). Servers may ignore it: then TERM and KILL close the
   * channel after 5 s, which ends the wait for `status`.
   */
  kill(signal: Signal = "TERM"): void {
    const { channel } = this;
    if (!/^(SIG)?(TERM|KILL)$/.test(signal) || !channel.isOpen) return channel.sendSignal(signal);
    this.#killing ??= onTimeout(KILL_GRACE_MS, () => void channel.close());
    // The RFC has no reply to signals, but servers send one: success means that the command got the signal.
    channel.request("signal", encodeSignal(signal)).then(() => {
      this.#killing?.[Symbol.dispose]();
      this.#killing = null;
    }, () => {});
  }

  /** Sends the terminal's new size (RFC 4254 §6.7). */
  resize(size: TerminalSize): void {
    this.channel.resizePty(size);
  }

  /** Ends the command if it is still running, and closes the channel. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { channel } = this;
    if (channel.isOpen && !channel.exitStatusReady) channel.sendSignal("TERM");
    await channel[Symbol.asyncDispose]();
  }

  #end(reason: unknown): void {
    const { channel } = this;
    if (channel.isOpen) channel.sendSignal("TERM");
    channel.abort(reason);
  }

  #stopWatching(): void {
    this.#watching?.[Symbol.dispose]();
    this.#watching = null;
  }

  #mustBePiped(stream: "stdout" | "stderr"): void {
    if (this.#options[stream] !== "inherit") return;
    throw new TypeError(`Cannot get "${stream}": it is inherited, not piped`);
  }
}

function linesOf(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}
