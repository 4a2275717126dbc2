import { blockDepth, blockLength } from "./blocks.ts";
import { cancellable } from "./cancel.ts";
import type { SftpOptions } from "./options.ts";
import type { RemoteFile } from "./remote_file.ts";

/** Writes a remote file in order and lets the answers come behind. */
export class WriteBehind {
  readonly #file: RemoteFile;
  readonly #signal: AbortSignal | undefined;
  readonly #length: number;
  readonly #depth: number;
  readonly #free: Uint8Array[] = [];
  readonly #ours: WeakSet<ArrayBufferLike> = new WeakSet();
  readonly #writes: Promise<void>[] = [];
  #offset: number;

  constructor(file: RemoteFile, { start = 0, signal }: { start?: number } & SftpOptions) {
    this.#file = file;
    this.#signal = signal;
    this.#offset = start;
    this.#length = blockLength(file.writeLength);
    this.#depth = blockDepth(this.#length);
  }

  /** Bytes in an ideal block. */
  get blockLength(): number {
    return this.#length;
  }

  /** Memory for one block of up to `length` bytes, from writes that are done with it. */
  block(length: number = this.#length): Uint8Array {
    if (length < this.#length) return new Uint8Array(length);
    const block = this.#free.pop() ?? new Uint8Array(this.#length);
    this.#ours.add(block.buffer);
    return block;
  }

  /**
   * Sends a block and waits only while too many are under way; the block must not be touched again,
   * but in `release`.
   *
   * @throws {SftpError} If this or an earlier write was refused
   */
  async write(bytes: Uint8Array, release?: () => void): Promise<void> {
    this.#signal?.throwIfAborted();
    const write = this.#file.write(bytes, this.#offset).then(() => {
      if (release) release();
      else if (this.#ours.has(bytes.buffer)) this.#free.push(new Uint8Array(bytes.buffer));
    });
    write.catch(() => {}); // heard of when its turn comes, if it comes
    this.#offset += bytes.length;
    this.#writes.push(write);
    if (this.#writes.length > this.#depth) await this.#oldest();
  }

  /** Waits for all answers. */
  async finish(): Promise<void> {
    while (this.#writes.length > 0) await this.#oldest();
  }

  async #oldest(): Promise<void> {
    await cancellable(this.#writes.shift()!, { signal: this.#signal });
  }
}
