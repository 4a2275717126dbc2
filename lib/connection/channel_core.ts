import { ClosedError, ProtocolError } from "../errors.ts";
import { ChannelClose, ChannelEof } from "../wire/messages.ts";
import { STDERR } from "../wire/numbers.ts";
import { ByteQueue } from "./byte_queue.ts";
import { connectionClosed, type LazyError, lazyError } from "./lazy_error.ts";
import type { ChunkMemory } from "./chunk_memory.ts";
import { ChannelRequests } from "./channel_requests.ts";
import type { ChannelState } from "./channel_state.ts";
import { ChannelWriter, type WriterHost, type WriterOpening } from "./channel_writer.ts";
import { type CallOptions, type Limit, limitOf } from "../waiting.ts";
import { platformError } from "../runtime/errors.ts";
import type { X11Forwards } from "./x11_forwards.ts";
import { ReceiveWindow, type WindowBudget } from "./window.ts";

/** The parts of a connection that its channels use. */
export interface ChannelHost extends WriterHost {
  sendWindowAdjust(recipient: number, bytes: number): void;
  /** Bytes that have arrived after the message being handled. */
  readonly ahead: number;
  /** Allocates the chunks of copied data. */
  readonly memory: ChunkMemory;
  released(channel: ChannelCore): void;
  /** The X11 forwarding of the sessions. */
  x11(): X11Forwards;
}

/** The parameters of an open channel. */
export interface ChannelOpening extends WriterOpening {
  readonly type: string;
  readonly id: number;
  /** The type-specific data of the peer's message. */
  readonly extra: Uint8Array;
  readonly receiveWindow: number;
  readonly openedBy: "us" | "peer";
  /** Measures the path, from which the receive window grows; null keeps its size. */
  readonly budget: WindowBudget | null;
  /** Maximum data in one packet from the peer. */
  readonly maxReceive: number;
}

/** Properties of the peer. */
export interface ChannelPeer {
  readonly localAddr: Deno.Addr | null;
  readonly remoteAddr: Deno.Addr | null;
  /** Whether it supports OpenSSH's extensions; other peers may end the connection on receiving one. */
  readonly openssh: boolean;
}

const CLOSED = "The channel is closed";
const UNREAD = "The peer reads no more of the channel";
const NOTHING = new Uint8Array(0);

/**
 * The protocol of one channel (RFC 4254 §5): windows, EOF and CLOSE. The connection calls `receive…`;
 * `Channel` is its public API.
 */
export class ChannelCore {
  readonly opening: ChannelOpening;
  readonly stdout: ByteQueue;
  readonly stderr: ByteQueue;
  readonly writer: ChannelWriter;
  readonly requests: ChannelRequests;
  /** Properties of the peer. */
  peer: ChannelPeer = { localAddr: null, remoteAddr: null, openssh: false };
  /** How many milliseconds a read or write may wait; null for no limit. */
  timeout: number | null = null;

  readonly #host: ChannelHost;
  readonly #receive: ReceiveWindow;
  readonly #bothClosed = Promise.withResolvers<void>();
  /** The destination of standard error. */
  #errors: ByteQueue;
  /** The reason why reads fail. */
  #noReading: string | null = null;
  #eof: Promise<void> | null = null;
  #received = 0;
  #gotEof = false;
  #sentClose = false;
  #gotClose = false;
  #error: { error: unknown } | null = null;

  constructor(host: ChannelHost, opening: ChannelOpening) {
    this.#host = host;
    this.opening = opening;
    this.#receive = new ReceiveWindow(opening.receiveWindow, opening.budget);
    // RFC 4254 §5.2: standard error shares the one window.
    const consumed = (bytes: number) => this.#consumed(bytes);
    this.stdout = new ByteQueue(consumed, host.memory);
    this.stderr = new ByteQueue(consumed, host.memory);
    this.#errors = this.stderr;
    this.writer = new ChannelWriter(host, opening);
    this.requests = new ChannelRequests(this);
    this.closed.catch(() => {});
  }

