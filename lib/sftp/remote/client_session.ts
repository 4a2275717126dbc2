import { withLimits } from "../../waiting.ts";
import { ClosedError, ProtocolError, type SftpError } from "../../errors.ts";
import {
  CLOSE_LINGER_MS,
  SFTP_MAX_MESSAGE,
  SFTP_REPEATS,
  SFTP_TIMEOUT_MS,
} from "../../defaults.ts";
import { type Asked, lookAfter, policyOf, renamingOf } from "./again.ts";
import type { PendingRead } from "./answer_parser.ts";
import type { Layout } from "../../wire/message.ts";
import { PathEstimate } from "./pacing.ts";
import type { Attributes } from "../protocol/attributes.ts";
import type { SftpChannel, SftpChannelState } from "../protocol/channel.ts";
import * as msg from "../protocol/messages.ts";
import { FXP } from "../protocol/numbers.ts";
import { answerLost, OpenHandle } from "./open_handle.ts";
import { type Encode, partOf, type Pending, PendingRequests } from "./pending_requests.ts";
import { type Extensions, SessionChannel, type SessionChannelEvents } from "./session_channel.ts";
import { SendWindow } from "./send_window.ts";
import {
  type Call,
  isRefusal,
  malformed,
  nullIfNoSuchFile,
  nullIfRefused,
  sessionError,
  sftpError,
  SftpStatus,
} from "../protocol/status.ts";

export type { SftpChannel } from "../protocol/channel.ts";

/**
 * Waits for a new connection and opens a channel in place of the lost one; null if there will be no
 * connection.
 */
export type ReopenChannel = (signal: AbortSignal) => Promise<SftpChannel | null>;

/** Properties of a request besides its fields; a READ has a length and memory. */
interface Subject extends Partial<PendingRead> {
  readonly asked?: Asked | null;
  readonly handle?: OpenHandle | null;
  readonly end?: number;
  /** Called when the channel has taken the request. */
  readonly sent?: (() => void) | undefined;
  /** Whether it serves to restore the session on a new channel: sent immediately, never repeated. */
  readonly renews?: boolean;
}

/**
 * The client's side of the protocol: numbers requests, matches answers, and fails once, with one error.
 * Data of a READ is copied from the packets directly to the caller's memory.
 */
