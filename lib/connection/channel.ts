import { MAX_CHANNEL_PACKET } from "../defaults.ts";
import { ClosedError } from "../errors.ts";
import { type SignalName, STDERR } from "../wire/numbers.ts";
import { Exec, ExitSignal, ExitStatus as ExitStatusLayout, Subsystem } from "../wire/requests.ts";
import type { ByteQueue } from "./byte_queue.ts";
import { lazyError } from "./lazy_error.ts";
import type { ChannelCore } from "./channel_core.ts";
import type { GlobalHandler } from "./global_requests.ts";
import { ChannelFile, type ChannelFileEnds, type ChannelFileOptions } from "./channel_file.ts";
import { type ChannelState, describeChannel } from "./channel_state.ts";
import { readableOf, writableOf } from "./channel_streams.ts";
import type { Exit, ExitStatus, RequestHandler } from "./request.ts";
import {
  encodeBreak,
  encodePtyRequest,
  encodeSignal,
  encodeWindowSize,
  encodeXonXoff,
  type EnvOptions,
  type PtyOptions,
  sendEnv,
  type TerminalSize,
} from "./session_requests.ts";
import type { CallOptions, Limit } from "../waiting.ts";
import type { X11Forward, X11Options } from "./x11_forward.ts";

const NOTHING = new Uint8Array(0);
/** The unspecified address, for a connection without one. */
const NO_ADDRESS: Deno.Addr = { transport: "tcp", hostname: "0.0.0.0", port: 0 };

/** Options of {@linkcode Channel.consume}. */
export interface ConsumeOptions extends CallOptions {
  /**
   * Whether each piece is a view on the module's memory, which saves a copy. It is valid only until
   * `take` returns or anything is sent, on any connection.
   */
  readonly borrowed?: boolean;
}

/** Options of {@linkcode Channel.readAll}. */
export interface ReadAllOptions extends CallOptions {
  /** The stream, `"stdout"` by default. */
  readonly stream?: "stdout" | "stderr" | undefined;
  /** Maximum number of bytes, so that endless output cannot fill the memory; unlimited by default. */
  readonly maxBytes?: number | undefined;
}

/**
 * One channel of a connection (RFC 4254 §5), a `Deno.Conn`: two inbound byte streams and one outbound,
 * under flow control. A channel that is not read stalls its own peer and no other channel.
 *
 * Calls that wait take a `signal`, and reads and writes end at {@linkcode Channel.timeout} too; the
 * streams `readable`, `stderr` and `writable` are cancelled instead.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.stdin.pipeTo(session.stdout),
 * });
 * await using channel = await pair.host.openSession();
 * await channel.shell();
 * await channel.writeAll(new TextEncoder().encode("echo"));
 * const buffer = new Uint8Array(16);
 * assertEquals(await channel.read(buffer), 4);
 * ```
 */
export class Channel implements Deno.Conn, AsyncDisposable {
  /** The channel's number on this end, small and unique on the connection. */
  readonly id: number;
  /** The type of the channel, such as `"session"`. */
  readonly type: string;
  /** A label for logs; the type and number by default. */
  name: string;
  /** Resolves when both ends have closed; rejects if the connection dies first. */
  readonly closed: Promise<void>;
  /** How the command ended; also resolves, with nulls, when the channel closes without a status. */
  readonly exitStatus: Promise<ExitStatus>;
  /** The type-specific data of the peer's open or confirmation message; empty for most types. */
  readonly extra: Uint8Array;
  /** The connection of the channel: further channels, channels that the peer opens, global requests. */
  readonly connection: ChannelOwner;

  readonly #core: ChannelCore;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  #program: string | null = null;

  /**
   * Channels are opened through a connection, not constructed.
   *
   * @ignore
   */
  constructor(core: ChannelCore, owner: ChannelOwner) {
    this.#core = core;
    this.connection = owner;
    this.id = core.opening.id;
    this.type = core.opening.type;
    this.extra = core.opening.extra;
    this.name = `${this.type} ${this.id}`;
    this.closed = core.closed;
    this.exitStatus = core.requests.exitStatus;
  }

