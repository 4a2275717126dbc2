import { ProtocolError, type SftpError } from "../../errors.ts";
import type * as msg from "../protocol/messages.ts";
import { type Call, sftpError, SftpStatus } from "../protocol/status.ts";
import type { Asked } from "./again.ts";
import type { PendingRead } from "./answer_parser.ts";
import { Cancellations } from "./cancellations.ts";
import type { OpenHandle } from "./open_handle.ts";

/** The most cancelled requests without an answer; with more the session fails. */
const MAX_ABANDONED = 4096;

/** Encodes a request; a READ or a WRITE for `length` bytes from the offset `from` of all of its bytes. */
export type Encode = (id: number, from: number, length: number) => Uint8Array[];

/** A request that waits for its answer. */
export interface Pending {
  readonly call: Call;
  readonly reply: msg.Row<unknown>;
  readonly encode: Encode;
  /** The request, to decide whether it may be repeated; null for READ and WRITE. */
  readonly asked: Asked | null;
  /** The open file that it uses. */
  readonly handle: OpenHandle | null;
  /** For a WRITE, the least size of the file once it is done. */
  readonly end: number;
  /** When it was sent; Infinity while it waits for the window or a new channel. */
  sentAt: number;
  /** Whether it was sent, on this channel or on a lost one. */
  wasSent: boolean;
  /** Whether it serves to restore the session on a new channel. */
  readonly renews: boolean;
  /** The loss after which it was repeated because a check found it not done; null otherwise. */
  loss: SftpError | null;
  isLookedAt: boolean;
  /** Whether it was cancelled or is late, so that its answer only has to be recognized. */
  isAbandoned: boolean;
  /** Milliseconds until the answer is late. */
  readonly timeout: number;
  /** Whether no other request was in flight, so that its time is one round trip. */
  alone: boolean;
  /** Bytes that a READ asks for, or that a WRITE sends. */
  readonly length: number;
  /** How many of them the server has answered: they are sent in parts while the window is small. */
  done: number;
  /** How many of them are in flight. */
  part: number;
  /** Returns the memory for the data of a READ; null once the READ was cancelled. */
  into: (() => Uint8Array) | null;
  resolve(value: unknown): void;
  reject(cause: unknown): void;
}

/**
 * The requests of a session that wait for their answers: their numbers, time-outs and cancellation. A
 * cancelled request keeps its number until its answer arrives.
 */
export class PendingRequests implements Iterable<[number, Pending]> {
  readonly #overrun: () => void;
  readonly #waiting: Map<number, Pending> = new Map();
  readonly #abandoned: Map<number, Pending> = new Map();
  readonly #cancellable: Cancellations = new Cancellations((id, reason) =>
    this.#abandon(id, reason)
  );
  #lastId = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires. */
  #due = Infinity;
  #roundTrip = Infinity;
  #oldestSince = 0;

  /** @param overrun Called when the server leaves too many cancelled requests unanswered */
  constructor(overrun: () => void) {
    this.#overrun = overrun;
  }

  /** Whether there was no request yet. */
  get isUnused(): boolean {
    return this.#lastId === 0;
  }

  /** Whether every request was answered, the cancelled ones too. */
  get isEmpty(): boolean {
    return this.#waiting.size + this.#abandoned.size === 0;
  }

  /** The shortest round trip of a request that was alone, in milliseconds. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** The requests that were not cancelled, from the oldest on. */
  [Symbol.iterator](): Iterator<[number, Pending]> {
    return this.#waiting[Symbol.iterator]();
  }

  /** A number for a request. */
  newId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0; while (this.get(this.#lastId));
    return this.#lastId;
  }

  add(id: number, pending: Pending): void {
    const { signal } = pending.call;
    pending.alone = this.#waiting.size === 0;
    this.#waiting.set(id, pending);
    if (signal) this.#cancellable.add(signal, id);
  }

  /** The request of this number, also if it was cancelled. */
  get(id: number): Pending | undefined {
    return this.#waiting.get(id) ?? this.#abandoned.get(id);
  }

  /**
   * The request that an answer is for; null for a second answer to the same request, which is ignored.
   *
   * @throws {ProtocolError} If there was no such request: the stream cannot be trusted
   */
  expecting(id: number): Pending | null {
    const pending = this.get(id);
    if (pending) return pending;
    if (id !== 0 && id <= this.#lastId) return null;
    throw new ProtocolError("Answer to a request that was not made");
  }

  /** Starts the time of a request. */
  sent(pending: Pending): void {
    pending.wasSent = true;
    pending.sentAt = performance.now();
    if (pending.sentAt + pending.timeout < this.#due) this.#arm(pending.timeout);
  }

  /** Takes the time of an answer. */
  answered(id: number, { alone, sentAt }: Pending): void {
    if (this.#waiting.keys().next().value === id) this.#oldestSince = performance.now();
    if (alone) this.#roundTrip = Math.min(this.#roundTrip, this.#oldestSince - sentAt);
  }

  remove(id: number, { call: { signal }, isAbandoned }: Pending): void {
    if (isAbandoned) return void this.#abandoned.delete(id);
    this.#waiting.delete(id);
    if (signal) this.#cancellable.delete(signal, id);
  }

  /** The channel is lost: requests wait for the next one; those that were to restore this one fail. */
  lost(loss: SftpError): void {
    this.#abandoned.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    [this.#timer, this.#due] = [null, Infinity];
    for (const [id, pending] of this.#waiting) {
      pending.sentAt = Infinity;
      if (!pending.renews) continue;
      this.remove(id, pending);
      pending.reject(loss);
    }
  }

  /** Rejects all requests. */
  fail(cause: Error): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const pending of this.#waiting.values()) pending.reject(cause);
    this.#waiting.clear();
    this.#cancellable.clear();
  }

  #abandon(id: number, reason: unknown): void {
    const pending = this.#waiting.get(id)!;
    this.remove(id, pending);
    pending.into = null;
    pending.reject(reason);
    if (pending.sentAt === Infinity) return; // no answer will come
    pending.isAbandoned = true;
    this.#abandoned.set(id, pending);
    if (this.#abandoned.size > MAX_ABANDONED) this.#overrun();
  }

  /**
   * A request's time-out starts when it is sent. It starts again whenever the oldest request is answered: on a
   * slow connection, the last of many reads waits for all before it. A request that the server skips becomes
   * the oldest and times out, even while later ones are answered.
   */
  #tick = (): void => {
    this.#timer = null;
    this.#due = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const [id, { call, sentAt, timeout }] of this.#waiting) {
      const left = Math.max(sentAt, this.#oldestSince) + timeout - now;
      if (left > 0) {
        next = Math.min(next, left);
        continue;
      }
      this.#abandon(id, sftpError(SftpStatus.CONNECTION_LOST, call, `no answer in ${timeout} ms`));
    }
    if (next < Infinity && this.#waiting.size > 0) this.#arm(next);
  };

  #arm(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#due = performance.now() + ms;
    this.#timer = setTimeout(this.#tick, Math.ceil(ms));
  }
}

/** The memory for the part of a READ that is in flight. */
export function partOf(pending: Pending): PendingRead {
  const { done, part } = pending;
  return {
    length: part,
    get into() {
      const { into } = pending; // null once cancelled
      return into && (() => into().subarray(done, done + part));
    },
  };
}
