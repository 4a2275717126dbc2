import { platformError } from "../../runtime/errors.ts";
import { type OpenFile, SEEK_START } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { onThisMachine } from "./local_errors.ts";
import type { AdaptiveIo } from "../../runtime/adaptive_io.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import type { TransferSource } from "./file_store.ts";

/** Bytes to read past the expected end, if the file has grown. */
const GROWN_BYTES = 64 * 1024;

/** A local file as a source. */
export async function fileSource(path: string, io: AdaptiveIo): Promise<TransferSource> {
  const file = await runtime.files.open(path);
  try {
    const look = () => io.run(() => file.statSync(), () => file.stat());
    const info = await onThisMachine("read", path, look);
    if (info.isDirectory) {
      throw platformError("IsADirectory", "It is a directory, which needs the option recursive");
    }
    return new LocalSource(path, file, info, io);
  } catch (cause) {
    file.close();
    throw cause;
  }
}

class LocalSource implements TransferSource {
  readonly size: number | null;
  readonly info: Deno.FileInfo;
  readonly sparse: boolean;
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #io: AdaptiveIo;
  #free: Uint8Array[] = [];
  #unit = 0;
  #offset = 0;
  #ended = false;

  constructor(path: string, file: OpenFile, info: Deno.FileInfo, io: AdaptiveIo) {
    this.#path = path;
    this.#file = file;
    this.#io = io;
    this.info = info;
    this.size = info.isFile ? info.size : null;
    this.sparse = info.isFile && info.blocks !== null && info.blocks * 512 < info.size;
  }

  async start(offset: number): Promise<void> {
    await this.#file.seek(offset, SEEK_START);
    this.#offset = offset;
    this.#ended = false;
  }

  async next(unit: number): Promise<Uint8Array | null> {
    if (this.#ended) return null;
    const block = this.#block(unit);
    const count = await this.#fill(block);
    this.#offset += count;
    this.#ended = count < block.length;
    if (this.#ended && this.size !== null && this.#offset < this.size) await this.#checkSize();
    return count === 0 ? null : block.subarray(0, count);
  }

  /** Throws if the file was truncated while it was read; files of /sys are shorter than their size. */
  async #checkSize(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size === this.size) return;
    const call = { operation: "read", path: this.#path, here: true };
    throw sftpError(SftpStatus.EOF, call, `it was cut off at ${size} of ${this.size} bytes`);
  }

  /** Memory for a block; one byte more than expected, so that the same read finds the end. */
  #block(unit: number): Uint8Array {
    if (unit !== this.#unit) this.#free = [];
    this.#unit = unit;
    const left = this.size === null ? unit : this.size + 1 - this.#offset;
    if (left >= unit) return this.#free.pop() ?? new Uint8Array(unit);
    return new Uint8Array(left > 0 ? left : GROWN_BYTES);
  }

  async #fill(block: Uint8Array): Promise<number> {
    let count = 0;
    while (count < block.length) {
      const rest = count === 0 ? block : block.subarray(count);
      const more = await onThisMachine("read", this.#path, () => this.#read(rest));
      if (more === null) break;
      count += more;
      if (this.size === null) break; // a pipe: pass on what has arrived
    }
    return count;
  }

  /** Reads asynchronously from a pipe or a device, which may have no data for a long time. */
  #read(into: Uint8Array): number | null | Promise<number | null> {
    const later = () => this.#file.read(into);
    return this.size === null ? later() : this.#io.run(() => this.#file.readSync(into), later);
  }

  release(block: Uint8Array): void {
    if (block.buffer.byteLength === this.#unit) {
      this.#free.push(new Uint8Array(block.buffer as ArrayBuffer));
    }
  }

  async readAt(into: Uint8Array, offset: number): Promise<number> {
    await this.#file.seek(offset, SEEK_START);
    return await this.#fill(into);
  }

  close(): void {
    this.#file.close();
  }
}