  /** This end's address: that of the connection underneath, `0.0.0.0:0` if it has none. */
  get localAddr(): Deno.Addr {
    return this.#core.peer.localAddr ?? NO_ADDRESS;
  }

  /** The peer's address: that of the connection underneath, `0.0.0.0:0` if it has none. */
  get remoteAddr(): Deno.Addr {
    return this.#core.peer.remoteAddr ?? NO_ADDRESS;
  }

  /** Whether neither end has closed the channel. */
  get isOpen(): boolean {
    return this.#core.isOpen;
  }

  /** The current phase, windows and buffered bytes. */
  get state(): ChannelState {
    return this.#core.state;
  }

  /**
   * Milliseconds that a read or write may take before it rejects with `Deno.errors.TimedOut`. Null
   * (the default) waits without limit; 0 never waits.
   */
  get timeout(): number | null {
    return this.#core.timeout;
  }

  /** Sets the limit for later calls. */
  set timeout(milliseconds: number | null) {
    if (milliseconds !== null && !(milliseconds >= 0)) {
      throw new RangeError(`Timeout must be at least 0 ms or null, not ${milliseconds}`);
    }
    this.#core.timeout = milliseconds === Infinity ? null : milliseconds;
  }

  /** The data from the peer, as a byte stream; nothing is read ahead of the reader. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this.#core.stdout, () => this.#core.cancel());
  }

  /** The peer's standard error, as a byte stream. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { stderr } = this.#core;
    return this.#stderr ??= readableOf(stderr, () => stderr.discard());
  }

  /** The data to the peer; closing it sends EOF. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf({
      write: (chunk) => this.#core.writer.writeAll([chunk], 0, null),
      close: () => this.closeWrite(),
      abort: (reason) => this.abort(reason),
    });
  }

  /** Bytes that can be read without waiting; 0 does not mean that the channel has ended. */
  get readableBytes(): number {
    return this.#core.stdout.size;
  }

  /** Bytes of standard error that can be read without waiting. */
  get readableStderrBytes(): number {
    return this.#core.stderr.size;
  }

  /** Bytes that can be written without waiting. */
  get writableBytes(): number {
    return this.#core.writer.writableBytes;
  }

  /**
   * Waits until a read (of standard error: `"stderr"`) or write does not have to wait, because there is
   * something to do or because it fails at once.
   */
  ready(what: "read" | "stderr" | "write", options?: CallOptions): Promise<void> {
    const { stdout, stderr, writer } = this.#core;
    const source = what === "read" ? stdout : what === "stderr" ? stderr : writer;
    return this.#core.within(options, (limit) => source.ready(limit), null);
  }

  /**
   * Reads available bytes, waiting for at least one.
   *
   * @returns The number of bytes, or null at the end
   * @throws {ClosedError} If this end has closed the channel, or shut it down for reading
   */
  read(into: Uint8Array, options?: CallOptions): Promise<number | null> {
    return this.#read(this.#core.stdout, into, options);
  }

  /** Reads from standard error as {@linkcode Channel.read} does. */
  readStderr(into: Uint8Array, options?: CallOptions): Promise<number | null> {
    return this.#read(this.#core.stderr, into, options);
  }

