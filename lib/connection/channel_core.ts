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
import type { ExitStatus, RequestAnswer, RequestHandler } from "./request.ts";
import { ReceiveWindow, SendWindow, type WindowBudget } from "./window.ts";

/** What a channel needs of its connection. */
export interface ChannelHost {
  send(payload: Uint8Array): void;
  sendData(recipient: number, type: number, data: Uint8Array): void;
  sendWindowAdjust(recipient: number, bytes: number): void;
  readonly congested: boolean;
  ready(): Promise<void>;
  released(channel: ChannelCore): void;
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
  /** What the receive window grows from; null keeps it as it is. */
  readonly budget: WindowBudget | null;
  /** Largest data of one packet that the peer may send. */
  readonly maxReceive: number;
}

const NO_STATUS: ExitStatus = {
  success: false,
  code: null,
  signal: null,
  coreDumped: false,
  message: "",
};
const UNREAD = "The peer reads no more of the channel";

/**
 * The protocol of one channel (RFC 4254 §5): windows, EOF, CLOSE, requests and their answers. The
 * connection calls `receive…`; `Channel` is the face that programs see.
 */
export class ChannelCore {
  readonly opening: ChannelOpening;
  readonly stdout: ByteQueue;
  readonly stderr: ByteQueue;
  readonly #host: ChannelHost;
  readonly #send: SendWindow;
  readonly #receive: ReceiveWindow;
  readonly #bothClosed = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #replies: { type: string; promise: PromiseWithResolvers<void> }[] = [];
  #handler: RequestHandler | null = null;
  #requests: Promise<void> = Promise.resolve();
  #requestCount = 0;
  #writes: Promise<void> = Promise.resolve();
  #sentEof = false;
  #unread = false;
  #gotEof = false;
  #sentClose = false;
  #gotClose = false;
  #error: { error: unknown } | null = null;

  constructor(host: ChannelHost, opening: ChannelOpening) {
    this.#host = host;
    this.opening = opening;
    this.#send = new SendWindow(opening.sendWindow);
    this.#receive = new ReceiveWindow(opening.receiveWindow, opening.budget);
    // RFC 4254 §5.2: standard error shares the one window.
    const consumed = (bytes: number) => this.#consumed(bytes);
    this.stdout = new ByteQueue(consumed);
    this.stderr = new ByteQueue(consumed);
    this.closed.catch(() => {});
    this.exitStatus.catch(() => {});
  }

  get closed(): Promise<void> {
    return this.#bothClosed.promise;
  }

  get exitStatus(): Promise<ExitStatus> {
    return this.#exit.promise;
  }

  get isOpen(): boolean {
    return !this.#sentClose && !this.#gotClose && this.#error === null;
  }

