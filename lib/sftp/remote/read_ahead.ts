import { SftpError } from "../../errors.ts";
import { RequestPacing } from "./pacing.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { LazyBuffer, RemoteFile } from "./remote_file.ts";
import { isRefusal, nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";

/** Blocks in flight for each session that a file is read in. */
const LANE_BLOCKS = 6;

/** Bytes to read past the expected end, to find out whether the file has grown. */
const PROBE_BYTES = 1024;

/** A request length that every server accepts. */
const CAREFUL_BYTES = 32 * 1024;

/** The memory of a block. */
interface Room extends LazyBuffer {
  bytes(): Uint8Array<ArrayBuffer>;
}

interface Block {
  readonly offset: number;
  readonly room: Room;
  readonly lane: ReadLane;
  /** Past the expected end: may be short or empty. */
  readonly probe: boolean;
  readonly filled: Promise<number>;
}

/** The file in one session. */
interface ReadLane {
  readonly file: RemoteFile;
  /** Blocks requested and not arrived. */
  blocks: number;
  /** Whether more may be requested. */
  usable: boolean;
}

/** What part of the file to read, and the limits. */
export interface ReadAheadOptions extends SftpOptions {
  /** The first byte; 0 unless given. */
  readonly start?: number;
  /** The file's size; 0 if that is not known. */
  readonly size: number;
  /** The most bytes in flight. */
  readonly inFlight?: number;
  /** Opens the same file in new further sessions; null if there are none. */
  readonly further?: () => Promise<readonly RemoteFile[]> | null;
}

/** Reads a remote file in order, with many requests in flight, in one session or several. */
export class ReadAhead {
  readonly #file: RemoteFile;
  readonly #lanes: [ReadLane, ...ReadLane[]];
  readonly #further: ReadAheadOptions["further"];
  #growing = false;
  readonly #size: number;
  /** Where the file is expected to end: at its size, or where it seemed to end before. */
  #expected: number;
  /** Whether data has arrived from beyond the place where the file seemed to end. */
  #gap = false;
  readonly #limits: SftpOptions;
  readonly #pacing: RequestPacing;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #blocks: Block[] = [];
  #asked: number;
  #state: "many" | "one" | "ended" = "many";

  /** Reads from `start` to the end. */
  constructor(file: RemoteFile, options: ReadAheadOptions) {
    const { start = 0, size, inFlight, signal, timeout, further } = options;
    this.#file = file;
    this.#lanes = [{ file, blocks: 0, usable: true }];
    this.#further = further;
    this.#asked = start;
    this.#size = this.#expected = size;
    this.#limits = { signal, timeout };
    this.#pacing = new RequestPacing(file.readLength, file.pathEstimates.read, inFlight);
  }

  /**
   * The next block; null at the end that the server reports, because files of /proc and /sys are shorter or
   * longer than their size.
   *
   * @throws {SftpError} If the file was truncated while it was read, or the server has data beyond its end
   */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#limits.signal?.throwIfAborted();
    if (this.#state === "ended") return null;
    this.#ask();
    const { room, probe, offset } = this.#blocks[0]!;
    const count = await this.#first();
    this.#blocks.shift();
    if (probe && count === 0 && this.#gap) this.#incomplete(offset);
    const gap = room.gap ?? false;
    if (probe) [this.#asked, this.#gap] = [offset + count, gap];
    else if (count < room.length) await this.#endsEarly(offset + count, gap);
    if (count === 0 && (!probe || gap)) return await this.next();
    if (count === 0) {
      if (offset < this.#size) await this.#checkSize();
      this.#state = "ended";
      return null;
    }
    this.#pacing.passed(count);
    this.#grow();
    this.#ask(); // before the caller handles this block
    return room.bytes().subarray(0, count);
  }

  /** Returns the memory of a block, to be filled again. */
  release(block: Uint8Array): void {
    if (block.buffer.byteLength === this.#pacing.block) {
      this.#free.push(new Uint8Array(block.buffer as ArrayBuffer));
    }
  }

  /** The number of bytes in the first block. */
  async #first(): Promise<number> {
    const { filled, room, lane, probe, offset } = this.#blocks[0]!;
    const [own] = this.#lanes;
    try {
      return await filled;
    } catch (cause) {
      // Some servers refuse to read at the end; the file has the expected size.
      if (probe && this.#size > 0 && offset >= this.#size && isRefusal(cause)) return 0;
      // Only the further session may be lost or refuse: use the first one.
      if (lane !== own) {
        lane.usable = false;
        return await own.file.fill(room, offset, this.#limits, this.#pacing.request);
      }
      // Some servers accept only one request at a time, or only short ones: try again that way.
      if (this.#state === "one" || !(cause instanceof SftpError)) throw cause;
      if (cause.status !== SftpStatus.FAILURE && cause.status !== SftpStatus.BAD_MESSAGE) {
        throw cause;
      }
      this.#state = "one";
      const others = this.#blocks.splice(1);
      if (others.length > 0) this.#asked = others[0]!.offset;
      await Promise.allSettled(others.map(({ filled }) => filled));
      return await this.#carefully(room.bytes(), offset);
    }
  }

  #ask(): void {
    const depth = this.#state === "one" ? 1 : this.#pacing.depth;
    while (this.#asked < this.#expected && this.#blocks.length < depth) {
      this.#block(Math.min(this.#pacing.block, this.#expected - this.#asked), false);
    }
    if (this.#asked < this.#expected || this.#blocks.at(-1)?.probe) return;
    if (this.#state === "one" && this.#blocks.length > 0) return;
    const grown = this.#asked > this.#expected || this.#expected === 0;
    this.#block(grown ? this.#pacing.request : PROBE_BYTES, true);
  }

  #block(length: number, probe: boolean): void {
    const room = this.#room(length);
    const offset = this.#asked;
    const lane = this.#lane;
    lane.blocks++;
    const filled = this.#state === "one"
      ? this.#carefully(room.bytes(), offset)
      : lane.file.fill(room, offset, this.#limits, this.#pacing.request);
    const done = () => void lane.blocks--;
    filled.then(done, done); // a failure is reported when the block is read
    this.#blocks.push({ offset, room, lane, probe, filled });
    this.#asked += length;
  }

  /** The lane with the fewest requested blocks. */
  get #lane(): ReadLane {
    let [best] = this.#lanes;
    if (this.#state === "one") return best;
    for (const lane of this.#lanes) if (lane.usable && lane.blocks < best.blocks) best = lane;
    return best;
  }

  /** Opens the file in further sessions, in the background. */
  #grow(): void {
    if (this.#growing) return;
    const more = this.#further?.() ?? null;
    if (more === null) return;
    this.#growing = true;
    more.then((files) => {
      for (const file of files) this.#lanes.push({ file, blocks: 0, usable: true });
      this.#pacing.widen(0, this.#lanes.length * LANE_BLOCKS * this.#pacing.block);
      this.#growing = false;
    }).catch(() => this.#growing = false); // reading continues without them
  }

  /**
   * Memory for a block, taken when its first bytes arrive, so that it is likely to be in the processor's
   * cache.
   */
  #room(length: number): Room {
    let bytes: Uint8Array<ArrayBuffer> | null = null;
    const take = (): Uint8Array<ArrayBuffer> =>
      (length === this.#pacing.block ? this.#free.pop() : undefined) ?? new Uint8Array(length);
    return { length, bytes: () => bytes ??= take() };
  }

  /** Reads with short requests, one at a time. */
  async #carefully(into: Uint8Array, offset: number): Promise<number> {
    let count = 0;
    while (count < into.length) {
      const piece = into.subarray(count, count + Math.min(CAREFUL_BYTES, this.#pacing.request));
      const more = await this.#file.read(piece, offset + count, this.#limits);
      if (more === 0) break;
      count += more;
    }
    return count;
  }

  /** The file ended before its size: reads again there, in case it was a short answer. */
  async #endsEarly(at: number, gap: boolean): Promise<void> {
    const others = await Promise.allSettled(this.#blocks.splice(0).map(({ filled }) => filled));
    this.#gap = gap ||
      others.some((other) => other.status === "fulfilled" && other.value > 0);
    this.#asked = this.#expected = at;
  }

  /** A file of /sys still reports the same size; any other file was truncated. */
  async #checkSize(): Promise<void> {
    const info = await nullIfRefused(this.#file.stat(this.#limits));
    if (info === null || info.size === this.#size) return;
    const call = { operation: "read", path: this.#file.path };
    throw sftpError(SftpStatus.EOF, call, `it was cut off at ${info.size} of ${this.#size} bytes`);
  }

  #incomplete(at: number): never {
    const call = { operation: "read", path: this.#file.path };
    throw sftpError(SftpStatus.EOF, call, `the server has data after its end at ${at} bytes`);
  }
}