  /** The next chunk as it arrived, owned by the caller; null at the end. */
  readChunk(options?: CallOptions): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#readChunk(this.#core.stdout, options);
  }

  /** The next chunk of standard error as it arrived, owned by the caller; null at the end. */
  readStderrChunk(options?: CallOptions): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#readChunk(this.#core.stderr, options);
  }

  /**
   * Puts bytes back, so that the next read returns them first.
   *
   * @param bytes Taken over
   * @param stream Which stream: `"stdout"` unless given
   */
  unread(bytes: Uint8Array<ArrayBuffer>, stream: "stdout" | "stderr" = "stdout"): void {
    this.#core[stream].unread(bytes);
  }

  /**
   * Reads a stream to its end, without a stream object in between.
   *
   * @throws {TypeError} If the stream has a reader
   * @throws {SshError} If more than `maxBytes` arrive
   * @throws {ClosedError} If this end has closed the channel, or shut it down for reading
   */
  async readAll(options: ReadAllOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { stream = "stdout", maxBytes = Infinity } = options;
    if ((stream === "stdout" ? this.#readable : this.#stderr)?.locked) {
      throw new TypeError(`Cannot read all of ${stream}: it has a reader`);
    }
    const core = this.#core;
    const run = (limit: Limit | null) => (core.readable(), core[stream].readAll(maxBytes, limit));
    return await core.within(options, run, null); // a timeout is for a read that waits, not for all of them
  }

  /**
   * Discards the present and future data of a stream. Reads see its end; the peer does not learn of
   * it, and writes as to /dev/null. Cancelling `readable` informs the peer, like a broken pipe.
   */
  discard(stream: "stdout" | "stderr"): void {
    this.#core[stream].discard();
  }

  /**
   * Passes data to a function as it arrives, until the end: the fastest way to read. Credit returns to
   * the peer immediately, so there is no backpressure.
   *
   * @param take Called with each piece, which is borrowed until it returns; if it throws, the rest is
   * discarded
   * @param options A signal, after which the rest is left to other reads; and `borrowed`, which saves
   * a copy
   * @returns Resolves when the peer has sent its EOF; rejects with the error of `take`
   * @throws {ClosedError} If this end has closed the channel, or shut it down for reading
   * @throws {TypeError} If it is being consumed already
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using pair = await connectedPair({
   *   handler: (session) => session.print("hello"),
   * });
   * await using channel = await pair.host.openSession();
   * await channel.shell();
   * let bytes = 0;
   * await channel.consume((piece) => bytes += piece.length);
   * assertEquals(bytes, 5);
   * ```
   */
  consume(take: (bytes: Uint8Array) => void, options: ConsumeOptions = {}): Promise<void> {
    const core = this.#core;
    const taker = options.borrowed ? take : fromScratch(take);
    const run = (limit: Limit | null) => (core.readable(), core.stdout.consume(taker, limit));
    return core.within(options, run, null); // a timeout is for a read that waits, not for all of them
  }

  /**
   * Reads available bytes, without waiting.
   *
   * @returns The number of bytes, or null at the end
   * @throws {Deno.errors.WouldBlock} If nothing is there yet
   */
  tryRead(into: Uint8Array): number | null {
    this.#core.readable();
    return this.#core.stdout.tryRead(into);
  }

  /** Reads from standard error as {@linkcode Channel.tryRead} does. */
  tryReadStderr(into: Uint8Array): number | null {
    this.#core.readable();
    return this.#core.stderr.tryRead(into);
  }

  /** The chunks up to the end, as they arrive; leaving the loop leaves the channel open. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    for (let chunk; (chunk = await this.readChunk()) !== null;) yield chunk;
  }

  /** The lines of text up to the end, without LF or CR LF. */
  lines(options?: CallOptions): AsyncIterableIterator<string> {
    return this.file().lines(options);
  }

  /**
   * Sends as much as the window allows, waiting for room for at least one byte.
   *
   * @returns The number of bytes taken
   * @throws {ClosedError} If the channel is closed for writing
   */
  write(data: Uint8Array, options?: CallOptions): Promise<number> {
    return this.#write(data, 0, options);
  }

  /** Sends on standard error, as a server does, as much as {@linkcode Channel.write} would. */
  writeStderr(data: Uint8Array, options?: CallOptions): Promise<number> {
    return this.#write(data, STDERR, options);
  }

  /**
   * Sends as much as the window allows, without waiting.
   *
   * @returns The number of bytes taken
   * @throws {Deno.errors.WouldBlock} If there is no room for a byte
   * @throws {ClosedError} If the channel is closed for writing
   */
  tryWrite(data: Uint8Array): number {
    return this.#core.writer.tryWrite(data, 0);
  }

  /**
   * Sends all of the chunks; resolves when the window and the socket have taken them.
   *
   * @throws {ClosedError} If the channel is closed for writing; `bytesWritten(error)` returns the
   * number of bytes sent before
   */
  writeAll(...chunks: Uint8Array[]): Promise<void>;
  /** Sends all of the data, within limits. */
  writeAll(data: Uint8Array, options: CallOptions): Promise<void>;
  /** Sends all of the chunks or data. */
  writeAll(...data: (Uint8Array | CallOptions)[]): Promise<void> {
    return this.#writeAll(data, 0);
  }

  /** Sends all of the chunks on standard error, as a server does. */
  writeAllStderr(...chunks: Uint8Array[]): Promise<void>;
  /** Sends all of the data on standard error, within limits. */
  writeAllStderr(data: Uint8Array, options: CallOptions): Promise<void>;
  /** Sends all of the chunks or data on standard error. */
  writeAllStderr(...data: (Uint8Array | CallOptions)[]): Promise<void> {
    return this.#writeAll(data, STDERR);
  }

  /** A buffered file, with lines, on a stream of the channel. */
  file(options: ChannelFileOptions = {}): ChannelFile {
    return new ChannelFile(this.#fileEnds(options.stream ?? "stdout"), options);
  }

  /**
   * Merges standard error into standard output, or stops merging; buffered data is moved, too.
   *
   * @returns The setting before
   */
  combineStderr(value: boolean): boolean {
    const before = this.#core.combined;
    this.#core.combined = value;
    return before;
  }

  /**
   * Ends a direction or both, by word or by the number that sockets use: 0 is `"read"`, 1 `"write"`, 2
   * `"both"`. Pending calls fail immediately; data that still arrives is discarded.
   */
  async shutdown(how: "read" | "write" | "both" | 0 | 1 | 2): Promise<void> {
    const [read, write] = DIRECTIONS[how] ?? invalid(how);
    if (read) this.#core.stopReading();
    if (write) await this.closeWrite();
  }

  /** Sends EOF after pending writes (RFC 4254 §5.3); reading continues. */
  closeWrite(): Promise<void> {
    return this.#core.sendEof();
  }

  /** Closes after pending writes; resolves when the peer has closed, too, and never rejects. */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** Closes immediately; pending reads and writes fail with the reason. */
  abort(reason?: unknown): void {
    this.#core.abort(lazyError(() => reason ?? new ClosedError("The channel was aborted")));
  }

  /** Closes immediately, without waiting for pending writes. */
  [Symbol.dispose](): void {
    this.abort();
    this.#core.close();
  }

  /**
   * Closes immediately, without waiting for pending writes. It waits for a program that has ended, so
   * that its session is free again; a running one is left to its server.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const { finished } = this.#core;
    this.abort();
    const closing = this.#core.close();
    if (finished) await closing;
  }

  /** Does nothing: the connection underneath keeps the program running. */
  ref(): void {}

  /** Does nothing: the connection underneath keeps the program running. */
  unref(): void {}

  /**
   * Sends a channel request and waits for the answer (RFC 4254 §5.4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   * @throws {ClosedError} If the channel closes first
   */
  request(type: string, data: Uint8Array = NOTHING, options: CallOptions = {}): Promise<void> {
    return this.#core.requests.request(type, data, options);
  }

  /**
   * Sends a channel request that needs no answer.
   *
   * @throws {ClosedError} If the channel is closed
   */
  notify(type: string, data: Uint8Array = NOTHING): void {
    this.#core.requests.notify(type, data);
  }

  /** Sets the handler of the peer's requests, which are answered one after the other, in order. */
  handleRequests(handler: RequestHandler): void {
    this.#core.requests.handle(handler);
  }

  /**
   * Requests a terminal for the program (RFC 4254 §6.2), before it is started. The channel survives a
   * refusal.
   *
   * @throws {RequestDeniedError} If the server refuses
   */
  async requestPty(terminal: PtyOptions & CallOptions = {}): Promise<void> {
    await this.request("pty-req", encodePtyRequest(terminal), terminal);
  }

  /** Sends the terminal's new size (RFC 4254 §6.7). */
  resizePty(size: TerminalSize): void {
    this.notify("window-change", encodeWindowSize(size));
  }

  /**
   * Sets an environment variable of the program (RFC 4254 §6.4), before it is started. Servers accept
   * the variables that they are configured for, and drop the others silently unless `strict` is set.
   *
   * @throws {RequestDeniedError} If the server refuses, with `strict`
   */
  setEnv(name: string, value: string, options: EnvOptions = {}): Promise<void> {
    return sendEnv(this, { [name]: value }, options);
  }

  /**
   * Sets environment variables as {@linkcode Channel.setEnv} does, in one round trip.
   *
   * @throws {RequestDeniedError} If the server refuses some, with `strict`; it names them
   */
  updateEnv(variables: Readonly<Record<string, string>>, options: EnvOptions = {}): Promise<void> {
    return sendEnv(this, variables, options);
  }

  /**
   * Requests X11 for the program (RFC 4254 §6.3), before it is started: its X clients connect to this
   * side, must present the cookie, and get the display's own in its place.
   *
   * @throws {RequestDeniedError} If the server refuses
   */
  requestX11(options: X11Options = {}): Promise<X11Forward> {
    return this.#core.x11().request(this, options);
  }

  /**
   * Runs a command on the channel (RFC 4254 §6.5); a channel runs one program.
   *
   * @throws {RequestDeniedError} If the server refuses
   * @throws {TypeError} If the channel runs a program already
   */
  exec(command: string, options: CallOptions = {}): Promise<void> {
    return this.#start("exec", Exec.encode({ command }), options);
  }

  /** Runs the user's shell on the channel, as {@linkcode Channel.exec} runs a command. */
  shell(options: CallOptions = {}): Promise<void> {
    return this.#start("shell", NOTHING, options);
  }

  /** Runs a subsystem on the channel, as {@linkcode Channel.exec} runs a command. */
  subsystem(name: string, options: CallOptions = {}): Promise<void> {
    return this.#start("subsystem", Subsystem.encode({ name }), options);
  }

  /** Sends a signal to the program (RFC 4254 §6.9); servers may ignore it. */
  sendSignal(signal: SignalName | `SIG${SignalName}`): void {
    this.notify("signal", encodeSignal(signal));
  }

  /**
   * Sends a break (RFC 4335).
   *
   * @param milliseconds Its duration; 0 for the device's default
   * @throws {RequestDeniedError} If the server does not support it
   */
  async sendBreak(milliseconds = 0, options: CallOptions = {}): Promise<void> {
    await this.request("break", encodeBreak(milliseconds), options);
  }

  /** Tells the client whether it may handle flow control with ^S and ^Q locally (RFC 4254 §6.8). */
  xonXoff(clientCanDo: boolean): void {
    this.notify("xon-xoff", encodeXonXoff(clientCanDo));
  }

  /**
   * Tells the peer how the program ended (RFC 4254 §6.10); servers only.
   *
   * @throws {ClosedError} If the channel is closed
   */
  sendExit(exit: Exit): void {
    if ("code" in exit) {
      this.notify("exit-status", ExitStatusLayout.encode({ status: exit.code >>> 0 }));
    } else {
      const { signal: name, coreDumped = false, message = "" } = exit;
      this.notify("exit-signal", ExitSignal.encode({ name, coreDumped, message, language: "" }));
    }
  }

  /** Whether {@linkcode Channel.exitStatus} is settled. */
  get exitStatusReady(): boolean {
    return this.#core.requests.exitKnown;
  }

  /**
   * Waits for the exit code. A command that writes more than the window ends only if its output is
   * read; `state.stalled` shows that it waits.
   *
   * @returns The code, or -1 if the channel closes without one
   */
  async recvExitStatus(options: CallOptions = {}): Promise<number> {
    return (await this.#core.requests.waitForExit(options)).code ?? -1;
  }

  /**
   * What `console.log` shows.
   *
   * @ignore
   */
  [Symbol.for("Deno.customInspect")](): string {
    return describeChannel(this);
  }

  /**
   * What `console.log` shows in Node.
   *
   * @ignore
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return describeChannel(this);
  }

  #read(queue: ByteQueue, into: Uint8Array, options?: CallOptions): Promise<number | null> {
    const core = this.#core;
    if (core.plain(options)) return queue.read(into);
    return core.within(options, (limit) => (core.readable(), queue.read(into, limit)));
  }

  #readChunk(
    queue: ByteQueue,
    options?: CallOptions,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const core = this.#core;
    if (core.plain(options)) return queue.readChunk();
    return core.within(options, (limit) => (core.readable(), queue.readChunk(limit)));
  }

  #write(data: Uint8Array, type: number, options?: CallOptions): Promise<number> {
    const { writer, timeout } = this.#core;
    if (options === undefined && timeout === null) return writer.write(data, type, null);
    return this.#core.within(options, (limit) => writer.write(data, type, limit));
  }

  #writeAll(data: readonly (Uint8Array | CallOptions)[], type: number): Promise<void> {
    const { writer, timeout } = this.#core;
    const last = data.at(-1);
    const options = last === undefined || last instanceof Uint8Array ? undefined : last;
    const chunks = (options ? data.slice(0, -1) : data) as readonly Uint8Array[];
    if (options === undefined && timeout === null) return writer.writeAll(chunks, type, null);
    return this.#core.within(options, (limit) => writer.writeAll(chunks, type, limit));
  }

  async #start(type: string, data: Uint8Array, options: CallOptions): Promise<void> {
    if (this.#program !== null) throw new TypeError(`The channel has a program: ${this.#program}`);
    this.#program = type;
    try {
      await this.request(type, data, options);
    } catch (error) {
      this.#program = null;
      throw error;
    }
  }

  #fileEnds(stream: "stdout" | "stderr" | "stdin"): ChannelFileEnds {
    const stderr = stream === "stderr";
    return {
      read: (into, options) => stderr ? this.readStderr(into, options) : this.read(into, options),
      write: (data, options = {}) =>
        stderr ? this.writeAllStderr(data, options) : this.writeAll(data, options),
      close: () => stream === "stdin" ? this.closeWrite() : Promise.resolve(),
    };
  }
}

/** A peer's request for a channel; answer it with `accept` or `reject`. */
export interface IncomingOpen {
  /** The type of the channel. */
  readonly type: string;
  /** The type-specific data after the fixed fields of the message; owned. */
  readonly data: Uint8Array;
  /**
   * Opens the channel.
   *
   * @param extra Type-specific data for the peer, which it finds in {@linkcode Channel.extra}
   * @throws {ClosedError} If the connection is over
   * @throws {RangeError} If the data is too large for a message; the channel is refused then
   */
  accept(extra?: Uint8Array): Channel;
  /** Refuses, with a reason of RFC 4254 §5.1; 1 (prohibited) by default. */
  reject(reason?: number, message?: string): void;
}

/** A connection as its channels see it, in either role (RFC 4254). */
export interface ChannelOwner {
  /** Which end this is. */
  readonly role: "client" | "server";
  /** Channels open now or being opened. */
  readonly channelCount: number;
  /**
   * The channels of other types than SSH's own that the peer requests. They are refused unless a loop
   * iterates over this property.
   */
  readonly incoming: AsyncIterable<IncomingOpen, undefined>;
  /**
   * Opens a channel of any type (RFC 4254 §5.1).
   *
   * @throws {ChannelOpenError} If the peer refuses
   */
  openChannel(
    type: string,
    options?: CallOptions & { readonly extra?: Uint8Array },
  ): Promise<Channel>;
  /**
   * Sends a global request and returns the data of the answer (RFC 4254 §4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   */
  request(type: string, data?: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /** Sends a global request that needs no answer. */
  notify(type: string, data?: Uint8Array): void;
  /** Sets the handler of the peer's global requests of a type; other types are refused. */
  handleGlobals(type: string, handler: GlobalHandler): void;
}

/** What `shutdown` ends: reading, writing. */
const DIRECTIONS: Readonly<Record<string | number, readonly [boolean, boolean]>> = {
  read: [true, false],
  write: [false, true],
  both: [true, true],
  0: [true, false],
  1: [false, true],
  2: [true, true],
};

/** A taker that gets each piece in memory that nothing else touches until it returns. */
function fromScratch(take: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  let scratch = new Uint8Array(0);
  return (bytes) => {
    if (bytes.length > scratch.length) {
      scratch = new Uint8Array(Math.max(bytes.length, MAX_CHANNEL_PACKET));
    }
    scratch.set(bytes);
    take(scratch.subarray(0, bytes.length));
  };
}

function invalid(how: unknown): never {
  throw new TypeError(`Cannot shut down "${how}": it is "read", "write" or "both"`);
}
