import { platformError } from "../../runtime/errors.ts";
import type { PosixFiles } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { SftpChanges, SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpBackendFile } from "./backend.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import { settled, truncate } from "./freeing.ts";
import { allowedMode, fileSystemAt, type ModePolicy } from "./local_stat.ts";
import type { AdaptiveIo } from "../../runtime/adaptive_io.ts";

/** How an open file is served. */
export interface LocalFileOptions {
  /** Every write goes to the end of the file. */
  readonly append: boolean;
  /** The permission bits that clients may set. */
  readonly mode: ModePolicy;
  /** The functions to read and write it with. */
  readonly fs: PosixFiles;
  /** Runs reads and writes, in other threads once the disk is slow. */
  readonly io: AdaptiveIo;
  /** Disposed of when the descriptor is closed. */
  readonly held: Disposable;
}

/** An open local file, read and written at offsets. A slow disk does not block other clients. */
export class LocalFile implements SftpBackendFile {
  readonly parallel: boolean;
  readonly #fs: PosixFiles;
  readonly #fd: number;
  readonly #append: boolean;
  readonly #mode: ModePolicy;
  readonly #io: AdaptiveIo;
  readonly #held: Disposable;

  /** Takes ownership of a descriptor. */
  constructor(fd: number, { append, mode, fs, io, held }: LocalFileOptions) {
    this.#fs = fs;
    this.#held = held;
    this.#fd = fd;
    this.#append = append;
    this.#mode = mode;
    this.#io = io;
    this.parallel = !append;
  }

  read(into: Uint8Array, offset: number): number | Promise<number> {
    return this.#io.run(
      () => this.#fs.readSync(this.#fd, into, 0, into.length, offset),
      () => this.#readLater(into, offset),
    );
  }

  write(data: Uint8Array, offset: number): void | Promise<void> {
    return this.#io.run(
      () => this.#writeNow(data, offset),
      () => this.#writeLater(data, offset),
    );
  }

  stat(): Promise<SftpFileInfo> {
    const stats = this.#fs.fstatSync(this.#fd);
    return Promise.resolve({
      isFile: stats.isFile(),
      isDirectory: stats.isDirectory(),
      isSymlink: false,
      size: stats.size,
      mtime: stats.mtime,
      atime: stats.atime,
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
    });
  }

  async setStat({ size, mode, uid, gid, atime, mtime }: SftpChanges): Promise<void> {
    const bits = mode === undefined ? null : allowedMode(mode, this.#mode);
    if (size !== undefined) await truncate(this.#fs, this.#fd, size);
    if (bits !== null) this.#fs.fchmodSync(this.#fd, bits);
    if (atime && mtime) this.#fs.futimesSync(this.#fd, atime, mtime);
    if (uid !== undefined && gid !== undefined) this.#fs.fchownSync(this.#fd, uid, gid);
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async statVfs(): Promise<SftpFileSystem> {
    const path = runtime.descriptorPath(this.#fd);
    if (path === null) throw platformError("NotSupported");
    return fileSystemAt(this.#fs, path);
  }

  isSame(other: SftpBackendFile): boolean {
    if (!(other instanceof LocalFile)) return false;
    const [own, theirs] = [this.#fd, other.#fd].map((fd) =>
      this.#fs.fstatSync(fd, { bigint: true })
    );
    return own!.dev === theirs!.dev && own!.ino === theirs!.ino;
  }

  sync(): Promise<void> {
    return settled((done) => this.#fs.fsync(this.#fd, done));
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async close(): Promise<void> {
    this.#held[Symbol.dispose]();
    this.#fs.closeSync(this.#fd);
  }

  #readLater(into: Uint8Array, offset: number): Promise<number> {
    return settled((done) => this.#fs.read(this.#fd, into, 0, into.length, offset, done));
  }

  #writeNow(data: Uint8Array, offset: number): void {
    for (let at = 0; at < data.length;) {
      const position = this.#append ? null : offset + at;
      at += this.#fs.writeSync(this.#fd, data, at, data.length - at, position);
    }
  }

  async #writeLater(data: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < data.length;) {
      const position = this.#append ? null : offset + at;
      at += await settled<number>((done) =>
        this.#fs.write(this.#fd, data, at, data.length - at, position, done)
      );
    }
  }
}
