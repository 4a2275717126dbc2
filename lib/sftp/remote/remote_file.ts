import {
  attributesOfChanges,
  infoOf,
  type SftpChanges,
  type SftpFileInfo,
} from "../protocol/attributes.ts";
import { fileSystemOf, type SftpFileSystem } from "../protocol/file_system.ts";
import type { ClientSession } from "./client_session.ts";
import type { OpenHandle } from "./open_handle.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION, S_IF } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { type Call, callOf, isRefusal, nullIfRefused } from "../protocol/status.ts";

/** Memory that is allocated when its first bytes arrive. */
export interface LazyBuffer {
  readonly length: number;
  bytes(): Uint8Array;
  /** Set if data has arrived from beyond a place without data. */
  gap?: boolean;
}

/** An open remote file, read and written at offsets. */
export class RemoteFile {
  /** The path that errors name. */
  readonly path: string;
  /** The most bytes of one READ. */
  readonly readLength: number;
  /** The most bytes of one WRITE. */
  readonly writeLength: number;
  readonly #session: ClientSession;
  /** The server's handle. */
  readonly handle: OpenHandle;
  readonly #written: boolean;
  #closed = false;

  constructor(
    session: ClientSession,
    handle: OpenHandle,
    path: string,
    { written, ...lengths }: { readLength: number; writeLength: number; written: boolean },
  ) {
    this.#session = session;
    this.handle = handle;
    this.path = path;
    this.#written = written;
    this.readLength = lengths.readLength;
    this.writeLength = lengths.writeLength;
  }

  /** One READ of at most `readLength` bytes; resolves to the number of bytes, 0 at the end. */
  read(into: Uint8Array, offset: number, options: SftpOptions = {}): Promise<number> {
    const length = Math.min(into.length, this.readLength);
    const call = this.#call("read", options);
    return this.#session.read(this.handle, offset, length, () => into, call);
  }

  /** One WRITE of at most `writeLength` bytes; `sent` is called when the channel has taken it. */
  writePiece(
    data: Uint8Array,
    offset: number,
    options: SftpOptions = {},
    sent?: () => void,
  ): Promise<void> {
    return this.#session.write(this.handle, offset, data, this.#call("write", options), sent);
  }

  /** Writes with as many WRITEs as needed, in parallel. */
  async write(data: Uint8Array, offset: number, options: SftpOptions = {}): Promise<void> {
    const writes: Promise<void>[] = [];
    for (let at = 0; at < data.length; at += this.writeLength) {
      const piece = data.subarray(at, at + this.writeLength);
      writes.push(this.writePiece(piece, offset + at, options));
    }
    // Wait for all, even if one fails: the data must not change until the last has settled.
    const failed = (await Promise.allSettled(writes)).find((write) => write.status === "rejected");
    if (failed) throw failed.reason;
  }

  /**
   * Reads with as many READs as needed, in parallel; resolves to the number of bytes before the end.
   */
  async fill(
    into: LazyBuffer | Uint8Array,
    offset: number,
    options: SftpOptions = {},
    step: number = this.readLength,
  ): Promise<number> {
    const { length } = into;
    const room: LazyBuffer = into instanceof Uint8Array ? { length, bytes: () => into } : into;
    if (length <= step) return await this.#whole(room, 0, length, offset, options);
    const reads: Promise<number>[] = [];
    for (let at = 0; at < length; at += step) {
      reads.push(this.#whole(room, at, Math.min(at + step, length), offset, options));
    }
    let total = 0;
    let at = 0;
    // Wait for all, even if one fails: none may be in flight when the block is read again.
    for (const read of await Promise.allSettled(reads)) {
      if (read.status === "rejected") throw read.reason;
      if (total === at) total += read.value;
      else if (read.value > 0) room.gap = true;
      at += step;
    }
    return total;
  }

  /** Reads a range; if the server sends fewer bytes than requested, requests the rest. */
  async #whole(
    room: LazyBuffer,
    from: number,
    to: number,
    offset: number,
    options: SftpOptions,
  ): Promise<number> {
    let at = from;
    const call = this.#call("read", options);
    while (at < to) {
      const start = at;
      const into = () => room.bytes().subarray(start, to);
      const count = await this.#session.read(this.handle, offset + at, to - at, into, call);
      if (count === 0) break;
      at += count;
      if (this.#closed) break; // its handle may belong to another file now
    }
    return at - from;
  }

  /** Measurements of the path to the server, for reads and for writes. */
  get pathEstimates(): ClientSession["pathEstimates"] {
    return this.#session.pathEstimates;
  }

  /** Bytes that the channel carries in a round trip; Infinity if that is not known. */
  get window(): number {
    return this.#session.flow?.largestSendWindow ?? Infinity;
  }

  async stat(options: SftpOptions = {}): Promise<SftpFileInfo> {
    const call = this.#call("stat", options);
    const { handle } = this;
    const { attributes } = await this.#session.request(msg.Fstat, handle, msg.Attrs, call, handle);
    return infoOf(attributes, S_IF.FILE); // a file, unless the server reports another type
  }

  /** The attributes of the file that has a name, after the requests for this one. */
  async lstat(path: string, options: SftpOptions = {}): Promise<SftpFileInfo> {
    const call = callOf("lstat", path, options);
    const { attributes } = await this.#session.request(msg.Lstat, { path }, msg.Attrs, call);
    return infoOf(attributes, S_IF.FILE);
  }

  /** The size; 0 means unknown, also if the server refuses to tell it. */
  async size(options: SftpOptions = {}): Promise<number> {
    return (await nullIfRefused(this.stat(options)))?.size ?? 0;
  }

  async setStat(changes: SftpChanges, options: SftpOptions = {}): Promise<void> {
    const file = this.handle;
    const fields = {
      get handle() {
        return file.handle;
      },
      attributes: attributesOfChanges(changes),
    };
    await this.#session.command(msg.Fsetstat, fields, this.#call("setStat", options), file);
    if (changes.size !== undefined) file.reached = changes.size;
  }

  /** The size and free space of the file's file system (fstatvfs@openssh.com). */
  async statvfs(options: SftpOptions = {}): Promise<SftpFileSystem> {
    const { handle } = this;
    const data = () => msg.OneHandle.encode(handle);
    const call = this.#call("statvfs", options);
    const { FSTATVFS } = EXTENSION;
    return fileSystemOf(
      await this.#session.extendedReply(FSTATVFS, data, msg.FileSystem, call, handle),
    );
  }

  async sync(options: SftpOptions = {}): Promise<void> {
    const { handle } = this;
    const data = () => msg.OneHandle.encode(handle);
    const call = this.#call("sync", options);
    await this.#session.extended(EXTENSION.FSYNC, data, msg.Status, call, handle);
  }

  /**
   * Closes the handle, once unless refused. A refusal may report that the disk is full, so it counts after
   * writing only.
   */
  async close(options: SftpOptions = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { signal } = options;
    // A cancelled file must be closed, too.
    const call = this.#call("close", signal?.aborted ? { timeout: options.timeout } : options);
    const closing = this.#session.command(msg.Close, this.handle, call, this.handle);
    closing.catch((cause) => this.#closed = !isRefusal(cause));
    signal?.throwIfAborted();
    await (this.#written ? closing : nullIfRefused(closing));
  }

  #call(operation: string, options: SftpOptions): Call {
    return callOf(operation, this.path, options);
  }
}
