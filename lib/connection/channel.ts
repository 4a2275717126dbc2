import { MAX_PENDING_REQUESTS } from "../defaults.ts";
import { ClosedError, printable, ProtocolError, RequestDeniedError } from "../errors.ts";
import {
  ChannelClose,
  ChannelEof,
  ChannelFailure,
  ChannelRequest,
  ChannelSuccess,
} from "../wire/messages.ts";
import { STDERR } from "../wire/numbers.ts";
import { ExitSignal, ExitStatus as ExitStatusLayout } from "../wire/requests.ts";
import { ByteQueue } from "./byte_queue.ts";
import { readableOf, writableOf } from "./channel_streams.ts";
import { ReceiveWindow, SendWindow } from "./window.ts";

/** How a remote command ended (RFC 4254 §6.10). */
export interface ExitStatus {
  /** Whether the exit code is 0. */
  readonly success: boolean;
  /** The exit code; null if a signal ended the command or the peer sent no status. */
  readonly code: number | null;
  /** The signal's name without SIG, or null. */
  readonly signal: string | null;
  /** Whether a core was dumped; only with a signal. */
  readonly coreDumped: boolean;
  /** What the peer says about the signal. */
  readonly message: string;
}

/** A request of the peer's on a channel (RFC 4254 §5.4). */
export interface IncomingRequest {
  /** The request's name, such as `"exec"`. */
  readonly type: string;
  /** What follows the name, owned. */
  readonly data: Uint8Array;
}

/** Answers a request: false refuses it; a function accepts it and runs once the reply is on its way. */
export type RequestHandler = (
  request: IncomingRequest,
) => RequestAnswer | Promise<RequestAnswer>;

/** See {@linkcode RequestHandler}. */
export type RequestAnswer = boolean | (() => void);

/** What a channel needs of its connection. */
export interface ChannelHost {
  send(payload: Uint8Array): void;
  sendData(recipient: number, type: number, data: Uint8Array): void;
  sendWindowAdjust(recipient: number, bytes: number): void;
  readonly congested: boolean;
  ready(): Promise<void>;
  released(channel: Channel): void;
}

/** The numbers of an open channel. */
export interface ChannelOpening {
  readonly type: string;
  readonly id: number;
  readonly remoteId: number;
  readonly sendWindow: number;
  /** Largest data of one packet that we send. */
  readonly maxSend: number;
  readonly receiveWindow: number;
  /** Largest data of one packet that the peer may send. */
  readonly maxReceive: number;
}

