import { ClosedError, ProtocolError, SftpError } from "../errors.ts";
import { CLOSE_LINGER_MS, SFTP_MAX_MESSAGE, SFTP_TIMEOUT_MS } from "../defaults.ts";
import { peek32 } from "../wire/hot.ts";
import { ByteSource } from "./byte_source.ts";
import type { SftpChannel } from "./channel.ts";
import { cancellable } from "./cancel.ts";
import { Cancellations } from "./cancellations.ts";
import * as msg from "./messages.ts";
import { FXP, SFTP_VERSION } from "./numbers.ts";
import { Outbox } from "./outbox.ts";
import { type Call, lost, sessionError, sftpError, SftpStatus } from "./status.ts";

export type { SftpChannel } from "./channel.ts";

/** Cancelled requests whose answers are still owed; a server that owes more does not answer. */
const MAX_ABANDONED = 4096;

/** What is read of a message before it is known where its data belongs. */
const HEAD_BYTES = 16 * 1024;

/** A request that waits for its answer. */
interface Pending {
  readonly call: Call;
  readonly reply: msg.Row<unknown>;
  readonly sentAt: number;
  /** Milliseconds until the answer is late. */
  readonly timeout: number;
  /** Nothing else was under way: its time is the round trip's. */
  readonly alone: boolean;
  /** Whether the data may still go there when the caller has given up on it. */
  readonly direct: boolean;
  /** Where the data of a READ goes; null once the caller has given up on it. */
  into: Uint8Array | null;
  resolve(value: unknown): void;
  reject(cause: unknown): void;
}

/**
 * The client's end of the protocol: numbers requests, matches answers, and dies once, with one
 * error. Data of a READ goes straight from the channel's chunks to where it is wanted.
 */
export class SftpLink {
  /** What the server announced. */
  readonly extensions: ReadonlyMap<string, string>;