  get remoteId(): number {
    return this.opening.remoteId;
  }

  get closed(): Promise<void> {
    return this.#bothClosed.promise;
  }

  /** Whether neither end has closed it: the peer's CLOSE is answered at once. */
  get isOpen(): boolean {
    return !this.#sentClose && this.#error === null;
  }

  /**
   * Whether the peer has sent EOF, after which its CLOSE must follow soon; sshd waits for the program
   * before EOF.
   */
  get finished(): boolean {
    return this.#gotEof && this.requests.exitKnown;
  }

  /** Bytes of data sent and received. */
  get carried(): number {
    return this.writer.sent + this.#received;
  }

  get state(): ChannelState {
    const { available } = this.#receive;
    const done = this.#sentClose && this.#gotClose;
    return {
      phase: this.#error ? "failed" : done ? "closed" : this.isOpen ? "open" : "closing",
      reading: this.#noReading !== null ? "shut" : this.#gotEof || this.#gotClose ? "eof" : "open",
      writing: this.writer.phase,
      stalled: available === 0 && this.isOpen && !this.#gotEof,
      receiveWindow: available,
      sendWindow: this.writer.window,
      largestSendWindow: this.writer.largestWindow,
      waitedForWindow: this.writer.waitedForWindow,
      readableBytes: this.stdout.size,
      readableStderrBytes: this.stderr.size,
      bytesSent: this.writer.sent,
      pendingRequests: this.requests.pending,
    };
  }

  /** Runs a function that may wait, within the caller's limit and, by default, the channel's. */
  async within<T>(
    options: CallOptions | undefined,
    run: (limit: Limit | null) => Promise<T> | T,
    timeout: number | null = this.timeout,
  ): Promise<T> {
    using limit = limitOf(
      options,
      timeout,
      () => platformError("TimedOut", `Timed out after ${timeout} ms`),
    );
    return await run(limit);
  }

  /** Whether a read with these options has neither a limit nor a reason to fail. */
  plain(options: CallOptions | undefined): boolean {
    return options === undefined && this.timeout === null && this.#noReading === null;
  }

  send(payload: Uint8Array): void {
    this.#host.send(payload);
  }

  x11(): X11Forwards {
    return this.#host.x11();
  }

