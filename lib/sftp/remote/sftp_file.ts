import { SEEK_CURRENT, SEEK_START } from "../../runtime/files.ts";
import { checkChunk } from "../../option_checks.ts";
import { dateOf, type SftpChanges, type SftpFileInfo } from "../protocol/attributes.ts";
import { SFTP_RESUME_WINDOW } from "../../defaults.ts";
import { furtherLanes } from "./further_lanes.ts";
import type { FurtherSessions } from "./further_sessions.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { ReadAhead } from "./read_ahead.ts";
import { WriteBehind } from "./write_behind.ts";
import type { RemoteFile } from "./remote_file.ts";

let wrap: (file: RemoteFile) => SftpFile;

/**
 * An open remote file, in the shape of `Deno.FsFile`; {@linkcode SftpClient.open} makes one.
 *
 * @example
 * ```ts
 * import { type SftpClient, type SftpFile } from "@denossh/ssh/sftp";
 *
 * async function firstBytes(
 *   sftp: SftpClient,
 *   path: string,
 * ): Promise<Uint8Array> {
 *   await using file: SftpFile = await sftp.open(path);
 *   const bytes = new Uint8Array(16);
 *   return bytes.subarray(0, await file.read(bytes) ?? 0);
 * }
 * ```
 */
export class SftpFile implements AsyncDisposable {
  readonly #file: RemoteFile;
  #position = 0;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** @ignore */
  private constructor(file: RemoteFile) {
    this.#file = file;
  }

  static {
    wrap = (file) => new SftpFile(file);
  }

  /** The path that the file was opened by. */
  get path(): string {
    return this.#file.path;
  }

  /**
   * Reads at the file's position and moves it on.
   *
   * @param into The destination of the bytes
   * @param options A signal, and a time limit for each answer
   * @returns The number of bytes, which may be less than the length of `into`, or null at the end of
   * the file
   * @throws {SftpError} If the server refuses
   */
  async read(into: Uint8Array, options: SftpOptions = {}): Promise<number | null> {
    if (into.length === 0) return 0;
    const count = await this.#file.read(into, this.#position, options);
    this.#position += count;
    return count === 0 ? null : count;
  }

  /**
   * Writes all of the data at the file's position and moves it on.
   *
   * @param data The bytes, which must not change until the promise has settled
   * @param options A signal, and a time limit for each answer
   * @returns The length of the data
   * @throws {SftpError} If the server refuses
   */
  async write(data: Uint8Array, options: SftpOptions = {}): Promise<number> {
    const offset = this.#position;
    this.#position += data.length;
    await this.#file.write(data, offset, options);
    return data.length;
  }

  /**
   * Reads at an offset, independent of the file's position; any number of reads may run in parallel.
   *
   * @param into The destination of the bytes
   * @param offset Bytes from the start of the file
   * @param options A signal, and a time limit for each answer
   * @returns The number of bytes, which may be less than the length of `into`, or null at the end of
   * the file
   * @throws {SftpError} If the server refuses
   */
  async readAt(
    into: Uint8Array,
    offset: number,
    options: SftpOptions = {},
  ): Promise<number | null> {
    if (into.length === 0) return 0;
    return await this.#file.read(into, offset, options) || null;
  }

  /**
   * Writes all of the data at an offset, independent of the file's position; any number of writes may
   * run in
   * parallel. A file opened with `append` is written at its end, whatever the offset.
   *
   * @param data The bytes, which must not change until the promise has settled
   * @param offset Bytes from the start of the file
   * @param options A signal, and a time limit for each answer
   * @returns The length of the data
   * @throws {SftpError} If the server refuses
   */
  async writeAt(data: Uint8Array, offset: number, options: SftpOptions = {}): Promise<number> {
    await this.#file.write(data, offset, options);
    return data.length;
  }

