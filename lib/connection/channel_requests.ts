import { printable, RequestDeniedError } from "../errors.ts";
import { ChannelFailure, ChannelRequest, ChannelSuccess } from "../wire/messages.ts";
import { Reader } from "../wire/reader.ts";
import { AnswerQueue } from "./answer_queue.ts";
import type { LazyError } from "./lazy_error.ts";
import { type ExitStatus, type RequestAnswer, type RequestHandler, sendable } from "./request.ts";
import { abortable, type CallOptions, Condition, limitOf } from "../waiting.ts";

/** The part of a channel that requests use. */
export interface RequestHost {
  readonly remoteId: number;
  /** Whether an answer can still be sent. */
  readonly isOpen: boolean;
  send(payload: Uint8Array): void;
  /** @throws {ClosedError} If the channel is closed */
  usable(): void;
}

const NO_STATUS: ExitStatus = {
  success: false,
  code: null,
  signal: null,
  coreDumped: false,
  message: "",
};

/** The requests of one channel in both directions, including the exit status (RFC 4254 §5.4). */
export class ChannelRequests {
  readonly #host: RequestHost;
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #exited = new Condition();
  readonly #answers = new AnswerQueue();
  // Replies do not name their request; they arrive in the order of the requests.
  readonly #replies: { type: string; promise: PromiseWithResolvers<void> }[] = [];
  #exitKnown = false;
  #handler: RequestHandler | null = null;

  constructor(host: RequestHost) {
    this.#host = host;
    this.exitStatus.catch(() => {});
  }

  get exitStatus(): Promise<ExitStatus> {
    return this.#exit.promise;
  }

  /** Whether {@linkcode exitStatus} is settled. */
  get exitKnown(): boolean {
    return this.#exitKnown;
  }

  /** Requests of ours that the peer has not answered. */
  get pending(): number {
    return this.#replies.length;
  }

  /** The exit status, within limits. */
  async waitForExit(options: CallOptions): Promise<ExitStatus> {
    using limit = limitOf(options);
    while (!this.#exitKnown) await this.#exited.wait(limit);
    return this.exitStatus;
  }

  /** Sends a request and waits for its answer. */
  request(type: string, data: Uint8Array, { signal }: CallOptions): Promise<void> {
    const promise = Promise.withResolvers<void>();
    try {
      signal?.throwIfAborted();
      this.notify(type, data, true);
      this.#replies.push({ type, promise });
    } catch (error) {
      promise.reject(error);
    }
    // An aborted request stays in the list, because replies do not name their request.
    return abortable(promise.promise, signal);
  }

  /** Sends a request that needs no answer. */
  notify(type: string, data: Uint8Array, wantReply = false): void {
    this.#host.usable();
    const message = { recipient: this.#host.remoteId, type, wantReply, data };
    this.#host.send(sendable(ChannelRequest.encode(message), `The request "${printable(type)}"`));
  }

  handle(handler: RequestHandler): void {
    this.#handler = handler;
  }

  receiveReply(success: boolean): void {
    const reply = this.#replies.shift();
    if (reply === undefined) return; // the reply to a request that was never made
    if (success) reply.promise.resolve();
    else reply.promise.reject(new RequestDeniedError(printable(reply.type)));
  }

  /** Handles a request of the peer; returns a promise if the peer's next message must wait. */
  receive(type: string, wantReply: boolean, data: Uint8Array): void | Promise<void> {
    const exited = this.receiveExit(type, data);
    return this.#answers.take<RequestAnswer>(
      () => this.#handler?.({ type, data }) ?? exited,
      false,
      (answer) => this.#reply(answer, wantReply),
    );
  }

  /** Takes an exit status or signal; false if the request is of another type or malformed. */
  receiveExit(type: string, data: Uint8Array): boolean {
    const status = exitOf(type, data);
    if (status === null) return false;
    this.#settleExit(() => this.#exit.resolve(status));
    return true;
  }

  /**
   * Called when the peer has closed the channel. Ends the waits for answers. A missing exit status may
   * still arrive in the same read, because some servers send it last.
   */
  closed(cause: LazyError): void {
    this.#endWaits(cause);
    queueMicrotask(() => this.#settleExit(() => this.#exit.resolve(NO_STATUS)));
  }

  /** Called when the channel fails: everything that waits fails with the cause. */
  fail(cause: LazyError): void {
    this.#endWaits(cause);
    if (!this.#exitKnown) this.#settleExit(() => this.#exit.reject(cause()));
  }

  #endWaits(cause: LazyError): void {
    this.#answers.close();
    // They stay in the list, because replies in flight when we close are legal.
    for (const { promise } of this.#replies) promise.reject(cause());
  }

  #settleExit(settle: () => void): void {
    settle();
    this.#exitKnown = true;
    this.#exited.notify();
  }

  #reply(answer: RequestAnswer, wantReply: boolean): void {
    if (wantReply && this.#host.isOpen) {
      const accepted = answer === true || typeof answer === "function";
      const reply = accepted ? ChannelSuccess : ChannelFailure;
      this.#host.send(reply.encode({ recipient: this.#host.remoteId }));
    }
    if (typeof answer === "function") answer();
  }
}

/** The exit status in a request; null if the request is another one or malformed. */
function exitOf(type: string, data: Uint8Array): ExitStatus | null {
  const reader = new Reader(data);
  try {
    if (type === "exit-status") {
      const code = reader.u32();
      return { ...NO_STATUS, success: code === 0, code };
    }
    if (type !== "exit-signal") return null;
    const signal = printable(reader.text().replace(/^SIG/, ""), 64);
    if (reader.remaining === 0) return { ...NO_STATUS, signal };
    const coreDumped = reader.bool();
    const message = reader.remaining === 0 ? "" : printable(reader.text());
    return { ...NO_STATUS, signal, coreDumped, message };
  } catch {
    return null; // it ends too early, or is not text
  }
}
