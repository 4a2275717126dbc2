import { SFTP_MAX_CHUNK, SFTP_MAX_MESSAGE } from "../../defaults.ts";
import { ProtocolError } from "../../errors.ts";
import {
  callback,
  checkOptions,
  count,
  flag,
  nested,
  object,
  type OptionCheck,
  type OptionChecks,
} from "../../option_checks.ts";
import { tell } from "../../listener.ts";
import { peek32 } from "../../wire/hot.ts";
import { type RequestSubject, type SftpRequestReport, subjectOf } from "./audit.ts";
import type { SftpBackend, SftpBackendFile } from "./backend.ts";
import { RequestBuffers } from "./buffers.ts";
import { ByteSource } from "../protocol/byte_source.ts";
import type { SftpChannel } from "../protocol/channel.ts";
import { statusOf } from "./errno.ts";
import { Handles } from "./handles.ts";
import * as msg from "../protocol/messages.ts";
import { FXP, SFTP_VERSION } from "../protocol/numbers.ts";
import {
  type Frame,
  type Operation,
  type OperationContext,
  OPERATIONS,
  statusFrame,
} from "./operations.ts";
import { Outbox } from "../protocol/outbox.ts";
import { Pipeline } from "./pipeline.ts";
import { EXTENSIONS } from "./extensions.ts";
import { lost, refuse, SftpStatus, statusText } from "../protocol/status.ts";
import { ConnectionShare } from "./share.ts";
import type { Turn } from "../../turns.ts";

/** Options of {@linkcode serveSftp}. */
export interface ServeSftpOptions {
  /** Refuse every change, whatever the backend would allow. */
  readonly readOnly?: boolean;
  /** Permission bits to clear on new files and directories, in addition to the process's umask. */
  readonly umask?: number;
  /**
   * Whether the client has SYMLINK's paths in the draft's order instead of OpenSSH's. Unless given, `serve`
   * decides by the client's identification line.
   */
  readonly linkFirst?: boolean;
  /**
   * Whether clients may make a request, by its name in `sftp-server -Q requests`; unless given, all. Only
   * `true` permits it.
   */
  readonly permits?: (request: string) => boolean;
  /** Called for each request when it is answered. */
  readonly onRequest?: (report: SftpRequestReport) => void;
}

const SERVE_CHECKS: OptionChecks<ServeSftpOptions> = {
  readOnly: flag,
  umask: count,
  linkFirst: flag,
  permits: callback,
  onRequest: callback,
};

/** Checks of a backend with options. */
export const SERVICE_CHECK: OptionCheck = nested("sftp", { ...SERVE_CHECKS, backend: object });

/** A backend, and how to serve it. */
export interface SftpService extends ServeSftpOptions {
  /** The backend to serve, such as `localFiles`. */
  readonly backend: SftpBackend;
}

/** Makes a service of a backend, with default options; returns a service unchanged. */
export function serviceOf(served: SftpBackend | SftpService): SftpService {
  return isService(served) ? served : { backend: served };
}

function isService(served: SftpBackend | SftpService): served is SftpService {
  return "backend" in served;
}

/**
 * Serves one SFTP session: answers requests in order, and uses at most a few megabytes for a client.
 * Consecutive reads, or consecutive writes, run in parallel.
 *
 * A client may have 256 open files and listings in a session, and 512 in all sessions of a connection to
 * `serve`. A path may have 4096 bytes. Busy connections take turns of 8 ms, however many sessions each has;
 * a backend that computes for long without an await still delays all of them. A copy on the server copies
 * as many bytes as the file has at the start, and ends with the channel.
 *
 * @param channel The channel to the client. After a successful session only its sending side is closed,
 *   because an SSH session still sends its exit status
 * @param backend What is served, such as `localFiles`
 * @param options Limits in addition to the backend's
 * @returns When the client has sent its EOF and all its handles are closed
 * @throws {SftpError} If the client breaks the protocol or goes away in the middle of a message
 *
 * @example
 * ```ts
 * import {
 *   localFiles,
 *   serveSftp,
 *   SftpClient,
 *   streamChannel,
 * } from "@denossh/ssh/sftp";
 * import { assert } from "@std/assert";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const backend = localFiles({ root: "." });
 * const serving = serveSftp(
 *   streamChannel(up.readable, down.writable),
 *   backend,
 *   { readOnly: true },
 * );
 *
 * const sftp = await SftpClient.open(
 *   streamChannel(down.readable, up.writable),
 * );
 * assert((await sftp.stat("/")).isDirectory);
 * await sftp.close();
 * await serving;
 * ```
 */
