import { withLimits } from "../../waiting.ts";
import { ClosedError, ProtocolError, SftpError } from "../../errors.ts";
import { CLOSE_LINGER_MS, SFTP_MAX_MESSAGE, SFTP_TIMEOUT_MS } from "../../defaults.ts";
import { type AnswerHandler, AnswerParser, type PendingRead } from "./answer_parser.ts";
import type { Layout } from "../../wire/message.ts";
import { PathEstimate } from "./pacing.ts";
import { Cancellations } from "./cancellations.ts";
import { consume, type SftpChannel, type SftpChannelState } from "../protocol/channel.ts";
import { errorLine, StrayText } from "./stray_text.ts";
import * as msg from "../protocol/messages.ts";
import { FXP, SFTP_VERSION } from "../protocol/numbers.ts";
import { Outbox } from "../protocol/outbox.ts";
import {
  type Call,
  lost,
  malformed,
  sessionError,
  sftpError,
  SftpStatus,
} from "../protocol/status.ts";

export type { SftpChannel } from "../protocol/channel.ts";

/** The most cancelled requests without an answer, before the server counts as not answering. */
const MAX_ABANDONED = 4096;

/** The last version of the protocol that a draft describes. */
const LATEST_VERSION = 6;

/** A request other than READ. */
const NO_READ: PendingRead = { length: 0, into: null };

/** A request that waits for its answer. */
interface Pending {
  readonly call: Call;
  readonly reply: msg.Row<unknown>;
  readonly sentAt: number;
  /** Milliseconds until the answer is late. */
  readonly timeout: number;
  /** Whether no other request was in flight, so that its time is one round trip. */
  readonly alone: boolean;
  /** Bytes that a READ asks for. */
  readonly length: number;
  /** Where the data of a READ goes; null once the caller has given up on it. */
  into: (() => Uint8Array) | null;
  resolve(value: unknown): void;
  reject(cause: unknown): void;
}

/**
 * The client's end of the protocol: numbers requests, matches answers, and ends once, with one error. Data of
 * a READ is copied from the packets to the caller's memory directly.
 */
