import { ClosedError } from "../errors.ts";
import { STDERR } from "../wire/numbers.ts";
import { ExitSignal, ExitStatus as ExitStatusLayout } from "../wire/requests.ts";
import type { ChannelCore } from "./channel_core.ts";
import type { Exit, ExitStatus, RequestHandler } from "./request.ts";
import { readableOf, writableOf } from "./channel_streams.ts";

const NOTHING = new Uint8Array(0);

/**
 * One channel of a connection (RFC 4254 §5), shaped like a socket: two byte streams towards us and
 * one away, under exact flow control. An unread channel stalls its peer and nobody else.
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
 * await channel.request("shell");
 * await channel.writeAll(new TextEncoder().encode("echo"));
 * const buffer = new Uint8Array(16);
 * assertEquals(await channel.read(buffer), 4);
 * ```
 */
export class Channel implements AsyncDisposable {
  /** The channel's number on this end, small and unique on the connection. */
  readonly id: number;
  /** The type it was opened with, such as `"session"`. */
  readonly type: string;
  /** Resolves when both ends have closed; rejects if the connection dies first. */
  readonly closed: Promise<void>;
  /** How the command ended; also resolves, with nulls, when the channel closes without a status. */
  readonly exitStatus: Promise<ExitStatus>;

  readonly #core: ChannelCore;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #stderr: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** Channels are opened through a connection, not constructed. */
  constructor(core: ChannelCore) {
    this.#core = core;
    this.id = core.opening.id;
    this.type = core.opening.type;
    this.closed = core.closed;
    this.exitStatus = core.exitStatus;
  }

  /** Whether neither end has closed the channel. */
  get isOpen(): boolean {
    return this.#core.isOpen;
  }

  /** What the peer sends, as a byte stream; nothing is read ahead of the reader. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this.#core.stdout);
  }

  /** The peer's standard error, as a byte stream. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stderr ??= readableOf(this.#core.stderr);
  }

  /** What goes to the peer; closing it sends EOF. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf({
      write: (chunk) => this.writeAll(chunk),
      close: () => this.closeWrite(),
      abort: (reason) => this.abort(reason),
    });
  }

  /**
   * Reads what is there, waiting for at least a byte.
   *
   * @returns The number of bytes, or null at the end
   */
  read(into: Uint8Array): Promise<number | null> {
    return this.#core.stdout.read(into);
  }

  /** Reads from standard error as {@linkcode Channel.read} does. */
  readStderr(into: Uint8Array): Promise<number | null> {
    return this.#core.stderr.read(into);
  }

  /** The next chunk as it came, owned by the caller; null at the end. */
  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#core.stdout.readChunk();
  }

  /** The next chunk of standard error as it came, owned by the caller; null at the end. */
  readStderrChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#core.stderr.readChunk();
  }

  /**
   * Sends as much as the window allows, waiting for room for at least a byte.
   *
   * @returns The number of bytes taken
   * @throws {ClosedError} If the channel is closed for writing
   */
  write(data: Uint8Array): Promise<number> {
    return this.#core.write(data);
  }

  /**
   * Sends all of the chunks; resolves when the window and the socket have taken them.
   *
   * @throws {ClosedError} If the channel is closed for writing
   */
  writeAll(...chunks: Uint8Array[]): Promise<void> {
    return this.#core.writeAll(chunks, 0);
  }

  /** Sends all of the chunks on standard error, as a server does. */
  writeAllStderr(...chunks: Uint8Array[]): Promise<void> {
    return this.#core.writeAll(chunks, STDERR);
  }

  /** Sends EOF after what is being written (RFC 4254 §5.3); reading goes on. */
  closeWrite(): Promise<void> {
    return this.#core.sendEof();
  }

  /** Closes after what is being written; resolves when the peer has closed too. */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** Closes at once; reads and writes under way fail with the reason. */
  abort(reason: unknown = new ClosedError("The channel was aborted")): void {
    this.#core.abort(reason);
  }

  /** Closes at once, without waiting for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#core.close();
  }

  /**
   * Sends a channel request and waits for the answer (RFC 4254 §5.4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   * @throws {ClosedError} If the channel closes first
   */
  request(type: string, data: Uint8Array = NOTHING): Promise<void> {
    return this.#core.request(type, data);
  }

  /**
   * Sends a channel request that needs no answer.
   *
   * @throws {ClosedError} If the channel is closed
   */
  notify(type: string, data: Uint8Array = NOTHING): void {
    this.#core.notify(type, data);
  }

  /** Who answers the peer's requests; they are answered one after the other, in order. */
  handleRequests(handler: RequestHandler): void {
    this.#core.handleRequests(handler);
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
}