export async function serveSftp(
  channel: SftpChannel,
  backend: SftpBackend,
  options: ServeSftpOptions = {},
): Promise<void> {
  checkOptions("serveSftp()", options, SERVE_CHECKS);
  await serveSession(channel, backend, options, new ConnectionShare());
}

/** Serves one of the sessions of a connection. */
export async function serveSession(
  channel: SftpChannel,
  backend: SftpBackend,
  options: ServeSftpOptions,
  share: ConnectionShare,
): Promise<void> {
  const session = new ServerSession(channel, backend, options, share);
  try {
    await session.run();
  } catch (cause) {
    channel.close().catch(() => {}); // not awaited: the client may not answer
    throw lost(cause);
  }
  await channel.closeWrite().catch(() => channel.close()).catch(() => {}); // the client may be gone
}

/** A request as received. */
interface Request {
  readonly type: number;
  readonly id: number;
  readonly body: Uint8Array;
}

class ServerSession {
  readonly #source: ByteSource;
  readonly #outbox: Outbox;
  readonly #pipeline: Pipeline<Frame>;
  readonly #handles: Handles;
  readonly #channel: SftpChannel;
  readonly #share: ConnectionShare;
  readonly #turn: Turn;
  readonly #context: OperationContext;
  readonly #options: ServeSftpOptions;
  readonly #requests: RequestBuffers = new RequestBuffers();
  /** Where the running writes end, by file. */
  readonly #ends: Map<SftpBackendFile, number> = new Map();
  #failure: unknown = null;

