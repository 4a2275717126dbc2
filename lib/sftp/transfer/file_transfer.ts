import type { StreamingHash } from "../../runtime/parts.ts";
import { runtime } from "../../runtime/runtime.ts";
import { feedPrefix } from "./content_digest.ts";
import { nextHole } from "./holes.ts";
import type { Progress } from "./progress.ts";
import { resumeOffset } from "./resume.ts";
import type { StoreSettings, TransferSource, TransferTarget } from "./file_store.ts";
import { withLimits } from "../../waiting.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import type { Throttle } from "./throttle.ts";

/** Bytes of a block, if the target has no preference. */
const BLOCK_BYTES = 1024 * 1024;

/** The state that all files of one transfer share. */
export interface TransferContext extends StoreSettings {
  readonly progress: Progress;
  readonly throttle: Throttle | null;
  readonly signal: AbortSignal;
  /** Whether a session has ended, so that no more files can be transferred. */
  over(): boolean;
  /** How many further sessions have been lost. */
  lost(): number;
}

/** Transfers one file. It is complete when the promise resolves, and discarded if it rejects. */
export async function transferFile(
  name: string,
  source: TransferSource,
  makeTarget: () => Promise<TransferTarget>,
  context: TransferContext,
): Promise<void> {
  const size = source.size ?? 0;
  try {
    context.progress.expect(size);
    if (context.options.dryRun) {
      context.progress.advance(name, size);
      return context.progress.finish(name);
    }
    const target = await makeTarget();
    const transfer = new FileTransfer(name, source, target, context);
    try {
      await transfer.run();
      await target.commit(source.info);
    } catch (error) {
      context.progress.abandon(transfer.sent);
      // Explained before the file is removed, because that frees space on a full disk.
      const cause = await target.explain?.(error) ?? error;
      await target.discard(cause).catch(() => {}); // the first failure is reported
      throw cause;
    }
  } catch (cause) {
    context.progress.expect(-size);
    throw cause;
  } finally {
    source.close();
  }
  context.progress.finish(name);
}

class FileTransfer {
  readonly #name: string;
  readonly #source: TransferSource;
  readonly #target: TransferTarget;
  readonly #context: TransferContext;
  /** Bytes transferred so far, those sent twice included. */
  sent = 0;
  /** The hash of the sent data, if it is to be verified. */
  #hash: StreamingHash | null = null;

  constructor(
    name: string,
    source: TransferSource,
    target: TransferTarget,
    context: TransferContext,
  ) {
    this.#name = name;
    this.#source = source;
    this.#target = target;
    this.#context = context;
  }

  async run(): Promise<void> {
    const { resume = false } = this.#context.options;
    const start = resume
      ? await resumeOffset(this.#source, this.#target, this.#context.options)
      : 0;
    const length = await this.#from(start);
    let difference = await this.#difference(length);
    if (difference !== null && start > 0) {
      // The part of an earlier attempt was of another file: transfer all of this one.
      this.#context.progress.expect(length);
      difference = await this.#difference(await this.#from(0));
    }
    if (difference === null) return;
    const call = { operation: "verify", path: this.#name };
    throw sftpError(SftpStatus.FAILURE, call, difference);
  }

  /** Transfers the file from an offset; resolves to its length. */
  async #from(start: number): Promise<number> {
    const { options: { verify = false, resume = false }, progress } = this.#context;
    const source = this.#source;
    this.#hash = verify ? runtime.sha256() : null;
    progress.held(start);
    let length = start;
    try {
      if (this.#hash) await feedPrefix(this.#hash, this.#near(), start);
      if (resume) {
        await this.#target.start?.(start);
        await source.start?.(start);
      }
      for (let block; (block = await this.#next()) !== null;) {
        length += block.length;
        this.#hash?.update(block);
        await this.#give(block);
        this.sent += block.length;
        progress.advance(this.#name, block.length);
      }
      if (this.#hash !== null || !this.#target.flushesLast) await this.#target.flush();
      return length;
    } catch (cause) {
      progress.held(-start);
      throw cause;
    }
  }

  /** The side that can read the start of the file without a server, if any. */
  #near(): { readAt(into: Uint8Array, offset: number): Promise<number> } {
    const near = this.#source.digest && !this.#target.digest ? this.#target : this.#source;
    return { readAt: (into, offset) => near.readAt!(into, offset) };
  }

  /** Reads the next block; an abort does not wait for a stalled stream. */
  #next(): Promise<Uint8Array | null> {
    const next = this.#source.next(this.#target.unit ?? BLOCK_BYTES);
    return this.#source.size === null ? withLimits(next, this.#context) : next;
  }

  async #give(block: Uint8Array): Promise<void> {
    const release = () => this.#source.release(block);
    const { throttle } = this.#context;
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

  /** Writes a block; an abort does not wait for a stalled stream. */
  async #write(block: Uint8Array, release: () => void): Promise<void> {
    const written = this.#target.write(block, release);
    await (this.#target.start ? written : withLimits(written, this.#context));
  }

  /** How the source or the target differs from the sent data; null if it does not, or is not to be verified. */
  async #difference(length: number): Promise<string | null> {
    if (this.#hash === null) return null;
    const sent = this.#hash.digest("hex");
    const differs = async (end: TransferSource | TransferTarget) =>
      end.digest !== undefined && await end.digest(length) !== sent;
    if (await differs(this.#source)) {
      return "the source differs from the sent data, it may have been changed meanwhile: transfer it again";
    }
    return await differs(this.#target) ? "the target differs from the sent data" : null;
  }
}