export class ClientSession {
  readonly #channel: SftpChannel;
  readonly #outbox: Outbox;
  readonly #timeout: number;
  readonly #greeting: PromiseWithResolvers<ReadonlyMap<string, string>> = Promise.withResolvers();
  #extensions: ReadonlyMap<string, string> | null = null;
  /** The extensions before the server has announced any. */
  #assumed: ReadonlyMap<string, string> = new Map();
  readonly #pending: Map<number, Pending> = new Map();
  readonly #abandoned: Map<number, Pending> = new Map();
  readonly #cancellable: Cancellations = new Cancellations((id, reason) =>
    this.#abandon(id, reason)
  );
  #nextId = 0;
  #closing: Promise<void> | null = null;
  #cause: Error | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires. */
  #due = Infinity;
  /** The shortest round trip of a request that was alone, in milliseconds. */
  #roundTrip = Infinity;
  #oldestSince = 0;
  #receiving: Promise<void> = Promise.resolve();

  private constructor(channel: SftpChannel, timeout: number) {
    this.#channel = channel;
    this.#timeout = timeout;
    this.#outbox = new Outbox(channel, (cause) => {
      // Before the greeting, what the server has sent says more than the failure to write to it.
      if (this.#extensions !== null) this.#fail(lost(cause));
      else this.#receiving.then(() => this.#fail(lost(cause)));
    });
  }

  /** Exchanges INIT and VERSION (filexfer-02 §4). */
  static async open(
    channel: SftpChannel,
    { signal, timeout = SFTP_TIMEOUT_MS }: {
      signal?: AbortSignal | undefined;
      timeout?: number | undefined;
    },
  ): Promise<ClientSession> {
    const session = ClientSession.start(channel, timeout);
    const late = () => sessionError(SftpStatus.CONNECTION_LOST, `no answer in ${timeout} ms`);
    try {
      await withLimits(session.#greeting.promise, { signal, timeout, late });
      return session;
    } catch (cause) {
      channel.close().catch(() => {}); // not awaited: the server need not answer
      throw cause;
    }
  }

  /**
   * Sends INIT and waits for no VERSION, so that requests can follow it at once, to a server whose extensions are
   * known from another session.
   */
  static start(
    channel: SftpChannel,
    timeout: number = SFTP_TIMEOUT_MS,
    extensions: ReadonlyMap<string, string> = new Map(),
  ): ClientSession {
    const session = new ClientSession(channel, timeout);
    session.#assumed = extensions;
    session.#greeting.promise.catch(() => {}); // it ends the session, if nothing waits for it
    session.#outbox.push([msg.encodeVersion(FXP.INIT, SFTP_VERSION)]);
    session.#receiving = session.#receive();
    return session;
  }

  /** The extensions that the server announced. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#extensions ?? this.#assumed;
  }

  /** Why the session has ended; null while it is open. */
  get cause(): Error | null {
    return this.#cause;
  }

  /** How the server limits what is sent; undefined if that is not known. */
  get flow(): SftpChannelState | undefined {
    return this.#channel.state;
  }

  /** Measurements of the network path, separate for reads and writes. */
  readonly pathEstimates: { readonly read: PathEstimate; readonly write: PathEstimate } = {
    read: new PathEstimate(() => this.#roundTrip),
    write: new PathEstimate(() => this.#roundTrip),
  };

  /** Sends a request; resolves to the answer of the expected kind. */
  request<Q, A>(row: msg.Row<Q>, value: Q, reply: msg.Row<A>, call: Call): Promise<A> {
    return this.#send(call, reply, (id) => [sendable(row.encode(id, value))]) as Promise<A>;
  }

  /** Sends a request that is answered by a status alone. */
  async command<Q>(row: msg.Row<Q>, value: Q, call: Call): Promise<void> {
    await this.request(row, value, msg.Status, call);
  }

  /**
   * Sends an extended request.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extended<A>(
    request: string,
    data: Uint8Array,
    reply: msg.Row<A>,
    call: Call,
  ): Promise<A> {
    if (!this.extensions.has(request)) throw sftpError(SftpStatus.OP_UNSUPPORTED, call);
    return await this.request(msg.Extended, { request, data }, reply, call);
  }

  /**
   * Sends an extended request that is answered by data, which is decoded.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extendedReply<V>(
    request: string,
    data: Uint8Array,
    layout: Layout<V>,
    call: Call,
  ): Promise<V> {
    const answer = await this.extended(request, data, msg.ExtendedReply, call);
    try {
      return layout.decode(answer.data);
    } catch (cause) {
      throw cause instanceof ProtocolError ? malformed(call, cause) : cause;
    }
  }

  /**
   * Reads at most `length` bytes into memory that `into` gives when they come; resolves to how many there
   * were, 0 at the end of the file.
   */
  read(
    handle: Uint8Array,
    offset: number,
    length: number,
    into: () => Uint8Array,
    call: Call,
  ): Promise<number> {
    const encode = (id: number) => [msg.Read.encode(id, { handle, offset, length })];
    return this.#send(call, msg.Data, encode, { length, into }) as Promise<number>;
  }

  /**
   * Writes `data`, which must not change until the promise has settled; `sent` is called when the channel has
   * taken it.
   */
  async write(
    handle: Uint8Array,
    offset: number,
    data: Uint8Array,
    call: Call,
    sent?: () => void,
  ): Promise<void> {
    const encode = (id: number) => [msg.writeHeader(id, handle, offset, data.length), data];
    await this.#send(call, msg.Status, encode, NO_READ, sent);
  }

  /** Ends the session; requests that are not answered within a moment are rejected. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#cause !== null) return;
    await withLimits(this.#drain(), { timeout: CLOSE_LINGER_MS }).catch(() => {});
    this.#fail(closed());
  }

  async #drain(): Promise<void> {
    await this.#outbox.below(0);
    await this.#channel.closeWrite();
    // Where every request has its answer, also those that were given up, there is nothing to wait for.
    if (this.#pending.size + this.#abandoned.size > 0) await this.#receiving;
  }

  #send(
    call: Call,
    reply: msg.Row<unknown>,
    encode: (id: number) => Uint8Array[],
    { length, into }: PendingRead = NO_READ,
    sent?: () => void,
  ): Promise<unknown> {
    const { signal, timeout = this.#timeout } = call;
    if (this.#cause !== null || this.#closing) return Promise.reject(this.#cause ?? closed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#id();
    let chunks: Uint8Array[];
    try {
      chunks = encode(id);
    } catch (cause) {
      return Promise.reject(cause);
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const sentAt = performance.now();
    const alone = this.#pending.size === 0;
    this.#pending.set(id, { call, reply, sentAt, timeout, alone, length, into, resolve, reject });
    if (signal) this.#cancellable.add(signal, id);
    if (sentAt + timeout < this.#due) this.#arm(timeout);
    this.#outbox.push(chunks, sent);
    return promise;
  }

  #id(): number {
    do this.#nextId = (this.#nextId + 1) >>> 0; while (
      this.#pending.has(this.#nextId) || this.#abandoned.has(this.#nextId)
    );
    return this.#nextId;
  }

  async #receive(): Promise<void> {
    try {
      const answers = new AnswerParser(this.#answerHandler);
      const text = new StrayText();
      await consume(this.#channel, (bytes) => {
        if (this.#cause !== null) return;
        if (this.#extensions !== null || !text.take(bytes)) return answers.push(bytes);
        if (text.complete) throw this.#notSftp(text);
        // A prompt has no end of line.
        this.#timer ??= setTimeout(() => this.#fail(this.#notSftp(text)), CLOSE_LINGER_MS);
      });
      if (text.line !== "") throw this.#notSftp(text);
      if (answers.inside) throw new ProtocolError("The stream ends inside a message");
      this.#fail(
        this.#closing ? closed() : sessionError(
          SftpStatus.CONNECTION_LOST,
          `the server closed the channel${this.#said()}`,
        ),
      );
    } catch (cause) {
      this.#fail(cause instanceof SftpError ? cause : lost(cause));
    }
  }

  #notSftp(text: StrayText): SftpError {
    const reason = `what answered is not an SFTP server: it sent "${text.line}"${this.#said()}; ` +
      "start-up files of the shell there must print nothing";
    return sessionError(SftpStatus.BAD_MESSAGE, reason);
  }

  /** The first line of standard error, for errors before the session has begun. */
  #said(): string {
    const line = this.#extensions === null ? errorLine(this.#channel) : "";
    return line === "" ? "" : `, and said "${line}" on standard error`;
  }

  readonly #answerHandler: AnswerHandler = {
    begun: (type, id) => this.#begun(type, id),
    filled: (id, bytes) => this.#settle(id, () => bytes),
    spoiled: (id, problem) =>
      this.#settle(id, () => {
        throw new ProtocolError(problem);
      }),
    answered: (type, id, body) => this.#answered(type, id, body),
  };

  #begun(type: number, id: number): PendingRead | null {
    if (this.#extensions === null) {
      checkVersion(type, id);
      return null;
    }
    const pending = this.#waiting(id);
    return pending !== null && type === FXP.DATA && pending.reply === msg.Data ? pending : null;
  }

  /**
   * The request that an answer is for; null for a second answer to the same request, which is ignored.
   *
   * @throws {ProtocolError} If there was no such request: the stream cannot be trusted
   */
  #waiting(id: number): Pending | null {
    const pending = this.#pending.get(id) ?? this.#abandoned.get(id);
    if (pending) return pending;
    if (id !== 0 && id <= this.#nextId) return null;
    throw new ProtocolError("Answer to a request that was not made");
  }

  #answered(type: number, id: number, body: Uint8Array): void {
    if (this.#extensions === null) {
      this.#extensions = msg.decodeExtensions(body);
      return this.#greeting.resolve(this.#extensions);
    }
    const pending = this.#waiting(id);
    if (pending !== null) this.#settle(id, () => answer(type, body, pending));
  }

  #settle(id: number, value: () => unknown): void {
    if (this.#cause !== null) return;
    const pending = this.#pending.get(id);
    if (!pending) {
      const abandoned = this.#abandoned.get(id)!;
      this.#abandoned.delete(id);
      this.#release(abandoned, value);
      return;
    }
    if (this.#pending.keys().next().value === id) this.#oldestSince = performance.now();
    if (pending.alone) {
      this.#roundTrip = Math.min(this.#roundTrip, this.#oldestSince - pending.sentAt);
    }
    this.#forget(id, pending);
    try {
      pending.resolve(value());
    } catch (cause) {
      // A refusal or a malformed answer concerns this request alone: the next message begins where it should.
      pending.reject(cause instanceof ProtocolError ? malformed(pending.call, cause) : cause);
    }
  }

  /** Closes a handle whose request was cancelled, so that it does not stay open on the server. */
  #release({ reply, call }: Pending, value: () => unknown): void {
    try {
      const answer = value();
      if (reply !== msg.Handle) return;
      const close = { operation: "close", path: call.path };
      this.command(msg.Close, answer as msg.RowValue<typeof msg.Handle>, close).catch(() => {});
    } catch {
      // Refused or malformed: there is no handle.
    }
  }

  #abandon(id: number, reason: unknown): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#forget(id, pending);
    this.#abandoned.set(id, pending);
    pending.into = null;
    pending.reject(reason);
    if (this.#abandoned.size > MAX_ABANDONED) {
      this.#fail(sessionError(SftpStatus.CONNECTION_LOST, "the server does not answer"));
    }
  }

  /**
   * A request's time-out runs from when it was sent, or became the oldest: on a slow connection the last of
   * many reads must wait for those before it. A request that is skipped while later ones are answered is
   * late, too.
   */
  #tick = (): void => {
    this.#timer = null;
    this.#due = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const [id, { call, sentAt, timeout }] of this.#pending) {
      const left = Math.max(sentAt, this.#oldestSince) + timeout - now;
      if (left > 0) {
        next = Math.min(next, left);
        continue;
      }
      this.#abandon(id, sftpError(SftpStatus.CONNECTION_LOST, call, `no answer in ${timeout} ms`));
    }
    if (next < Infinity && this.#cause === null) this.#arm(next);
  };

  #arm(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#due = performance.now() + ms;
    this.#timer = setTimeout(this.#tick, Math.ceil(ms));
  }

  #forget(id: number, { call: { signal } }: Pending): void {
    this.#pending.delete(id);
    if (signal) this.#cancellable.delete(signal, id);
  }

  #fail(cause: Error): void {
    if (this.#cause !== null) return;
    this.#cause = cause;
    this.#greeting.reject(cause);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const pending of this.#pending.values()) pending.reject(cause);
    this.#pending.clear();
    this.#cancellable.clear();
    this.#channel.close().catch(() => {});
  }
}