  constructor(
    channel: SftpChannel,
    backend: SftpBackend,
    options: ServeSftpOptions,
    share: ConnectionShare,
  ) {
    const { readOnly = false, umask = 0, linkFirst = false } = options;
    this.#options = options;
    this.#channel = channel;
    this.#share = share;
    this.#turn = share.turn;
    this.#handles = new Handles(share);
    this.#context = {
      backend,
      handles: this.#handles,
      readOnly,
      umask,
      linkFirst,
      answers: share.answers,
      turn: share.turn,
      isOpen: () => this.#isOpen,
    };
    const from = channel.blocks ? after(() => this.#quiet(), channel) : channel;
    this.#source = new ByteSource(from, { reuses: true });
    this.#outbox = new Outbox(channel, (cause) => {
      this.#failure = cause;
      channel.close().catch(() => {}); // ends a read that waits for requests
    });
    this.#pipeline = new Pipeline(() => share.sessionBytes, (frame) => {
      const release = share.answers.lent(frame.buffer)
        ? () => share.answers.give(frame.buffer)
        : undefined;
      this.#outbox.push([frame], release);
    });
  }

  async run(): Promise<void> {
    using _counted = this.#share.session();
    try {
      if (!await this.#source.more()) return;
      await this.#greet();
      while (this.#isOpen && (this.#source.arrived > 0 || await this.#source.more())) {
        const turn = this.#turn.begin();
        if (turn) {
          this.#outbox.release();
          await turn;
        }
        const answered = this.#take(this.#whole() ?? await this.#request());
        if (answered) await answered;
        if (this.#outbox.isLong) await this.#outbox.below(this.#share.sessionBytes);
        // Requests that arrived together are answered together.
        else if (this.#source.arrived > 0) this.#outbox.hold();
        else this.#outbox.release();
      }
      await this.#quiet();
    } finally {
      this.#outbox.release();
      await this.#pipeline.idle(); // close no file while it is read
      this.#reportAbandoned();
      await this.#handles.closeAll();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Whether answers can reach the client; otherwise its remaining requests are not run. */
  get #isOpen(): boolean {
    return this.#failure === null && this.#channel.isOpen !== false;
  }

  /** Resolves when nothing is running and every answer has been sent. */
  async #quiet(): Promise<void> {
    await this.#pipeline.idle();
    await this.#outbox.below(0);
  }

  /**
   * INIT and VERSION (filexfer-02 §4). Like OpenSSH, answers with version 3 whatever the client's version
   * is.
   */
  async #greet(): Promise<void> {
    const { type } = await this.#request();
    if (type !== FXP.INIT) throw new ProtocolError("The client does not begin with INIT");
    const extensions = [...EXTENSIONS.values()]
      .filter(({ name, offered }) => this.#permits(name) && offered(this.#context.backend))
      .map(({ request, version }) => [request, version] as const);
    this.#outbox.push([msg.encodeVersion(FXP.VERSION, SFTP_VERSION, extensions)]);
  }

  /** Schedules a request; null if it is answered, otherwise resolves when the next one may start. */
  #take({ type, id, body }: Request): Promise<void> | null {
    const held = this.#heldBeside(type, body);
    if (held === null) {
      this.#ends.clear();
      return this.#pipeline.alone(() => this.#run(type, id, body));
    }
    return this.#pipeline.beside(type, held, () => this.#run(type, id, body));
  }

  /**
   * Runs a request, which counts as a piece of work for the turn. One that waited until its client was lost is
   * not run: the client may have repeated it on another connection.
   */
  #run(type: number, id: number, body: Uint8Array): Promise<Frame> | Frame {
    if (!this.#isOpen) return statusFrame(id, SftpStatus.CONNECTION_LOST, "");
    const answer = this.#answer(type, id, body);
    this.#turn.end(type === FXP.WRITE ? 0 : body.length);
    if (answer instanceof Promise) {
      if (type === FXP.WRITE) this.#source.keep(body); // others have read it
      this.#requests.lend(body, answer);
    }
    return answer;
  }

  /**
   * The memory of a request that may run in parallel with others of its kind (reads, or writes that do not
   * overlap), in bytes; null for other requests.
   */
  #heldBeside(type: number, body: Uint8Array): number | null {
    if (type !== FXP.READ && type !== FXP.WRITE) return null;
    if (type === FXP.READ) this.#ends.clear();
    const transfer = transferOf(body);
    const file = transfer && this.#handles.parallel(transfer.handle);
    if (!transfer || !file) return null;
    if (type === FXP.READ) return Math.min(transfer.length, SFTP_MAX_CHUNK);
    if (transfer.offset < (this.#ends.get(file) ?? 0)) return null;
    this.#ends.set(file, transfer.offset + transfer.length);
    return this.#requests.heldBy(body);
  }

  /** Runs a request; errors become answers. */
  #answer(type: number, id: number, body: Uint8Array): Promise<Frame> | Frame {
    let name = "unknown";
    let subject: RequestSubject | null = null;
    try {
      const { operation, data } = operationOf(type, body);
      name = operation.name;
      if (this.#options.onRequest) subject = subjectOf(name, type, body, this.#handles);
      this.#check(operation);
      const answer = operation.run(this.#context, id, data);
      const traffic = subject && this.#trafficOf(type, body);
      if (!(answer instanceof Promise)) return this.#report(name, subject, answer, traffic);
      return answer.then(
        (frame) => this.#report(name, subject, frame, traffic),
        (cause) => this.#report(name, subject, refusalFrame(id, cause)),
      );
    } catch (cause) {
      return this.#report(name, subject, refusalFrame(id, cause));
    }
  }

  /** Refuses operations that this client may not use. */
  #check({ name, writes }: Operation): void {
    const { PERMISSION_DENIED } = SftpStatus;
    if (!this.#permits(name)) refuse(statusText(PERMISSION_DENIED), PERMISSION_DENIED);
    if (writes && this.#context.readOnly) refuse("The server is read-only", PERMISSION_DENIED);
  }

  #permits(name: string): boolean {
    const { permits } = this.#options;
    return permits === undefined || permits(name) === true;
  }

  /** Counts the bytes of a read or a write that did not fail; null for other requests. */
  #trafficOf(type: number, body: Uint8Array): ((frame: Frame) => number) | null {
    if (type !== FXP.READ && type !== FXP.WRITE) return null;
    const { handle, length } = transferOf(body)!;
    const traffic = this.#handles.traffic(handle)!;
    if (type === FXP.READ) {
      return (frame) => {
        const bytes = frame[4] === FXP.DATA ? peek32(frame, msg.FRAME_HEADER) : 0;
        traffic.read += bytes;
        return bytes;
      };
    }
    return () => {
      traffic.written += length;
      return length;
    };
  }

  #report(
    request: string,
    subject: RequestSubject | null,
    frame: Frame,
    traffic: ((frame: Frame) => number) | null = null,
  ): Frame {
    const { onRequest } = this.#options;
    if (onRequest === undefined) return frame;
    const { path, target, transferred } = subject ?? NO_SUBJECT;
    const [status, bytes] = [statusOfFrame(frame), traffic?.(frame) ?? 0];
    tell(onRequest, { request, path, target, bytes, transferred, status });
    return frame;
  }

  /** Reports the files that the client has left open. */
  #reportAbandoned(): void {
    for (const { path, traffic: transferred } of this.#handles.files()) {
      const rest = { target: null, bytes: 0, transferred, status: SftpStatus.CONNECTION_LOST };
      tell(this.#options.onRequest, { request: "abandoned", path, ...rest });
    }
  }

  /** The next header. An impossible length is refused before the rest is read. */
  async #header(): Promise<Uint8Array> {
    const header = new Uint8Array(msg.FRAME_HEADER);
    header.set(await this.#source.take(4));
    lengthOf(peek32(header, 0));
    header.set(await this.#source.take(msg.FRAME_HEADER - 4), 4);
    return header;
  }

  /** The next request, if it has arrived completely; null otherwise. */
  #whole(): Request | null {
    if (this.#source.arrived < msg.FRAME_HEADER) return null;
    const frame = this.#source.takeNow(msg.FRAME_HEADER + lengthOf(this.#source.peek32()));
    if (frame === null) return null;
    return { type: frame[4]!, id: peek32(frame, 5), body: frame.subarray(msg.FRAME_HEADER) };
  }

  /** The next request, which arrives in pieces. */
  async #request(): Promise<Request> {
    this.#outbox.release();
    const header = await this.#header();
    const length = lengthOf(peek32(header, 0));
    const body = await this.#source.take(length, this.#requests.current);
    return { type: header[4]!, id: peek32(header, 5), body };
  }
}

/**
 * The length of a request after its header.
 *
 * @param frame The length at its start
 * @throws {ProtocolError} If messages cannot have this length
 */
function lengthOf(frame: number): number {
  const length = frame - (msg.FRAME_HEADER - 4);
  if (length >= 0 && length <= SFTP_MAX_MESSAGE) return length;
  throw new ProtocolError("Impossible message length");
}

/** A channel whose `readChunk` first waits for `over`. */
function after(over: () => Promise<void>, channel: SftpChannel): SftpChannel {
  return {
    async readChunk() {
      await over();
      return await channel.readChunk();
    },
    writeAll: (...chunks) => channel.writeAll(...chunks),
    closeWrite: () => channel.closeWrite(),
    close: () => channel.close(),
  };
}

/** The operation of a request, and its data. */
function operationOf(type: number, body: Uint8Array): { operation: Operation; data: Uint8Array } {
  const extended = type === FXP.EXTENDED ? msg.Extended.decode(body) : null;
  const operation = extended ? EXTENSIONS.get(extended.request) : OPERATIONS.get(type);
  if (!operation) refuse(statusText(SftpStatus.OP_UNSUPPORTED), SftpStatus.OP_UNSUPPORTED);
  return { operation, data: extended ? extended.data : body };
}

function refusalFrame(id: number, cause: unknown): Frame {
  const { status, message } = statusOf(cause);
  return statusFrame(id, status, message);
}

/** The handle, offset and length of a READ or WRITE; null if it is malformed. */
function transferOf(
  body: Uint8Array,
): { handle: Uint8Array; offset: number; length: number } | null {
  const handle = peek32(body, 0);
  if (4 + handle + 12 > body.length) return null;
  const offset = peek32(body, 4 + handle) * 2 ** 32 + peek32(body, 8 + handle);
  return { handle: body.subarray(4, 4 + handle), offset, length: peek32(body, 12 + handle) };
}

const NO_SUBJECT: RequestSubject = { path: null, target: null, transferred: null };

function statusOfFrame(frame: Frame): number {
  return frame[4] === FXP.STATUS ? peek32(frame, msg.FRAME_HEADER) : SftpStatus.OK;
}