export class ClientSession {
  #channel: SessionChannel;
  readonly #timeout: number;
  /** The extensions assumed until the server announces its own. */
  readonly #assumed: Extensions;
  #reopen: ReopenChannel | null = null;
  /** The open files, which are reopened on a new channel. */
  readonly #handles: Set<OpenHandle> = new Set();
  /** Cancels the renewal; null while the channel works. */
  #renewal: AbortController | null = null;
  readonly #requests: PendingRequests = new PendingRequests(() => {
    this.#fail(sessionError(SftpStatus.CONNECTION_LOST, "the server does not answer"));
  });
  /** Lost channels since the last answered request. */
  #losses = 0;
  readonly #window: SendWindow = new SendWindow();
  /** The requests that wait for the window, in order; there are none while it is open. */
  #queue: number[] = [];
  /** The first handle that the server gave; null before. */
  firstHandle: Uint8Array | null = null;
  #closing: Promise<void> | null = null;
  #cause: Error | null = null;

  private constructor(channel: SftpChannel, timeout: number, assumed: Extensions = new Map()) {
    this.#timeout = timeout;
    this.#assumed = assumed;
    this.#channel = this.#greeted(channel);
  }

  /** Exchanges INIT and VERSION (filexfer-02 §4). */
  static async open(
    channel: SftpChannel,
    { signal, timeout = SFTP_TIMEOUT_MS, reopen = null }: {
      signal?: AbortSignal | undefined;
      timeout?: number | undefined;
      reopen?: ReopenChannel | null | undefined;
    },
  ): Promise<ClientSession> {
    const session = new ClientSession(channel, timeout);
    const late = () => sessionError(SftpStatus.CONNECTION_LOST, `no answer in ${timeout} ms`);
    try {
      await withLimits(session.#channel.greeted, { signal, timeout, late });
      session.#reopen = reopen;
      return session;
    } catch (cause) {
      channel.close().catch(() => {}); // not awaited: the server may not answer
      throw cause;
    }
  }

  /**
   * Sends INIT without waiting for VERSION, so that requests can follow immediately; for a server whose
   * extensions are known from another session.
   */
  static start(
    channel: SftpChannel,
    timeout: number = SFTP_TIMEOUT_MS,
    extensions: Extensions = new Map(),
  ): ClientSession {
    return new ClientSession(channel, timeout, extensions);
  }

  /** The extensions that the server announced. */
  get extensions(): Extensions {
    return this.#channel.extensions ?? this.#assumed;
  }

  /** Whether a lost channel is replaced by a new one. */
  get isRenewable(): boolean {
    return this.#reopen !== null;
  }

  /** Whether the channel was lost, and the next one is not in use yet. */
  get isRenewing(): boolean {
    return this.#renewal !== null;
  }

  /** Why the session has ended; null while it is open. */
  get cause(): Error | null {
    return this.#cause;
  }

  /** How the server limits what is sent; undefined if that is not known. */
  get flow(): SftpChannelState | undefined {
    return this.#channel.flow;
  }

  /** Whether no request was sent. */
  get isUnused(): boolean {
    return this.#requests.isUnused;
  }

  /** Measurements of the network path, separate for reads and writes. */
  readonly pathEstimates: { readonly read: PathEstimate; readonly write: PathEstimate } = {
    read: new PathEstimate(() => this.#requests.roundTrip),
    write: new PathEstimate(() => this.#requests.roundTrip),
  };

  /**
   * Sends a request; resolves to the answer of the expected kind.
   *
   * @param handle The open file that it uses; the fields read its handle when they are encoded
   */
  request<Q, A>(
    row: msg.Row<Q>,
    value: Q,
    reply: msg.Row<A>,
    call: Call,
    handle: OpenHandle | null = null,
  ): Promise<A> {
    const encode = (id: number) => [sendable(row.encode(id, value))];
    const asked = { row: row as msg.Row<unknown>, value };
    return this.#send(call, reply, encode, { asked, handle }) as Promise<A>;
  }

  /** Sends a request that is answered by a status alone. */
  async command<Q>(row: msg.Row<Q>, value: Q, call: Call, handle?: OpenHandle): Promise<void> {
    await this.request(row, value, msg.Status, call, handle);
  }

  /**
   * Opens a file.
   *
   * @param isOwnName Whether the name of a new file is unique, so that a file found under it after a loss
   *   is this one
   */
  async open(
    path: string,
    flags: number,
    attributes: Attributes,
    call: Call,
    isOwnName = false,
  ): Promise<OpenHandle> {
    const file = new OpenHandle(path, flags, isOwnName);
    // Requested before the file is opened, so that it takes no extra round trip.
    const seeing = this.isRenewable && !file.writes
      ? nullIfRefused(this.request(msg.Stat, { path }, msg.Attrs, call))
      : null;
    seeing?.catch(() => {}); // the open fails, too
    await this.request(msg.Open, { path, flags, attributes }, msg.Handle, call, file);
    file.seen = (await seeing)?.attributes ?? null;
    return file;
  }

  /**
   * Opens a file whose handle is expected, so that requests for it can follow immediately. They fail if the
   * server gives another handle.
   */
  openAs(
    expected: Uint8Array,
    path: string,
    flags: number,
    call: Call,
  ): { file: OpenHandle; opened: Promise<void> } {
    const file = new OpenHandle(path, flags);
    file.handle = expected;
    const opened = this.request(msg.Open, { path, flags, attributes: {} }, msg.Handle, call, file)
      .then(() => {});
    return { file, opened };
  }

  /** Opens a folder to be listed. */
  async openFolder(path: string, call: Call): Promise<OpenHandle> {
    const folder = new OpenHandle(path, null);
    await this.request(msg.Opendir, { path }, msg.Handle, call, folder);
    return folder;
  }

  /**
   * Sends an extended request.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extended<A>(
    request: string,
    data: Uint8Array | (() => Uint8Array),
    reply: msg.Row<A>,
    call: Call,
    handle?: OpenHandle,
  ): Promise<A> {
    if (!this.extensions.has(request)) throw sftpError(SftpStatus.OP_UNSUPPORTED, call);
    const value = typeof data === "function" ? lazily(request, data) : { request, data };
    return await this.request(msg.Extended, value, reply, call, handle);
  }

  /**
   * Sends an extended request that is answered by data, which is decoded.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extendedReply<V>(
    request: string,
    data: Uint8Array | (() => Uint8Array),
    layout: Layout<V>,
    call: Call,
    handle?: OpenHandle,
  ): Promise<V> {
    const answer = await this.extended(request, data, msg.ExtendedReply, call, handle);
    try {
      return layout.decode(answer.data);
    } catch (cause) {
      throw cause instanceof ProtocolError ? malformed(call, cause) : cause;
    }
  }

  /**
   * Reads at most `length` bytes. `into` returns the memory for them and is called when they arrive.
   * Resolves to their number, 0 at the end of the file.
   */
  read(
    file: OpenHandle,
    offset: number,
    length: number,
    into: () => Uint8Array,
    call: Call,
  ): Promise<number> {
    const encode: Encode = (id, from, length) => [
      msg.Read.encode(id, { handle: file.handle, offset: offset + from, length }),
    ];
    const subject = { length, into, handle: file };
    return this.#send(call, msg.Data, encode, subject) as Promise<number>;
  }

  /**
   * Writes `data`, which must not change until the promise has settled; `sent` is called when the channel has
   * taken it.
   */
  async write(
    file: OpenHandle,
    offset: number,
    data: Uint8Array,
    call: Call,
    sent?: () => void,
  ): Promise<void> {
    const encode: Encode = (id, from, length) => [
      msg.writeHeader(id, file.handle, offset + from, length),
      length === data.length ? data : data.subarray(from, from + length),
    ];
    const end = file.appends ? 0 : offset + data.length;
    const { length } = data;
    await this.#send(call, msg.Status, encode, { handle: file, end, length, sent });
  }

  /** Ends the session; requests that are not answered within a moment are rejected. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#cause !== null) return;
    if (this.#renewal === null) {
      await withLimits(this.#drain(), { timeout: CLOSE_LINGER_MS }).catch(() => {});
    }
    this.#fail(closed());
  }

  async #drain(): Promise<void> {
    await this.#channel.finish();
    // Every request was answered, the cancelled ones too: there is nothing to wait for.
    if (!this.#requests.isEmpty) await this.#channel.received;
  }

  #send(
    call: Call,
    reply: msg.Row<unknown>,
    encode: Encode,
    subject: Subject,
  ): Promise<unknown> {
    const { length = 0, into = null, asked = null, handle = null, end = 0 } = subject;
    const { sent, renews = false } = subject;
    const { signal, timeout = this.#timeout } = call;
    if (this.#cause !== null || this.#closing) return Promise.reject(this.#cause ?? closed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (handle !== null && handle.gone !== null) return Promise.reject(handle.gone);
    const id = this.#requests.newId();
    const part = this.#part(length, handle);
    let chunks: Uint8Array[];
    try {
      chunks = encode(id, 0, part);
    } catch (cause) {
      return Promise.reject(cause);
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const waits = !renews && (this.#renewal !== null || !this.#window.isOpen);
    const pending: Pending = {
      call,
      reply,
      encode,
      asked,
      handle,
      end,
      sentAt: Infinity,
      wasSent: false,
      renews,
      loss: null,
      isLookedAt: false,
      isAbandoned: false,
      timeout,
      alone: false,
      length,
      done: 0,
      part: 0,
      into,
      resolve,
      reject,
    };
    this.#requests.add(id, pending);
    if (waits) {
      if (this.#renewal === null) this.#queue.push(id); // otherwise with the others
      sent?.(); // the number that waits is limited by what may be in flight
      return promise;
    }
    this.#requests.sent(pending);
    this.#window.sent(pending.part = part);
    this.#channel.push(chunks, sent);
    return promise;
  }

  /** How much of a READ or a WRITE to send now. */
  #part(length: number, handle: OpenHandle | null): number {
    // Parts of an appending WRITE could be mixed with other WRITEs.
    return handle?.appends ? length : Math.min(length, this.#window.largest);
  }

  /** Starts to use a channel: sends INIT on it. */
  #greeted(channel: SftpChannel): SessionChannel {
    const events: SessionChannelEvents = {
      begun: (type, id) => this.#begun(type, id),
      filled: (id, bytes) => this.#settle(id, () => bytes),
      spoiled: (id, problem) =>
        this.#settle(id, () => {
          throw new ProtocolError(problem);
        }),
      answered: (type, id, body) => this.#answered(type, id, body),
      ended: (cause) => this.#ended(cause),
    };
    return new SessionChannel(channel, events);
  }

  #begun(type: number, id: number): PendingRead | null {
    const pending = this.#requests.expecting(id);
    if (pending === null || type !== FXP.DATA || pending.reply !== msg.Data) return null;
    return pending.part === pending.length ? pending : partOf(pending);
  }

  #answered(type: number, id: number, body: Uint8Array): void {
    const pending = this.#requests.expecting(id);
    if (pending !== null) this.#settle(id, () => answer(type, body, pending));
  }

  #settle(id: number, value: () => unknown): void {
    if (this.#cause !== null) return;
    const pending = this.#requests.get(id)!;
    this.#window.answered(pending.part);
    if (pending.isAbandoned) {
      this.#requests.remove(id, pending);
      this.#release(pending, value);
    } else {
      this.#settlePending(id, pending, value);
    }
    this.#sendQueued();
  }

  #settlePending(id: number, pending: Pending, value: () => unknown): void {
    this.#requests.answered(id, pending);
    if (!pending.renews) this.#losses = 0;
    try {
      let result = value();
      const isRead = pending.reply === msg.Data;
      const bytes = isRead ? result as number : pending.part;
      pending.done += bytes;
      if (bytes === pending.part && pending.done < pending.length) {
        pending.sentAt = Infinity;
        return void this.#queue.unshift(id);
      }
      if (isRead) result = pending.done;
      this.#requests.remove(id, pending);
      if (pending.handle !== null) this.#changed(pending, pending.handle, result);
      else this.#renamed(pending);
      pending.resolve(result);
    } catch (cause) {
      this.#requests.remove(id, pending);
      // A refusal or a malformed answer affects only this request: the start of the next message is known.
      const error = cause instanceof ProtocolError ? malformed(pending.call, cause) : cause;
      if (pending.loss === null) pending.reject(error);
      else this.#refusedAgain(pending, pending.loss, error);
    }
  }

  /** Records the effect of an answer on an open file. */
  #changed({ reply, asked, end }: Pending, handle: OpenHandle, result: unknown): void {
    if (end > handle.reached) handle.reached = end;
    if (reply === msg.Handle) {
      handle.handle = (result as msg.RowValue<typeof msg.Handle>).handle;
      this.firstHandle ??= handle.handle;
      this.#handles.add(handle);
    } else if (asked !== null && (asked.row as unknown) === msg.Close) {
      this.#handles.delete(handle);
      handle.isClosed = true;
    }
  }

  /** Gives open files their new path. */
  #renamed({ asked }: Pending): void {
    const renaming = asked && renamingOf(asked);
    if (renaming === null) return;
    for (const handle of this.#handles) {
      if (handle.path === renaming.from) handle.path = renaming.to;
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

  /** The channel ended without being closed here. */
  #ended(cause: SftpError): void {
    if (this.#closing) return this.#fail(closed());
    if (this.#reopen === null) return this.#fail(cause);
    this.#renewal?.abort();
    const renewal = this.#renewal = new AbortController();
    this.#losses++;
    this.#suspend(cause);
    this.#renew(this.#reopen, cause, renewal.signal).catch((error) => {
      if (this.#renewal === renewal) this.#fail(error instanceof Error ? error : cause);
    });
  }

  /** Makes the pending requests wait for the next channel. */
  #suspend(loss: SftpError): void {
    this.#channel.close(loss);
    this.#window.lost();
    this.#queue = [];
    this.#requests.lost(loss);
  }

  /** Opens a channel in place of the lost one, reopens the files on it, then repeats the pending requests. */
  async #renew(reopen: ReopenChannel, loss: SftpError, signal: AbortSignal): Promise<void> {
    const channel = await reopen(signal);
    if (channel === null) return this.#fail(loss);
    if (signal.aborted) return void channel.close().catch(() => {});
    this.#channel = this.#greeted(channel);
    const late = () =>
      sessionError(SftpStatus.CONNECTION_LOST, `no answer in ${this.#timeout} ms`, loss);
    await withLimits(this.#channel.greeted, { timeout: this.#timeout, late });
    await Promise.all([...this.#handles].map((handle) => this.#openAgain(handle, loss, signal)));
    if (signal.aborted) return;
    this.#renewal = null;
    const oldest = [...this.#requests].find(([, { wasSent }]) => wasSent);
    if (this.#losses > SFTP_REPEATS && oldest !== undefined) {
      const [id, pending] = oldest;
      const what = `the request is unanswered after ${this.#losses} losses`;
      this.#giveUp(id, pending, answerLost(pending.call, what, loss));
    }
    for (const [id, pending] of [...this.#requests]) this.#makeAgain(id, pending, loss);
  }

  async #openAgain(handle: OpenHandle, loss: SftpError, signal: AbortSignal): Promise<void> {
    const call = { operation: "open", path: handle.path };
    const { access } = handle;
    if (access === null) {
      this.#handles.delete(handle);
      handle.gone = answerLost(call, "with it the place in the listing", loss);
      return;
    }
    const ask = <Q, A>(row: msg.Row<Q>, value: Q, reply: msg.Row<A>) => {
      signal.throwIfAborted(); // the new channel is lost, too
      const encode = (id: number) => [row.encode(id, value)];
      return this.#send(call, reply, encode, { renews: true }) as Promise<A>;
    };
    try {
      const opened = await this.#openFirst(
        handle,
        (path) => ask(msg.Open, { path, flags: access, attributes: {} }, msg.Handle),
      );
      const now = await nullIfRefused(ask(msg.Fstat, opened, msg.Attrs));
      const difference = now && handle.difference(now.attributes);
      if (difference === null) return void (handle.handle = opened.handle);
      ask(msg.Close, opened, msg.Status).catch(() => {});
      handle.gone = answerLost(call, difference, loss);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      handle.gone = answerLost(call, "it could not be opened again", cause);
    }
    this.#handles.delete(handle);
  }

  /** Opens a file by its path, or by the new one if it was renamed and the answer was lost. */
  async #openFirst<T>(handle: OpenHandle, open: (path: string) => Promise<T>): Promise<T> {
    for (const [, { asked, wasSent }] of [...this.#requests]) {
      const renaming = asked && renamingOf(asked);
      if (!wasSent || renaming?.from !== handle.path) continue;
      const opened = await nullIfNoSuchFile(open(handle.path));
      if (opened !== null) return opened;
      handle.path = renaming.to;
    }
    return await open(handle.path);
  }

  /** Repeats a request that was not answered, unless it might then be done twice. */
  #makeAgain(id: number, pending: Pending, loss: SftpError): void {
    const { call, asked, handle, wasSent, reply } = pending;
    if (pending.isLookedAt) return; // the requests of the check are repeated instead
    if (handle !== null) {
      const closed = () => answerLost(call, "the file was closed before", loss);
      const gone = handle.isClosed ? closed() : handle.gone;
      if (gone !== null) return this.#giveUp(id, pending, gone);
    }
    if (!wasSent) return this.#sendAgain(id);
    const appends = handle !== null && handle.appends && reply === msg.Status;
    const policy = asked !== null ? policyOf(asked, handle) : appends ? "never" : "repeat";
    if (policy === "never") {
      return this.#giveUp(id, pending, answerLost(call, "it may or may not have been done", loss));
    }
    if (policy === "repeat") return this.#sendAgain(id);
    pending.isLookedAt = true;
    lookAfter(this, asked!, call.signal).then((found) => {
      [pending.loss, pending.isLookedAt] = [loss, false];
      if (found === "again") return this.#sendAgain(id);
      if (found !== "done") return this.#giveUp(id, pending, answerLost(call, found.unknown, loss));
      this.#requests.remove(id, pending);
      this.#renamed(pending);
      pending.resolve(undefined);
    }).catch((error) => this.#giveUp(id, pending, error));
  }

  /**
   * A repeated request was refused. Perhaps the first one was done after the check, because a server
   * notices the loss of a connection late.
   */
  #refusedAgain({ call, asked, resolve, reject }: Pending, loss: SftpError, error: unknown): void {
    lookAfter(this, asked!, call.signal).then((found) => {
      if (found === "done") resolve(undefined);
      else reject(found === "again" ? error : answerLost(call, found.unknown, loss));
    }).catch(() => reject(error));
  }

  #giveUp(id: number, pending: Pending, error: unknown): void {
    this.#requests.remove(id, pending);
    pending.reject(error);
  }

  #sendAgain(id: number): void {
    if (this.#renewal !== null) return; // it will be sent with the others
    this.#queue.push(id);
    this.#sendQueued();
  }

  /** Sends requests that wait, as far as the window allows. */
  #sendQueued(): void {
    while (this.#queue.length > 0 && this.#window.isOpen) {
      const id = this.#queue.shift()!;
      const pending = this.#requests.get(id);
      if (pending === undefined) continue; // cancelled
      const { encode, length, done, handle } = pending;
      this.#requests.sent(pending);
      this.#window.sent(pending.part = this.#part(length - done, handle));
      this.#channel.push(encode(id, done, pending.part));
    }
  }

  #fail(cause: Error): void {
    if (this.#cause !== null) return;
    this.#cause = cause;
    this.#renewal?.abort(cause);
    this.#channel.close(cause);
    this.#requests.fail(cause);
  }
}

/** The fields of an extended request whose data is encoded each time that it is sent. */
function lazily(request: string, data: () => Uint8Array): { request: string; data: Uint8Array } {
  return {
    request,
    get data() {
      return data();
    },
  };
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

/** @throws {RangeError} If the message is so long that a server would end the session; only a path can be */
function sendable(message: Uint8Array): Uint8Array {
  if (message.length <= SFTP_MAX_MESSAGE) return message;
  throw new RangeError(
    `The request has ${message.length} bytes, and SFTP messages have at most ${SFTP_MAX_MESSAGE}: ` +
      "shorten the path",
  );
}