/**
 * One channel of a connection (RFC 4254 §5): two byte streams towards us, one away, under exact flow
 * control. It is shaped like a socket; `readable`, `stderr` and `writable` are Web Streams over it.
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

  readonly #host: ChannelHost;
  readonly #remoteId: number;
  readonly #maxSend: number;
  readonly #maxReceive: number;
  readonly #send: SendWindow;
  readonly #receive: ReceiveWindow;
  readonly #stdout: ByteQueue;
  readonly #stderr: ByteQueue;
  readonly #bothClosed = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #replies: { type: string; promise: PromiseWithResolvers<void> }[] = [];
  #handler: RequestHandler | null = null;
  #requests: Promise<void> = Promise.resolve();
  #requestCount = 0;
  #writes: Promise<void> = Promise.resolve();
  #sentEof = false;
  #gotEof = false;
  #sentClose = false;
  #gotClose = false;
  #error: { error: unknown } | null = null;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #stderrReadable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** Channels are opened through a connection, not constructed. */
  constructor(host: ChannelHost, opening: ChannelOpening) {
    this.#host = host;
    this.id = opening.id;
    this.type = opening.type;
    this.#remoteId = opening.remoteId;
    this.#maxSend = opening.maxSend;
    this.#maxReceive = opening.maxReceive;
    this.#send = new SendWindow(opening.sendWindow);
    this.#receive = new ReceiveWindow(opening.receiveWindow);
    // RFC 4254 §5.2: standard error shares the one window.
    const consumed = (bytes: number) => this.#consumed(bytes);
    this.#stdout = new ByteQueue(consumed);
    this.#stderr = new ByteQueue(consumed);
    this.closed = this.#bothClosed.promise;
    this.exitStatus = this.#exit.promise;
    this.closed.catch(() => {});
    this.exitStatus.catch(() => {});
  }

  /** What the peer sends, as a byte stream; nothing is read ahead of the reader. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this.#stdout);
  }

  /** The peer's standard error, as a byte stream. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stderrReadable ??= readableOf(this.#stderr);
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
    return this.#stdout.read(into);
  }

  /** Reads from standard error as {@linkcode Channel.read} does. */
  readStderr(into: Uint8Array): Promise<number | null> {
    return this.#stderr.read(into);
  }

  /** The next chunk as it came, owned by the caller; null at the end. */
  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#stdout.readChunk();
  }

  /**
   * Sends as much as the window allows, waiting for room for at least a byte.
   *
   * @returns The number of bytes taken
   */
  async write(data: Uint8Array): Promise<number> {
    let taken = 0;
    await this.#exclusively(async () => {
      taken = await this.#sendSome(data, 0);
    });
    return taken;
  }

  /** Sends all of the chunks; resolves when the window and the socket have taken them. */
  writeAll(...chunks: Uint8Array[]): Promise<void> {
    return this.#exclusively(() => this.#sendAll(chunks, 0));
  }

  /** Sends all of the chunks on standard error, as a server does. */
  writeAllStderr(...chunks: Uint8Array[]): Promise<void> {
    return this.#exclusively(() => this.#sendAll(chunks, STDERR));
  }

  /** Sends EOF after what is being written (RFC 4254 §5.3); reading goes on. */
  closeWrite(): Promise<void> {
    return this.#exclusively(() => this.#sendEof());
  }

  /** Closes after what is being written; resolves when the peer has closed too. */
  async close(): Promise<void> {
    if (!this.#sentClose) await this.#exclusively(() => this.#sendClose()).catch(() => {});
    this.#stdout.discard();
    this.#stderr.discard();
    await this.closed.catch(() => {});
  }

  /** Closes at once; reads and writes under way fail with the reason. */
  abort(reason: unknown = new ClosedError("The channel was aborted")): void {
    this.#stdout.end(reason);
    this.#stderr.end(reason);
    this.#send.close(reason);
    this.#exit.reject(reason);
    for (const { promise } of this.#replies) promise.reject(reason);
    this.#sendClose();
  }

  /** Closes at once, without waiting for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    this.#stdout.discard();
    this.#stderr.discard();
    await this.closed.catch(() => {});
  }

  /**
   * Sends a channel request and waits for the answer (RFC 4254 §5.4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   * @throws {ClosedError} If the channel closes first
   */
  request(type: string, data: Uint8Array = new Uint8Array(0)): Promise<void> {
    const promise = Promise.withResolvers<void>();
    try {
      this.notify(type, data, true);
      this.#replies.push({ type, promise });
    } catch (error) {
      promise.reject(error);
    }
    return promise.promise;
  }

  /** Sends a channel request that needs no answer. */
  notify(type: string, data: Uint8Array = new Uint8Array(0), wantReply = false): void {
    this.#usable();
    this.#host.send(ChannelRequest.encode({ recipient: this.#remoteId, type, wantReply, data }));
  }

  /** Who answers the peer's requests; they are answered one after the other, in order. */
  handleRequests(handler: RequestHandler): void {
    this.#handler = handler;
  }

  /** Tells the peer how the command ended (RFC 4254 §6.10); servers only. */
  sendExit(exit: { code: number } | { signal: string; coreDumped?: boolean; message?: string }) {
    if ("code" in exit) {
      this.notify("exit-status", ExitStatusLayout.encode({ status: exit.code >>> 0 }));
    } else {
      this.notify(
        "exit-signal",
        ExitSignal.encode({
          name: exit.signal,
          coreDumped: exit.coreDumped ?? false,
          message: exit.message ?? "",
          language: "",
        }),
      );
    }
  }

  /** Whether the channel can still be written to. */
  get isOpen(): boolean {
    return !this.#sentClose && !this.#gotClose && this.#error === null;
  }

  // What follows is the connection's side.

  /** CHANNEL_DATA or CHANNEL_EXTENDED_DATA; the data is borrowed. */
  receiveData(type: number, data: Uint8Array): void {
    if (this.#gotEof || this.#gotClose) throw new ProtocolError("Channel data after EOF");
    if (data.length > this.#maxReceive) {
      throw new ProtocolError("Channel data beyond the maximum packet size");
    }
    this.#receive.receive(data.length);
    // After our CLOSE nobody reads; the peer will answer with its own.
    if (this.#sentClose) return;
    if (type === 0) this.#stdout.push(data.slice() as Uint8Array<ArrayBuffer>);
    else if (type === STDERR) this.#stderr.push(data.slice() as Uint8Array<ArrayBuffer>);
    else this.#consumed(data.length);
  }

  receiveWindowAdjust(bytes: number): void {
    if (this.#gotClose) throw new ProtocolError("Window adjust after CLOSE");
    this.#send.grow(bytes);
  }

  receiveEof(): void {
    if (this.#gotEof || this.#gotClose) throw new ProtocolError("EOF twice on a channel");
    this.#gotEof = true;
    this.#stdout.end();
    this.#stderr.end();
  }

  receiveClose(): void {
    if (this.#gotClose) throw new ProtocolError("CLOSE twice on a channel");
    this.#gotClose = true;
    this.#end(new ClosedError("The peer closed the channel"));
    this.#stdout.end();
    this.#stderr.end();
    this.#sendClose();
  }

  receiveReply(success: boolean): void {
    const reply = this.#replies.shift();
    if (reply === undefined) throw new ProtocolError("Reply to a channel request never made");
    if (success) reply.promise.resolve();
    else reply.promise.reject(new RequestDeniedError(printable(reply.type)));
  }

  receiveRequest(type: string, wantReply: boolean, data: Uint8Array): void {
    if (this.#gotClose) throw new ProtocolError("Channel request after CLOSE");
    if (++this.#requestCount > MAX_PENDING_REQUESTS) {
      throw new ProtocolError("Too many unanswered channel requests");
    }
    if (type === "exit-status" && !wantReply) {
      this.#exited({ code: ExitStatusLayout.decode(data).status });
    } else if (type === "exit-signal" && !wantReply) {
      this.#exited(ExitSignal.decode(data));
    }
    this.#requests = this.#requests.then(() => this.#answer(type, wantReply, data));
  }

  /** The connection died. */
  fail(error: unknown): void {
    this.#stdout.end(error);
    this.#stderr.end(error);
    this.#end(error);
    this.#bothClosed.reject(error);
  }

  async #answer(type: string, wantReply: boolean, data: Uint8Array): Promise<void> {
    let answer: RequestAnswer = false;
    try {
      answer = await this.#handler?.({ type, data }) ?? false;
    } catch {
      // A policy that throws has refused.
    }
    this.#requestCount--;
    if (wantReply && !this.#sentClose && this.#error === null) {
      const reply = answer === false ? ChannelFailure : ChannelSuccess;
      this.#host.send(reply.encode({ recipient: this.#remoteId }));
    }
    if (typeof answer === "function") answer();
  }

  #exited(exit: { code: number } | { name: string; coreDumped: boolean; message: string }): void {
    this.#exit.resolve(
      "code" in exit
        ? {
          success: exit.code === 0,
          code: exit.code,
          signal: null,
          coreDumped: false,
          message: "",
        }
        : {
          success: false,
          code: null,
          signal: printable(exit.name, 64),
          coreDumped: exit.coreDumped,
          message: printable(exit.message),
        },
    );
  }

  async #sendAll(chunks: Uint8Array[], type: number): Promise<void> {
    for (let chunk of chunks) {
      while (chunk.length > 0) {
        const n = await this.#sendSome(chunk, type);
        chunk = chunk.subarray(n);
      }
    }
  }

  /** Sends what window and socket take without waiting, waiting only if that is nothing. */
  async #sendSome(data: Uint8Array, type: number): Promise<number> {
    this.#writableNow();
    if (data.length === 0) return 0;
    while (this.#send.available === 0 || this.#host.congested) {
      await (this.#host.congested ? this.#host.ready() : this.#send.wait());
      this.#writableNow();
    }
    let sent = 0;
    while (sent < data.length && this.#send.available > 0 && !this.#host.congested) {
      const n = Math.min(data.length - sent, this.#send.available, this.#maxSend);
      this.#host.sendData(this.#remoteId, type, data.subarray(sent, sent + n));
      this.#send.take(n);
      sent += n;
    }
    return sent;
  }

  #sendEof(): void {
    if (this.#sentEof || !this.isOpen) return;
    this.#sentEof = true;
    this.#host.send(ChannelEof.encode({ recipient: this.#remoteId }));
  }

  #sendClose(): void {
    if (this.#error !== null) return;
    if (!this.#sentClose) {
      this.#sentClose = true;
      this.#host.send(ChannelClose.encode({ recipient: this.#remoteId }));
    }
    this.#send.close(new ClosedError("The channel is closed"));
    if (!this.#gotClose) return;
    this.#host.released(this);
    this.#bothClosed.resolve();
  }

  /** Nothing more will come but what is buffered. */
  #end(error: unknown): void {
    this.#send.close(error);
    for (const { promise } of this.#replies.splice(0)) promise.reject(error);
    if (error instanceof ClosedError) {
      this.#exit.resolve({
        success: false,
        code: null,
        signal: null,
        coreDumped: false,
        message: "",
      });
    } else {
      this.#error ??= { error };
      this.#exit.reject(error);
    }
  }

  #consumed(bytes: number): void {
    const credit = this.#receive.consume(bytes);
    if (credit === 0 || this.#gotEof || !this.isOpen) return;
    this.#host.sendWindowAdjust(this.#remoteId, credit);
  }

  /** One write after the other, so that the chunks of two writers do not mix. */
  #exclusively(write: () => void | Promise<void>): Promise<void> {
    const result = this.#writes.then(write);
    this.#writes = result.catch(() => {});
    return result;
  }

  #usable(): void {
    if (this.#error) {
      throw new ClosedError("The connection is closed", { cause: this.#error.error });
    }
    if (this.#sentClose || this.#gotClose) throw new ClosedError("The channel is closed");
  }

  #writableNow(): void {
    this.#usable();
    if (this.#sentEof) throw new ClosedError("The channel is closed for writing");
  }
}