  /** Sends what the window takes, waiting for room for a byte; returns how much that was. */
  async write(data: Uint8Array): Promise<number> {
    let taken = 0;
    await this.#exclusively(async () => {
      taken = await this.#sendSome(data, 0);
    });
    return taken;
  }

  /** Sends all of the chunks as data, or as extended data of a type. */
  writeAll(chunks: readonly Uint8Array[], type: number): Promise<void> {
    return this.#exclusively(() => this.#sendAll(chunks, type));
  }

  /** EOF after what is being written. */
  sendEof(): Promise<void> {
    return this.#exclusively(() => {
      if (this.#sentEof || !this.isOpen) return;
      this.#sentEof = true;
      this.#host.send(ChannelEof.encode({ recipient: this.opening.remoteId }));
    });
  }

  /** CLOSE after what is being written; resolves when the peer has closed too. */
  async close(): Promise<void> {
    if (!this.#sentClose) await this.#exclusively(() => this.#sendClose()).catch(() => {});
    this.stdout.discard();
    this.stderr.discard();
    await this.closed.catch(() => {});
  }

  /** CLOSE at once; everything that waits fails with the reason. */
  abort(reason: unknown): void {
    this.stdout.end(reason);
    this.stderr.end(reason);
    this.#send.close(reason);
    this.#exit.reject(reason);
    for (const { promise } of this.#replies) promise.reject(reason);
    this.#sendClose();
  }

  request(type: string, data: Uint8Array): Promise<void> {
    const promise = Promise.withResolvers<void>();
    try {
      this.notify(type, data, true);
      this.#replies.push({ type, promise });
    } catch (error) {
      promise.reject(error);
    }
    return promise.promise;
  }

  notify(type: string, data: Uint8Array, wantReply = false): void {
    this.#usable();
    const recipient = this.opening.remoteId;
    this.#host.send(ChannelRequest.encode({ recipient, type, wantReply, data }));
  }

  handleRequests(handler: RequestHandler): void {
    this.#handler = handler;
  }

  /** CHANNEL_DATA (type 0) or CHANNEL_EXTENDED_DATA; the data is borrowed. */
  receiveData(type: number, data: Uint8Array): void {
    if (this.#gotEof || this.#gotClose) throw new ProtocolError("Channel data after EOF");
    if (data.length > this.opening.maxReceive) {
      throw new ProtocolError("Channel data beyond the maximum packet size");
    }
    this.#receive.receive(data.length);
    // After our CLOSE nobody reads; the peer will answer with its own.
    if (this.#sentClose) return;
    if (type === 0) this.stdout.push(data.slice() as Uint8Array<ArrayBuffer>);
    else if (type === STDERR) this.stderr.push(data.slice() as Uint8Array<ArrayBuffer>);
    else this.#consumed(data.length);
  }

  receiveWindowAdjust(bytes: number): void {
    if (this.#gotClose) throw new ProtocolError("Window adjust after CLOSE");
    this.#send.grow(bytes);
  }

  receiveEof(): void {
    if (this.#gotEof || this.#gotClose) throw new ProtocolError("EOF twice on a channel");
    this.#gotEof = true;
    this.stdout.end();
    this.stderr.end();
  }

  receiveClose(): void {
    if (this.#gotClose) throw new ProtocolError("CLOSE twice on a channel");
    this.#gotClose = true;
    const error = new ClosedError("The peer closed the channel");
    this.#endWaits(error);
    this.#exit.resolve(NO_STATUS);
    this.stdout.end();
    this.stderr.end();
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
      const { status: code } = ExitStatusLayout.decode(data);
      this.#exit.resolve({ ...NO_STATUS, success: code === 0, code });
    } else if (type === "exit-signal" && !wantReply) {
      const { name, coreDumped, message } = ExitSignal.decode(data);
      const signal = printable(name, 64);
      this.#exit.resolve({ ...NO_STATUS, signal, coreDumped, message: printable(message) });
    } else if (type === "eow@openssh.com") {
      // OpenSSH PROTOCOL §2.1: the peer's reader is gone, as with a broken pipe.
      this.#unread = true;
      this.#send.close(new ClosedError(UNREAD));
    }
    this.#requests = this.#requests.then(() => this.#answer(type, wantReply, data));
  }

  /** The connection died. */
  fail(error: unknown): void {
    this.#error ??= { error };
    this.stdout.end(error);
    this.stderr.end(error);
    this.#endWaits(error);
    this.#exit.reject(error);
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
      this.#host.send(reply.encode({ recipient: this.opening.remoteId }));
    }
    if (typeof answer === "function") answer();
  }

  async #sendAll(chunks: readonly Uint8Array[], type: number): Promise<void> {
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
    const { remoteId, maxSend } = this.opening;
    let sent = 0;
    while (sent < data.length && this.#send.available > 0 && !this.#host.congested) {
      const n = Math.min(data.length - sent, this.#send.available, maxSend);
      this.#host.sendData(remoteId, type, data.subarray(sent, sent + n));
      this.#send.take(n);
      sent += n;
    }
    return sent;
  }

  #sendClose(): void {
    if (this.#error !== null) return;
    if (!this.#sentClose) {
      this.#sentClose = true;
      this.#host.send(ChannelClose.encode({ recipient: this.opening.remoteId }));
    }
    this.#send.close(new ClosedError("The channel is closed"));
    if (!this.#gotClose) return;
    this.#receive.close();
    this.#host.released(this);
    this.#bothClosed.resolve();
  }

  #endWaits(error: unknown): void {
    this.#send.close(error);
    for (const { promise } of this.#replies.splice(0)) promise.reject(error);
  }

  #consumed(bytes: number): void {
    const credit = this.#receive.consume(bytes);
    if (credit === 0 || this.#gotEof || !this.isOpen) return;
    this.#host.sendWindowAdjust(this.opening.remoteId, credit);
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
    if (this.#unread) throw new ClosedError(UNREAD);
  }
}
