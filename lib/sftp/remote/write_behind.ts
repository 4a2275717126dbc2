import { SftpError } from "../../errors.ts";
import { Lane } from "./lane.ts";
import { RequestPacing } from "./pacing.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { RemoteFile } from "./remote_file.ts";
import { SftpStatus } from "../protocol/status.ts";

/** A request length that every server accepts. */
const CAREFUL_BYTES = 32 * 1024;

/** The preferred bytes of a block: it stays in the processor's cache while it is read and sent. */
const UNIT_BYTES = 256 * 1024;

/** The most requests in flight, however short: 32 MiB of the usual length. */
const MAX_SENT = 1024;

/** If the windows total more than this share of the bytes allowed in flight, none may become full. */
const WIDE_SHARE = 0.75;

/** A WRITE in flight. */
interface Sent {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly lane: Lane;
  readonly written: Promise<void>;
  /** Called when the request is answered, if it is the last of its block. */
  readonly release: (() => void) | null;
}

/** Where to write, and the limits. */
export interface WriteBehindOptions extends SftpOptions {
  /** The first byte; 0 unless given. */
  readonly start?: number;
  /** The most bytes in flight. */
  readonly inFlight?: number;
  /** Opens the file in further sessions, when they are needed. */
  readonly further?: FurtherLanes;
  /** Returns the file to repeat refused writes in, reopened if it was closed. */
  readonly reopened?: () => Promise<RemoteFile>;
}

/** The further sessions that a file can be written in. */
export interface FurtherLanes {
  /** Called before the first write. */
  begin(): void;
  /**
   * Opens the file in sessions where it is not open yet; null if there are none, nor needed. The file has
   * been sent up to the offset `sent`.
   */
  more(sent: number): Promise<WiderPath> | null;
  /** Resolves when the next session that is being opened is open or failed; null if none is being opened. */
  readonly opening: Promise<void> | null;
  /** The channels that are open or being opened. */
  readonly expected: number;
}

/** The result of opening a file in further sessions. */
export interface WiderPath {
  readonly lanes: readonly Lane[];
  /** The most bytes in flight now. */
  readonly inFlight: number;
  /** The total window of all channels, in bytes. */
  readonly held: number;
}

/**
 * Writes a remote file in order, with many requests in flight. With further lanes, each request goes to the
 * session with the fewest unsent ones. The offsets of all requests in flight lie within {@linkcode
 * WriteBehind.window} bytes.
 */
export class WriteBehind {
  readonly #lanes: [Lane, ...Lane[]];
  readonly #further: FurtherLanes | null;
  readonly #reopened: () => Promise<RemoteFile>;
  readonly #limits: SftpOptions;
  readonly #pacing: RequestPacing;
  #sent: Sent[] = [];
  #bytes = 0;
  #news: PromiseWithResolvers<void> | null = null;
  /** Whether it waits for a session that is being opened. */
  #expecting = false;
  #ended = false;
  /** The file for writes that are repeated at the end. */
  #repairing: Promise<RemoteFile> | null = null;
  readonly #start: number;
  #offset: number;
  #state: "many" | "one" = "many";

  constructor(file: RemoteFile, options: WriteBehindOptions = {}) {
    const { start = 0, inFlight, signal, timeout, further = null } = options;
    this.#lanes = [new Lane(file)];
    this.#further = further;
    this.#reopened = options.reopened ?? (() => Promise.resolve(file));
    this.#limits = { signal, timeout };
    this.#start = start;
    this.#offset = start;
    this.#pacing = new RequestPacing(file.writeLength, file.pathEstimates.write, inFlight);
  }

  /** The offset of the next block. */
  get offset(): number {
    return this.#offset;
  }

  /** The least size of the file: writes are done in any order, each once. */
  get reached(): number {
    return this.#start + this.#lanes.reduce((sum, { written }) => sum + written, 0);
  }

  /** The most bytes before the last one written among which some may be missing. */
  get window(): number {
    return this.#pacing.window;
  }

  /** Whether it has been written in several sessions. */
  get isStriped(): boolean {
    return this.#lanes.length > 1;
  }

  /** The file in the further sessions in which it is open. */
  get elsewhere(): RemoteFile[] {
    const [, ...further] = this.#lanes;
    return further.filter(({ usable }) => usable).map(({ file }) => file);
  }

  /** Whether writes of further sessions were repeated after `end` was called. */
  get isRepaired(): boolean {
    return this.#repairing !== null;
  }

  /** Whether the server accepts one request at a time only. */
  get careful(): boolean {
    return this.#state === "one";
  }

  /** Requests whose answers were not processed yet. */
  get unanswered(): number {
    return this.#sent.length;
  }

  /** Bytes of a block that consists of full requests. */
  get unit(): number {
    const { request, block } = this.#pacing;
    return Math.min(Math.max(Math.floor(UNIT_BYTES / request), 1) * request, block);
  }

  /** Skips bytes, which leaves a hole in the file. */
  skip(bytes: number): void {
    this.#offset += bytes;
  }