function closed(): ClosedError {
  return new ClosedError("SFTP session is closed");
}

/**
 * The value of an answer.
 *
 * @throws {SftpError} If the server refused
 */
function answer(type: number, body: Uint8Array, { reply, call }: Pending): unknown {
  if (type === FXP.STATUS) {
    const { status, message } = msg.Status.decode(body);
    if (status === SftpStatus.EOF && reply === msg.Data) return 0;
    if (status === SftpStatus.OK && reply === msg.Name) return { entries: [] };
    if (status !== SftpStatus.OK) throw sftpError(status, call, message || undefined);
  }
  if (type !== reply.type) throw new ProtocolError(`Answer of the wrong type ${type}`);
  return reply.decode(body);
}

/** Checks the first message, which has a version where others have an id. */
function checkVersion(type: number, version: number): void {
  if (type !== FXP.VERSION) throw new ProtocolError("what answered is not an SFTP server");
  // The lower version counts (filexfer-02 §4): later ones are ours, and earlier ones lack requests only.
  if (version > LATEST_VERSION) throw new ProtocolError(`the server speaks version ${version}`);
}

/** @throws {RangeError} If a server would end the session at the message: only a path can be so long */
function sendable(message: Uint8Array): Uint8Array {
  if (message.length <= SFTP_MAX_MESSAGE) return message;
  throw new RangeError(
    `The request has ${message.length} bytes, and SFTP messages have at most ${SFTP_MAX_MESSAGE}: ` +
      "shorten the path",
  );
}
