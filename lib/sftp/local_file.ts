import * as fs from "node:fs";
import type { SftpChanges, SftpFileInfo } from "./attributes.ts";
import type { SftpBackendFile } from "./backend.ts";
import type { SftpFileSystem } from "./file_system.ts";
import { allowedMode, fileSystemAt, type Mode } from "./local_stat.ts";

/** How an open file is served. */
export interface LocalFileOptions {
  /** Every write goes to the end of the file. */
  readonly append: boolean;
  /** Which permission bits clients may set. */
  readonly mode: Mode;
  /** A read or write that takes more than this many milliseconds makes the file a slow one. */
  readonly patience: number;
}

/**
 * An open local file, read and written at offsets.
 *
 * From the page cache 32 KiB come in ten microseconds, and a turn through the thread pool takes fifty:
 * so it is read at once. As soon as that took long, the rest of the file is left to the threads, several
 * requests at a time, and the other clients do not wait for the disk.
 */
export class LocalFile implements SftpBackendFile {
  readonly parallel: boolean;
  readonly #fd: number;
  readonly #append: boolean;
  readonly #mode: Mode;
  readonly #patience: number;
  #slow = false;

  /** Takes over a descriptor. */
  constructor(fd: number, { append, mode, patience }: LocalFileOptions) {
    this.#fd = fd;
    this.#append = append;
    this.#mode = mode;
    this.#patience = patience;
    this.parallel = !append;
  }

  read(into: Uint8Array, offset: number): number | Promise<number> {
    if (this.#slow) return this.#readLater(into, offset);
    const start = performance.now();
    const count = fs.readSync(this.#fd, into, 0, into.length, offset);
    this.#slow = performance.now() - start > this.#patience;
    return count;
  }

  write(data: Uint8Array, offset: number): void | Promise<void> {
    if (this.#slow) return this.#writeLater(data, offset);
    const start = performance.now();
    for (let at = 0; at < data.length;) {
      const place = this.#append ? null : offset + at;
      at += fs.writeSync(this.#fd, data, at, data.length - at, place);
    }
    this.#slow = performance.now() - start > this.#patience;
  }

  stat(): Promise<SftpFileInfo> {
    const stats = fs.fstatSync(this.#fd);
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

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async setStat({ size, mode, uid, gid, atime, mtime }: SftpChanges): Promise<void> {
    const bits = mode === undefined ? null : allowedMode(mode, this.#mode);
    if (size !== undefined) fs.ftruncateSync(this.#fd, size);
    if (bits !== null) fs.fchmodSync(this.#fd, bits);
    if (atime && mtime) fs.futimesSync(this.#fd, atime, mtime);
    if (uid !== undefined && gid !== undefined) fs.fchownSync(this.#fd, uid, gid);
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async statVfs(): Promise<SftpFileSystem> {
    if (Deno.build.os === "linux") return fileSystemAt(`/proc/self/fd/${this.#fd}`);
    throw new Deno.errors.NotSupported();
  }

  sync(): Promise<void> {
    return settled((done) => fs.fsync(this.#fd, done));
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async close(): Promise<void> {
    fs.closeSync(this.#fd);
  }

  #readLater(into: Uint8Array, offset: number): Promise<number> {
    return settled((done) => fs.read(this.#fd, into, 0, into.length, offset, done));
  }

  async #writeLater(data: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < data.length;) {
      const place = this.#append ? null : offset + at;
      at += await settled<number>((done) =>
        fs.write(this.#fd, data, at, data.length - at, place, done)
      );
    }
  }
}

/** A callback of Node's as a promise. */
function settled<T>(
  start: (done: (error: Error | null, value?: T) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  start((error, value) => error ? reject(error) : resolve(value as T));
  return promise;
}