  /** @throws {ClosedError} If this end no longer reads */
  readable(): void {
    if (this.#noReading !== null) throw new ClosedError(this.#noReading);
  }

  /** @throws {ClosedError} If the channel is closed */
  usable(): void {
    if (this.#error) {
      throw connectionClosed(this.#error.error);
    }
    if (this.#sentClose) throw new ClosedError(CLOSED);
  }

  /** Whether standard error is merged into standard output. */
  get combined(): boolean {
    return this.#errors === this.stdout;
  }

  set combined(value: boolean) {
    this.#errors = value ? this.stdout : this.stderr;
    if (value) this.stderr.moveTo(this.stdout);
  }

  /** Makes reads fail from now on; incoming data is discarded. */
  stopReading(): void {
    this.#noReading ??= "The channel is closed for reading";
    this.cancel();
    this.stderr.discard();
  }

  /** Discards the output, and informs the peer once (OpenSSH PROTOCOL §2.1). */
  cancel(): void {
    const tell = this.peer.openssh && !this.stdout.discarding;
    this.stdout.discard();
    if (!tell || !this.isOpen || this.#gotEof) return;
    this.requests.notify("eow@openssh.com", NOTHING);
  }

  /** Sends EOF after pending writes. */
  sendEof(): Promise<void> {
    return this.#eof ??= this.writer.finish("The channel is closed for writing", () => {
      if (this.isOpen) this.#host.send(ChannelEof.encode({ recipient: this.remoteId }));
    });
  }

  /** Sends CLOSE after pending writes; resolves when the peer has closed, too. */
  async close(): Promise<void> {
    this.#noReading ??= CLOSED;
    // Immediately, because a peer that waits for our window could not receive pending writes.
    this.stdout.discard();
    this.stderr.discard();
    if (!this.#sentClose) await this.writer.finish(CLOSED, () => this.#sendClose());
    await this.closed.catch(() => {});
  }

  /** Sends CLOSE immediately; pending calls fail with the cause. */
  abort(cause: LazyError): void {
    this.stdout.end(cause);
    this.stderr.end(cause);
    this.writer.end(cause, CLOSED);
    this.requests.fail(cause);
    this.#sendClose();
  }

  /** CHANNEL_DATA (type 0) or CHANNEL_EXTENDED_DATA; the data is borrowed. */
  receiveData(type: number, data: Uint8Array): void {
    if (this.#gotEof) throw new ProtocolError("Channel data after EOF");
    if (data.length > this.opening.maxReceive) {
      throw new ProtocolError("Channel data beyond the maximum packet size");
    }
    this.#receive.receive(data.length);
    this.#received += data.length;
    // Data after our CLOSE is dropped; the peer answers with its own CLOSE.
    if (this.#sentClose) return;
    if (type === 0) this.stdout.append(data, this.#host.ahead);
    else if (type === STDERR) this.#errors.append(data, this.#host.ahead);
    else this.#consumed(data.length);
  }

  receiveWindowAdjust(bytes: number): void {
    // A peer whose maximum packet size is 0 accepts no data.
    if (this.opening.maxSend > 0) this.writer.grow(bytes);
  }

  receiveEof(): void {
    this.#gotEof = true; // may be a second one: Go's pkg/sftp sends EOF twice when it closes a session
    this.stdout.end();
    this.stderr.end();
  }

  receiveClose(): void {
    this.#gotClose = true; // answered below, after which the connection has no such channel
    const cause = lazyError(() => new ClosedError("The peer closed the channel"));
    this.writer.end(cause, CLOSED);
    this.requests.closed(cause);
    this.stdout.end();
    this.stderr.end();
    // Counted in the budget, otherwise a peer could fill memory by opening, filling and closing channels.
    const counts = this.opening.openedBy === "peer";
    this.#sendClose(counts ? this.stdout.size + this.stderr.size : 0);
  }

  receiveReply(success: boolean): void {
    this.requests.receiveReply(success);
  }

  receiveRequest(type: string, wantReply: boolean, data: Uint8Array): void | Promise<void> {
    // OpenSSH PROTOCOL §2.1: the peer's reader has ended, as with a broken pipe.
    if (type === "eow@openssh.com") {
      this.writer.end(lazyError(() => new ClosedError(UNREAD)), UNREAD);
    }
    return this.requests.receive(type, wantReply, data);
  }

  /** Called when the connection fails. */
  fail(error: unknown): void {
    this.#error ??= { error };
    const cause = () => error;
    this.stdout.end(cause);
    this.stderr.end(cause);
    this.writer.end(cause, "The connection is closed");
    this.requests.fail(cause);
    this.#bothClosed.reject(error);
  }

  /** @param unread Bytes that count in the connection's windows until they are read */
  #sendClose(unread: number = 0): void {
    if (this.#error !== null) return;
    if (!this.#sentClose) {
      this.#sentClose = true;
      this.#host.send(ChannelClose.encode({ recipient: this.remoteId }));
    }
    this.writer.end(lazyError(() => new ClosedError(CLOSED)), CLOSED);
    if (!this.#gotClose) return;
    this.#receive.close(unread);
    this.#host.released(this);
    this.#bothClosed.resolve();
  }

  #consumed(bytes: number): void {
    const credit = this.#receive.consume(bytes);
    if (credit === 0 || this.#gotEof || !this.isOpen) return;
    this.#host.sendWindowAdjust(this.remoteId, credit);
  }
}