  /**
   * Sends a block and waits until the channel has taken it, or longer while too much is in flight. The block
   * must not change before `release` is called.
   *
   * @throws {SftpError} If this or an earlier write was refused
   */
  async write(block: Uint8Array, release: () => void): Promise<void> {
    this.#limits.signal?.throwIfAborted();
    for (let at = 0; at < block.length;) {
      const length = this.#state === "one" ? CAREFUL_BYTES : this.#pacing.request;
      const bytes = block.subarray(at, at + length);
      at += bytes.length;
      this.#send(bytes, at < block.length ? null : release);
      const most = this.#state === "one" ? 0 : this.#pacing.depth * this.#pacing.block;
      while (this.#bytes > most || this.#sent.length > MAX_SENT) await this.#oldest();
      if (this.#further !== null) this.#grow(this.#further);
    }
    // Reading the next block now would displace this one from the processor's cache before it is encrypted.
    while (this.#isBlocked) {
      this.#news = Promise.withResolvers();
      await this.#news.promise;
    }
  }

  /** Waits for all answers. */
  async finish(): Promise<void> {
    while (this.#sent.length > 0) await this.#oldest();
  }

  /**
   * Waits for all answers, and closes the file in the further sessions. The CLOSE is sent without waiting:
   * a server does the requests for one file in order (filexfer-02 §6.1).
   *
   * @throws {SftpError} If a session could not write everything
   */
  async end(): Promise<void> {
    const closing = Promise.allSettled(this.#closeFurther());
    await this.finish();
    for (const closed of await closing) if (closed.status === "rejected") throw closed.reason;
  }

  /** Closes the file in the further sessions without waiting for answers. */
  abandon(): void {
    for (const closing of this.#closeFurther()) closing.catch(() => {});
  }

  #closeFurther(): Promise<void>[] {
    this.#ended = true;
    const [, ...further] = this.#lanes;
    return further.map((lane) => lane.close(this.#limits));
  }

  /** Whether every lane has requests that are not sent yet, or whose window is full. */
  get #isBlocked(): boolean {
    const [own] = this.#lanes;
    if (!own.usable) return false;
    const most = this.#isWide ? own.file.window - this.#pacing.request : Infinity;
    return this.#lanes.every(({ usable, unsent, unanswered }) =>
      !usable || unsent > 0 || unanswered > most
    );
  }

  /**
   * Whether the windows total about as much as may be in flight. Then requests must not wait for a window:
   * such a request would be answered two round trips later and delay all later ones.
   */
  get #isWide(): boolean {
    const { length, 0: own } = this.#lanes;
    // Those that are being opened count: a request that waits now would delay them when they are open.
    const count = Math.max(length, this.#further?.expected ?? 0);
    return length > 1 && count * own.file.window > WIDE_SHARE * this.#pacing.window;
  }

  /** The lane with the fewest unsent requests, then with the fewest unanswered bytes. */
  get #lane(): Lane {
    let [best] = this.#lanes;
    if (this.#state === "one") return best;
    for (const lane of this.#lanes) {
      if (!lane.usable || lane.unsent > best.unsent) continue;
      if (lane.unsent < best.unsent || lane.unanswered < best.unanswered) best = lane;
    }
    return best;
  }

  #send(bytes: Uint8Array, release: (() => void) | null): void {
    const offset = this.#offset;
    if (offset === this.#start) this.#further?.begin();
    const lane = this.#lane;
    const written = lane.write(bytes, offset, this.#limits, this.#wake);
    this.#sent.push({ bytes, offset, lane, written, release });
    this.#offset += bytes.length;
    this.#bytes += bytes.length;
  }

  readonly #wake = (): void => {
    if (this.#news !== null && !this.#isBlocked) this.#news.resolve();
  };

  async #oldest(): Promise<void> {
    const sent = this.#sent[0]!;
    const { bytes, offset, lane, written, release } = sent;
    try {
      await written;
    } catch (cause) {
      const [own] = this.#lanes;
      if (lane === own || this.#limits.signal?.aborted) return await this.#again(cause);
      // Only the further session may be lost or refuse: use the first one.
      const again = this.#ended
        ? this.#repair(bytes, offset)
        : own.write(bytes, offset, this.#limits, this.#wake);
      this.#sent[0] = { ...sent, lane: own, written: again };
      return;
    }
    this.#sent.shift();
    this.#bytes -= bytes.length;
    this.#pacing.passed(bytes.length);
    release?.();
  }

  /** Writes again at the end, when the file may have been closed. */
  async #repair(bytes: Uint8Array, offset: number): Promise<void> {
    const file = await (this.#repairing ??= this.#reopened());
    await file.writePiece(bytes, offset, this.#limits);
  }

  /** Opens the file in further sessions if they are needed, in the background. */
  #grow(further: FurtherLanes): void {
    const [own] = this.#lanes;
    if (this.#ended || this.#state === "one" || own.written === 0) return;
    further.more(this.#offset)?.then((wider) => this.#widen(wider), () => {}); // or continues without them
    const { opening } = further;
    if (opening === null || this.#expecting) return;
    // Not only with the next block, which waits up to a round trip for the window.
    this.#expecting = true;
    opening.then(() => {
      this.#expecting = false;
      this.#grow(further);
    });
  }

  #widen({ lanes, inFlight, held }: WiderPath): void {
    if (this.#ended) {
      for (const lane of lanes) lane.close({}).catch(() => {}); // nothing was written
      return;
    }
    this.#lanes.push(...lanes);
    this.#pacing.widen(inFlight, held);
    this.#wake();
  }

  /** Some servers accept only one request at a time, or only short ones: writes the rest again that way. */
  async #again(cause: unknown): Promise<void> {
    if (this.#state === "one" || !(cause instanceof SftpError)) throw cause;
    if (cause.status !== SftpStatus.FAILURE && cause.status !== SftpStatus.BAD_MESSAGE) throw cause;
    this.#state = "one";
    await Promise.allSettled(this.#sent.map(({ written }) => written));
    const file = await this.#reopened().catch(() => {
      throw cause;
    });
    for (const { bytes, offset, release } of this.#sent) {
      for (let at = 0; at < bytes.length; at += CAREFUL_BYTES) {
        const piece = bytes.subarray(at, at + CAREFUL_BYTES);
        await file.writePiece(piece, offset + at, this.#limits);
      }
      release?.();
    }
    this.#sent = [];
    this.#bytes = 0;
  }
}