  readonly #channel: SftpChannel;
  readonly #source: ByteSource;
  readonly #outbox: Outbox;
  readonly #timeout: number;
  readonly #pending: Map<number, Pending> = new Map();
  readonly #abandoned: Map<number, Pending> = new Map();
  readonly #cancellable: Cancellations = new Cancellations((id, reason) =>
    this.#abandon(id, reason)
  );
  #nextId = 0;
  #closing: Promise<void> | null = null;
  #cause: Error | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer goes off. */
  #due = Infinity;
  #roundTrip = Infinity;
  #oldestSince = 0;
  #receiving: Promise<void> = Promise.resolve();

  private constructor(
    channel: SftpChannel,
    source: ByteSource,
    extensions: ReadonlyMap<string, string>,
    timeout: number,
  ) {
    this.#channel = channel;
    this.#source = source;
    this.extensions = extensions;
    this.#timeout = timeout;
    this.#outbox = new Outbox(channel, (cause) => this.#fail(lost(cause)));
  }

  /** Exchanges INIT and VERSION (filexfer-02 §4). */
  static async open(
    channel: SftpChannel,
    { signal, timeout = SFTP_TIMEOUT_MS }: {
      signal?: AbortSignal | undefined;
      timeout?: number | undefined;
    },
  ): Promise<SftpLink> {
    // All that is kept of a message is copied when it is decoded.
    const source = new ByteSource(channel, new Uint8Array(HEAD_BYTES));
    const late = () => sessionError(SftpStatus.CONNECTION_LOST, `no answer in ${timeout} ms`);
    try {
      const extensions = await cancellable(greet(channel, source), { signal, timeout, late });
      const link = new SftpLink(channel, source, extensions, timeout);
      link.#receiving = link.#receive();
      return link;
    } catch (cause) {
      channel.close().catch(() => {}); // not awaited: the server need not answer
      throw cause;
    }
  }

  /** Why the session is over; null while it goes on. */
  get cause(): Error | null {
    return this.#cause;
  }

  /** The shortest round trip seen of a request that had the link to itself, in milliseconds. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** Sends a request; resolves to the answer of the expected kind. */
  request<Q, A>(row: msg.Row<Q>, value: Q, reply: msg.Row<A>, call: Call): Promise<A> {
    return this.#send(call, reply, null, (id) => [row.encode(id, value)]) as Promise<A>;
  }

  /** Sends a request that is answered by a status alone. */
  async command<Q>(row: msg.Row<Q>, value: Q, call: Call): Promise<void> {
    await this.request(row, value, msg.Status, call);
  }

  /**
   * Reads into `into`; resolves to the number of bytes, 0 at the end of the file. Memory that is `direct`
   * must not be used for anything else if this fails: some data may still come there.
   */
  read(
    handle: Uint8Array,
    offset: number,
    into: Uint8Array,
    call: Call,
    { direct = false }: { direct?: boolean } = {},
  ): Promise<number> {
    const value = { handle, offset, length: into.length };
    const encode = (id: number) => [msg.Read.encode(id, value)];
    return this.#send(call, msg.Data, into, encode, direct) as Promise<number>;
  }

  /** Writes `data`, which must stay as it is until the promise has settled. */
  async write(handle: Uint8Array, offset: number, data: Uint8Array, call: Call): Promise<void> {
    const encode = (id: number) => [msg.writeHeader(id, handle, offset, data.length), data];
    await this.#send(call, msg.Status, null, encode);
  }

  /** Ends the session: what was sent may still be answered for a moment, then it is rejected. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#cause !== null) return;
    await cancellable(this.#drain(), { timeout: CLOSE_LINGER_MS }).catch(() => {});
    this.#fail(closed());
  }

  async #drain(): Promise<void> {
    await this.#outbox.below(0);
    await this.#channel.closeWrite();
    await this.#receiving;
  }

  #send(
    call: Call,
    reply: msg.Row<unknown>,
    into: Uint8Array | null,
    encode: (id: number) => Uint8Array[],
    direct = false,
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
    if (alone) this.#oldestSince = sentAt;
    this.#pending.set(id, { call, reply, sentAt, timeout, alone, into, direct, resolve, reject });
    if (signal) this.#cancellable.add(signal, id);
    if (sentAt + timeout < this.#due) this.#arm(timeout);
    this.#outbox.push(chunks);
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
      while (await this.#source.more()) await this.#message();
      this.#fail(
        this.#closing
          ? closed()
          : sessionError(SftpStatus.CONNECTION_LOST, "the server closed the channel"),
      );
    } catch (cause) {
      this.#fail(cause instanceof SftpError ? cause : lost(cause));
    }
  }

  async #message(): Promise<void> {
    const header = await this.#source.take(msg.FRAME_HEADER);
    const length = peek32(header, 0) - (msg.FRAME_HEADER - 4);
    const type = header[4]!;
    const id = peek32(header, 5);
    if (length < 0 || length > SFTP_MAX_MESSAGE) {
      throw new ProtocolError("Message length is absurd");
    }
    const pending = this.#pending.get(id) ?? this.#abandoned.get(id);
    if (!pending) throw new ProtocolError("Answer to a request that was not made");
    if (type === FXP.DATA && pending.reply === msg.Data) {
      const data = await this.#data(length, pending);
      this.#settle(id, () => data);
    } else {
      const body = await this.#source.take(length);
      this.#settle(id, () => answer(type, body, pending));
    }
  }

  /** DATA: uint32 length, then the bytes, at most as many as were asked for and at least one. */
  async #data(length: number, pending: Pending): Promise<number> {
    if (length < 4) throw new ProtocolError("Message ends too early");
    const size = peek32(await this.#source.take(4), 0);
    if (size !== length - 4) throw new ProtocolError("Data does not fill its message");
    if (size === 0) throw new ProtocolError("Data is empty");
    if (pending.into !== null && size > pending.into.length) {
      throw new ProtocolError("More data than was asked for");
    }
    if (pending.into !== null && pending.direct) {
      await this.#source.fill(pending.into.subarray(0, size));
    } else await this.#source.each(size, (piece, at) => pending.into?.set(piece, at));
    return size;
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
      // The server's "no" concerns this request; nonsense ends the session.
      const error = cause instanceof SftpError ? cause : lost(cause);
      pending.reject(error);
      if (error !== cause) throw error;
    }
  }

  /** A handle that comes too late would stay open on the server. */
  #release({ reply, call }: Pending, value: () => unknown): void {
    try {
      const answer = value();
      if (reply !== msg.Handle) return;
      const close = { operation: "close", path: call.path };
      this.command(msg.Close, answer as msg.RowValue<typeof msg.Handle>, close).catch(() => {});
    } catch (cause) {
      if (!(cause instanceof SftpError)) throw cause;
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
   * A request's time runs from when it was sent, or became the oldest: on a slow link the last of
   * many reads must wait for those before it. One that starves while others are answered is late too.
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
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const pending of this.#pending.values()) {
      pending.into = null;
      pending.reject(cause);
    }
    this.#pending.clear();
    this.#cancellable.clear();
    this.#abandoned.clear();
    this.#channel.close().catch(() => {});
  }
}

function closed(): ClosedError {
  return new ClosedError("SFTP session is closed");
}

/** What an answer means: a value of the expected kind, or the server's refusal, thrown. */
function answer(type: number, body: Uint8Array, { reply, call }: Pending): unknown {
  if (type === FXP.STATUS) {
    const { status, message } = msg.Status.decode(body);
    if (status === SftpStatus.EOF && reply === msg.Data) return 0;
    if (status !== SftpStatus.OK) throw sftpError(status, call, message || undefined);
  }
  if (type !== reply.type) throw new ProtocolError(`Answer of the wrong type ${type}`);
  return reply.decode(body);
}

async function greet(
  channel: SftpChannel,
  source: ByteSource,
): Promise<ReadonlyMap<string, string>> {
  try {
    await channel.writeAll(msg.encodeVersion(FXP.INIT, SFTP_VERSION));
    const header = await source.take(msg.FRAME_HEADER);
    const length = peek32(header, 0) - (msg.FRAME_HEADER - 4);
    if (header[4] !== FXP.VERSION || length < 0 || length > SFTP_MAX_MESSAGE) {
      throw new ProtocolError("what answered is not an SFTP server");
    }
    const version = peek32(header, 5);
    if (version !== SFTP_VERSION) throw new ProtocolError(`the server speaks version ${version}`);
    return msg.decodeExtensions(await source.take(length));
  } catch (cause) {
    throw lost(cause);
  }
}