  /**
   * Moves the position for the next read or write.
   *
   * @param offset Bytes from the point that `whence` names
   * @param whence `Deno.SeekMode.Start`, `Current` or `End`
   * @param options A signal, and a time limit for each answer
   * @returns The new position
   * @throws {RangeError} If that would be before the start of the file
   */
  async seek(
    offset: number,
    whence: Deno.SeekMode = SEEK_START,
    options: SftpOptions = {},
  ): Promise<number> {
    const base = whence === SEEK_START
      ? 0
      : whence === SEEK_CURRENT
      ? this.#position
      : (await this.#file.stat(options)).size;
    if (!Number.isSafeInteger(base + offset) || base + offset < 0) {
      throw new RangeError("Cannot seek to before the start of the file");
    }
    return this.#position = base + offset;
  }

  /**
   * Asks for the file's attributes.
   *
   * @param options A signal, and a time limit for each answer
   * @returns Its attributes
   * @throws {SftpError} If the server refuses
   */
  stat(options: SftpOptions = {}): Promise<SftpFileInfo> {
    return this.#file.stat(options);
  }

  /**
   * Changes attributes of the file.
   *
   * @param changes What to change
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  setStat(changes: SftpChanges, options: SftpOptions = {}): Promise<void> {
    return this.#file.setStat(changes, options);
  }

  /**
   * Truncates the file, or fills it up with zeros.
   *
   * @param size The new size in bytes
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  truncate(size = 0, options: SftpOptions = {}): Promise<void> {
    return this.#file.setStat({ size }, options);
  }

  /**
   * Changes the permission bits of the file.
   *
   * @param mode The bits, such as `0o644`
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  chmod(mode: number, options: SftpOptions = {}): Promise<void> {
    return this.#file.setStat({ mode }, options);
  }

  /**
   * Changes the owner and the group of the file.
   *
   * @param uid The owner's number
   * @param gid The group's number
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  chown(uid: number, gid: number, options: SftpOptions = {}): Promise<void> {
    return this.#file.setStat({ uid, gid }, options);
  }

  /**
   * Changes the times of the file, to the second.
   *
   * @param atime The time of the last access, as a `Date` or in seconds
   * @param mtime The time of the last modification, as a `Date` or in seconds
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  utime(atime: Date | number, mtime: Date | number, options: SftpOptions = {}): Promise<void> {
    return this.#file.setStat({ atime: dateOf(atime), mtime: dateOf(mtime) }, options);
  }

  /**
   * Asks for the size and free space of the file system of the file (fstatvfs@openssh.com).
   *
   * @param options A signal, and a time limit for each answer
   * @returns Its size and free space
   * @throws {SftpError} If the server refuses or does not support it
   */
  statvfs(options: SftpOptions = {}): Promise<SftpFileSystem> {
    return this.#file.statvfs(options);
  }

  /**
   * Asks the server to flush written data to the disk (fsync@openssh.com).
   *
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server does not support it
   */
  sync(options: SftpOptions = {}): Promise<void> {
    return this.#file.sync(options);
  }

  /**
   * Asks the server to flush written data to the disk; the same as `sync` in SFTP.
   *
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server does not support it
   */
  syncData(options: SftpOptions = {}): Promise<void> {
    return this.#file.sync(options);
  }

  /** Reads from the position to the end, ahead of the reader; the end, or cancelling, closes the file. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this.#file, this.#position);
  }

  /** Writes from the position, with several requests in parallel; closing or aborting it closes the file. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf(this.#file, this.#position);
  }

  /**
   * Closes the file.
   *
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server could not write everything
   */
  close(options: SftpOptions = {}): Promise<void> {
    return this.#file.close(options);
  }

  /** Closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Makes the public object of an open file, whose constructor is private. */
export function sftpFile(file: RemoteFile): SftpFile {
  return wrap(file);
}

/** Reads from an offset, ahead of the reader; the end of the stream closes the file. */
function readableOf(file: RemoteFile, start: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let ahead: ReadAhead | null = null;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) =>
      closedIfFailed(file, async () => {
        ahead ??= new ReadAhead(file, { start, size: await file.size() });
        const block = await ahead.next();
        if (block !== null) return controller.enqueue(block);
        await file.close();
        controller.close();
      }),
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

/**
 * Writes from an offset; closing waits for every answer and closes the file.
 *
 * @param further The further sessions to write it in
 * @param limits A signal that cancels each write, and a time limit for each answer
 */
export function writableOf(
  file: RemoteFile,
  start: number,
  further: FurtherSessions | null = null,
  limits: SftpOptions = {},
): WritableStream<Uint8Array> {
  const behind: WriteBehind = further === null
    ? new WriteBehind(file, { ...limits, start })
    : stripedFrom(file, start, further, limits);
  return new WritableStream<Uint8Array>({
    write: (chunk) =>
      closedIfFailed(file, () => {
        checkChunk(chunk);
        // A copy, because the write resolves long before the server has the data.
        return behind.write(chunk.slice(), () => {});
      }),
    close: () =>
      closedIfFailed(file, async () => {
        await behind.end();
        await file.close(limits);
      }),
    async abort() {
      behind.abandon();
      await file.close(limits);
    },
  });
}

/**
 * Writes in several sessions. A failure may leave holes in the bytes that were in flight, and the file
 * already has its final name. So at most as many are in flight as a later `put` with `resume` sends again.
 */
function stripedFrom(
  file: RemoteFile,
  start: number,
  further: FurtherSessions,
  limits: SftpOptions,
): WriteBehind {
  const behind: WriteBehind = new WriteBehind(file, {
    ...limits,
    start,
    inFlight: SFTP_RESUME_WINDOW,
    further: furtherLanes(further, {
      path: file.path,
      about: file.path,
      size: null,
      get reached() {
        return behind.reached;
      },
      inFlight: SFTP_RESUME_WINDOW,
      limits,
    }),
  });
  return behind;
}

/** Closes the file if `run` fails, because `cancel` and `abort` are not called on a failed stream. */
async function closedIfFailed(file: RemoteFile, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    file.close().catch(() => {}); // report the first failure
    throw cause;
  }
}
