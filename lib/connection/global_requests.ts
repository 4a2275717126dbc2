import { printable, RequestDeniedError } from "../errors.ts";
import { GlobalRequest, RequestFailure, RequestSuccess } from "../wire/messages.ts";
import { AnswerQueue } from "./answer_queue.ts";
import { sendable } from "./request.ts";
import { abortable, type CallOptions } from "../waiting.ts";

/** A peer's global request; returns the reply's data, or null to refuse. */
export type GlobalHandler = (data: Uint8Array) => Uint8Array | null | Promise<Uint8Array | null>;

/**
 * The global requests of one connection in both directions; answers arrive in the order of the requests
 * (RFC 4254 §4).
 */
export class GlobalRequests {
  readonly #handlers: Map<string, GlobalHandler>;
  readonly #send: (payload: Uint8Array) => void;
  readonly #refusal: string | null;
  readonly #replies: { type: string; promise: PromiseWithResolvers<Uint8Array> }[] = [];
  readonly #answers = new AnswerQueue();

  /** @param refusal Why requests cannot be sent; null if they can */
  constructor(
    handlers: ReadonlyMap<string, GlobalHandler> | undefined,
    send: (payload: Uint8Array) => void,
    refusal: string | null = null,
  ) {
    this.#handlers = new Map(handlers);
    this.#send = send;
    this.#refusal = refusal;
  }

  /** Whether an answer of the peer is pending. */
  get waiting(): boolean {
    return this.#replies.length > 0;
  }

  /** Sets the handler of the peer's requests of a type; other types are refused. */
  handle(type: string, handler: GlobalHandler): void {
    this.#handlers.set(type, handler);
  }

  /** Sends a request and waits for its answer. */
  request(type: string, data: Uint8Array, { signal }: CallOptions): Promise<Uint8Array> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const promise = Promise.withResolvers<Uint8Array>();
    try {
      this.#ask(type, data, true);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#replies.push({ type, promise });
    // An aborted request stays in the list; its reply is dropped.
    return abortable(promise.promise, signal);
  }

  /** Sends a request that needs no answer. */
  notify(type: string, data: Uint8Array): void {
    this.#ask(type, data, false);
  }

  #ask(type: string, data: Uint8Array, wantReply: boolean): void {
    if (this.#refusal !== null) {
      throw new RequestDeniedError(
        type,
        `Cannot send the request "${printable(type)}": ${this.#refusal}`,
      );
    }
    const payload = GlobalRequest.encode({ type, wantReply, data });
    this.#send(sendable(payload, `The request "${printable(type)}"`));
  }

  /** Handles GLOBAL_REQUEST; returns a promise if the peer's next message must wait. */
  receive(payload: Uint8Array): void | Promise<void> {
    const { type, wantReply, data } = GlobalRequest.decode(payload);
    return this.#answers.take<Uint8Array | null>(
      () => this.#handlers.get(type)?.(data) ?? null,
      null,
      (answer) => {
        if (!wantReply) return;
        this.#send(
          answer instanceof Uint8Array
            ? RequestSuccess.encode({ data: answer })
            : RequestFailure.encode({}),
        );
      },
    );
  }

  /** Handles REQUEST_SUCCESS. */
  receiveSuccess(payload: Uint8Array): void {
    const { data } = RequestSuccess.decode(payload);
    this.#replies.shift()?.promise.resolve(data); // the reply to a request that was never made
  }

  /** Handles REQUEST_FAILURE. */
  receiveFailure(payload: Uint8Array): void {
    RequestFailure.decode(payload);
    const reply = this.#replies.shift();
    reply?.promise.reject(new RequestDeniedError(reply.type));
  }

  /** Fails all requests when the connection fails. */
  fail(error: unknown): void {
    this.#answers.close();
    for (const { promise } of this.#replies.splice(0)) promise.reject(error);
  }
}
