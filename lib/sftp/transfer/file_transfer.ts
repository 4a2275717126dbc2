import type { Hash } from "node:crypto";
import { contentDigest, feedPrefix } from "./content_digest.ts";
import { nextHole } from "./holes.ts";
import type { Progress } from "./progress.ts";
import { resumeOffset } from "./resume.ts";
import type { Source, Target } from "./file_store.ts";
import { cancellable } from "../remote/cancel.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import type { Throttle } from "./throttle.ts";
import type { SftpTransferOptions } from "./transfer_options.ts";

/** Bytes of a block where the target has no preference. */
const BLOCK_BYTES = 1024 * 1024;

/** What the files of one transfer share. */
export interface Shared {
  readonly options: SftpTransferOptions;
  readonly progress: Progress;
  readonly throttle: Throttle | null;
  readonly signal: AbortSignal | undefined;
  /** Bytes that one file may have under way. */
  readonly inFlight: number;
  /** Whether a session is over, so that going on is of no use. */
  over(): boolean;
}

/** Moves one file; it is there when the promise resolves, and there is no trace of it if it rejects. */
export async function transferFile(
  name: string,
  source: Source,
  makeTarget: () => Promise<Target>,
  shared: Shared,
): Promise<void> {
  try {
    shared.progress.expect(source.size ?? 0);
    const target = await makeTarget();
    try {
      await new FileTransfer(name, source, target, shared).run();
      await target.commit(source.info);
    } catch (cause) {
      await target.discard(cause).catch(() => {}); // the first failure is the one to tell
      throw cause;
    }
  } finally {
    source.close();
  }
  shared.progress.finish(name);
}

class FileTransfer {
  readonly #name: string;
  readonly #source: Source;
  readonly #target: Target;
  readonly #shared: Shared;
  /** Of what was sent, if anybody wants to compare. */
  #hash: Hash | null = null;

  constructor(name: string, source: Source, target: Target, shared: Shared) {
    this.#name = name;
    this.#source = source;
    this.#target = target;
    this.#shared = shared;
  }

  async run(): Promise<void> {
    const { resume = false } = this.#shared.options;
    const start = resume ? await resumeOffset(this.#source, this.#target, this.#shared.options) : 0;
    const length = await this.#from(start);
    if (await this.#same(length)) return;
    // What an earlier try had left was not what it seemed: once more, all of it.
    if (start > 0) this.#shared.progress.held(-start);
    if (start > 0 && await this.#same(await this.#from(0))) return;
    const call = { operation: "verify", path: this.#name };
    throw sftpError(SftpStatus.FAILURE, call, "what is there is not what was sent");
  }

  /** Moves what is behind an offset; resolves to the file's length. */
  async #from(start: number): Promise<number> {
    const { options: { verify = false, resume = false }, progress } = this.#shared;
    const source = this.#source;
    this.#hash = verify ? await contentDigest() : null;
    if (start > 0) progress.held(start);
    let length = start;
    try {
      if (this.#hash) await feedPrefix(this.#hash, this.#near(), start);
      if (start > 0 || resume) {
        await this.#target.start?.(start);
        await source.start?.(start);
      }
      for (let block; (block = await this.#next()) !== null;) {
        length += block.length;
        this.#hash?.update(block);
        await this.#give(block);
        progress.advance(this.#name, block.length);
      }
      if (source.size !== null && length < source.size) this.#short(length);
      await this.#target.flush();
      return length;
    } catch (cause) {
      if (start > 0) progress.held(-start);
      throw cause;
    }
  }

  /** The end that has a file's beginning without asking a server, if there is one. */
  #near(): { readAt(into: Uint8Array, offset: number): Promise<number> } {
    const near = this.#source.digest && !this.#target.digest ? this.#target : this.#source;
    return { readAt: (into, offset) => near.readAt!(into, offset) };
  }

  /** A stream may never give anything: an abort must not wait for it. */
  #next(): Promise<Uint8Array | null> {
    const next = this.#source.next(this.#target.unit ?? BLOCK_BYTES);
    return this.#source.size === null ? cancellable(next, this.#shared) : next;
  }

  async #give(block: Uint8Array): Promise<void> {
    const release = () => this.#source.release(block);
    const { throttle } = this.#shared;
    const sparse = this.#source.sparse && this.#target.skip !== undefined;
    if (!throttle && !sparse) return await this.#write(block, release);
    let pieces = 1;
    const done = () => --pieces === 0 && release();
    for (let at = 0; at < block.length;) {
      const [from, to] = sparse ? nextHole(block, at) : [block.length, block.length];
      for (const length = throttle?.piece ?? Infinity; at < from;) {
        const piece = block.subarray(at, Math.min(at + length, from));
        await throttle?.pass(piece.length);
        pieces++;
        await this.#write(piece, done);
        at += piece.length;
      }
      if (to > from) await this.#target.skip!(to - from);
      at = to;
    }
    done();
  }

  /** A stream may never take anything: an abort must not wait for it. */
  async #write(block: Uint8Array, release: () => void): Promise<void> {
    const written = this.#target.write(block, release);
    await (this.#target.start ? written : cancellable(written, this.#shared));
  }

  #short(length: number): never {
    const call = { operation: "read", path: this.#name };
    throw sftpError(SftpStatus.EOF, call, `it ends at ${length} of ${this.#source.size} bytes`);
  }

  /** Whether the far side has what was sent, as far as anybody wants to know. */
  async #same(length: number): Promise<boolean> {
    if (this.#hash === null) return true;
    const sent = this.#hash.digest("hex");
    for (const end of [this.#source, this.#target]) {
      if (end.digest && await end.digest(length) !== sent) return false;
    }
    return true;
  }
}
