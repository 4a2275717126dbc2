import type { Channel } from "../connection/channel.ts";
import type { ExitStatus } from "../connection/request.ts";
import { MAX_OUTPUT } from "../defaults.ts";
import type { SignalName } from "../wire/numbers.ts";
import { onAbort } from "../waiting.ts";
import type { TerminalSize } from "../connection/session_requests.ts";

/** A signal's name with or without SIG (RFC 4254 §6.10). */
export type Signal = `SIG${SignalName}` | SignalName;

/** All that a finished command left, in the shape of Deno's `CommandOutput`. */
export interface CommandOutput extends ExitStatus {
  /** What it wrote to its standard output. */
  readonly stdout: Uint8Array<ArrayBuffer>;
  /** What it wrote to its standard error. */
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** Where the streams of a process go. */
export interface ProcessOptions {
  /** `"null"` throws standard output away. */
  readonly stdout?: "piped" | "null" | undefined;
  /** `"null"` throws standard error away, `"merge"` sends it the way of standard output. */
  readonly stderr?: "piped" | "null" | "merge" | undefined;
  /** Ends the process when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes that `output()` collects from each stream at most. */
  readonly maxOutput?: number | undefined;
}

/**
 * A remote command that runs, shaped as `Deno.ChildProcess`. A stream that is not read stalls the
 * command once the channel's window is full, exactly as a pipe does.
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
 * for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) text += part;
 * assertEquals(text, "through the wire");
 * assertEquals((await process.status).code, 0);
 * ```
 */
export class Process implements AsyncDisposable {
  /** The channel that the command runs on. */
  readonly channel: Channel;
  /** How the command ended; all nulls if the channel closed without a status. */
  readonly status: Promise<ExitStatus>;
  readonly #options: ProcessOptions;

  /** Processes are started with `command().spawn()` or `shell()`, not constructed. */
  constructor(channel: Channel, options: ProcessOptions = {}) {
    this.channel = channel;
    this.#options = options;
    const aborting = onAbort(options.signal, (reason) => {
      if (channel.isOpen) this.kill("TERM");
      channel.abort(reason);
    });
    if (options.stderr === "null") channel.discard("stderr");
    this.status = channel.exitStatus;
    const done = () => aborting[Symbol.dispose]();
    channel.closed.then(done, done);
  }

  /** The command's standard input; closing it sends EOF. */
  get stdin(): WritableStream<Uint8Array> {
    return this.channel.writable;
  }

  /** The command's standard output. */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.channel.readable;
  }

  /** The command's standard error. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.channel.stderr;
  }

  /**
   * Reads both streams to their ends.
   *
   * @throws {TypeError} If a stream has a reader
   * @throws {SshError} If a stream is longer than `maxOutput` bytes
   */
  async output(): Promise<CommandOutput> {
    const { maxOutput: maxBytes = MAX_OUTPUT } = this.#options;
    const [stdout, stderr, status] = await Promise.all([
      this.channel.readAll({ stream: "stdout", maxBytes }),
      this.channel.readAll({ stream: "stderr", maxBytes }),
      this.status,
    ]).catch((error) => {
      this.channel.abort(error);
      throw error;
    });
    return { ...status, stdout, stderr };
  }

  /** Sends a signal to the command (RFC 4254 §6.9); servers may ignore it. */
  kill(signal: Signal = "TERM"): void {
    this.channel.sendSignal(signal);
  }

  /** Tells the terminal's new size (RFC 4254 §6.7). */
  resize(size: TerminalSize): void {
    this.channel.resizePty(size);
  }

  /** Closes the channel; the server hangs up on a command that still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }
}
