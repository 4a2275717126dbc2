import { isError, platformError } from "../../runtime/errors.ts";
import { type FileOpenOptions, type OpenFile, SEEK_START } from "../../runtime/files.ts";
import { joinLocal } from "../../runtime/local_path.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll, writeAllSync } from "../../runtime/write_all.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import { onThisMachine } from "./local_errors.ts";
import type { AdaptiveIo } from "../../runtime/adaptive_io.ts";
import type { SameBeginning, TransferTarget } from "./file_store.ts";
import { bitsOf, type SftpTransferOptions } from "./transfer_options.ts";

/** Bytes of one step of a local copy. */
const COPIED_BYTES = 1024 * 1024;

/** Options of {@linkcode fileTarget}. */
export interface FileTargetOptions {
  readonly options: SftpTransferOptions;
  /** Attributes of the source. */
  readonly info: SftpFileInfo | null;
  /** The hidden name of a part that can be resumed; null for a new, random name. */
  readonly part: string | null;
  readonly io: AdaptiveIo;
  /** Throws if the file's folder is not inside the target folder any more; null if it may be anywhere. */
  readonly check: (() => void) | null;
}

/**
 * A local file as a target. The content is written to a hidden file in the same folder, which is renamed
 * when it is complete. A symbolic link with the final name is replaced, never followed.
 */
export async function fileTarget(local: string, how: FileTargetOptions): Promise<TransferTarget> {
  const folder = runtime.paths.dirname(local);
  const hidden = joinLocal(folder, how.part ?? `.${crypto.randomUUID()}.part`);
  const resumes = how.part !== null;
  const mode = bitsOf(how.info, how.options) ?? 0o666;
  // A later attempt must be able to read a part, whatever the final mode.
  const open = {
    read: resumes,
    write: true,
    createNew: true,
    mode: mode | (resumes ? 0o600 : 0o200),
  };
  const later = () => runtime.files.open(hidden, open);
  const file = resumes
    ? await openPart(hidden, open)
    : await how.io.run(() => runtime.files.openSync(hidden, open), later);
  if (file === null) return await fileTarget(local, { ...how, part: null });
  try {
    if (resumes && !await lock(file)) {
      throw platformError("Busy", "Another transfer is fetching it");
    }
    if (how.check !== null || resumes) check(file, hidden, how);
    const held = resumes ? file.statSync().size : 0;
    return new FileTarget(file, local, hidden, mode, held, how);
  } catch (cause) {
    file.close();
    if (!resumes) await runtime.files.remove(hidden).catch(() => {});
    throw cause;
  }
}

/**
 * Makes a part, or opens that of an earlier attempt. Null if it must not be written to: its name can be
 * guessed, so another user may have put a file, a link or a hard link there.
 */
async function openPart(hidden: string, options: FileOpenOptions): Promise<OpenFile | null> {
  try {
    return await runtime.files.open(hidden, options);
  } catch (cause) {
    if (!isError(cause, "AlreadyExists")) throw cause;
  }
  // Opening a pipe would wait for its other end.
  if (!(await runtime.files.lstat(hidden)).isFile) return null;
  const file = await runtime.files.open(hidden, { read: true, write: true });
  try {
    const { uid, nlink } = file.statSync();
    if ((nlink ?? 1) === 1 && uid === await ownUser(runtime.paths.dirname(hidden))) return file;
  } catch (cause) {
    file.close();
    throw cause;
  }
  file.close();
  return null;
}

/** The owner of new files in a folder; null on Windows. Unlike `Deno.uid`, this needs no further permission. */
async function ownUser(folder: string): Promise<number | null> {
  const path = joinLocal(folder, `.${crypto.randomUUID()}.part`);
  using file = await runtime.files.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    return file.statSync().uid;
  } finally {
    await runtime.files.remove(path);
  }
}

/**
 * Locks a part against other transfers that resume it. True also if locking is not supported: on some file
 * systems, and before Deno 2.6, which lacks `tryLock`.
 */
async function lock(file: OpenFile): Promise<boolean> {
  try {
    return await file.tryLock?.(true) ?? true;
  } catch {
    return true;
  }
}

/** Checks that the open file is the one with this name, in the right folder. */
function check(file: OpenFile, hidden: string, { check }: FileTargetOptions): void {
  check?.();
  const [opened, named] = [file.statSync(), runtime.files.lstatSync(hidden)];
  if (opened.dev === named.dev && opened.ino === named.ino && named.isFile) return;
  throw platformError("InvalidData", "Its folder was replaced during the transfer");
}

class FileTarget implements TransferTarget {
  held: number;
  readonly #file: OpenFile;
  readonly #local: string;
  readonly #hidden: string;
  readonly #mode: number;
  readonly #how: FileTargetOptions;
  #offset = 0;
  #size = 0;
  #open = true;

  constructor(
    file: OpenFile,
    local: string,
    hidden: string,
    mode: number,
    held: number,
    how: FileTargetOptions,
  ) {
    this.#file = file;
    this.#local = local;
    this.#hidden = hidden;
    this.#mode = mode;
    this.held = held;
    this.#how = how;
  }

  async adopt(size: number, same: SameBeginning): Promise<void> {
    const info = await runtime.files.lstat(this.#local).catch(() => null);
    if (info === null || !info.isFile || info.size === 0 || info.size >= size) return;
    const file = await runtime.files.open(this.#local).catch(() => null);
    if (file === null) return; // it can still be replaced
    try {
      const readAt = (into: Uint8Array, offset: number) => readFrom(file, into, offset);
      if (!await same({ readAt }, info.size)) return;
      // Copied, so that the old file keeps its name until the new one is complete.
      const block = new Uint8Array(COPIED_BYTES);
      for (let at = 0, count; at < info.size; at += count) {
        count = await readAt(block.subarray(0, info.size - at), at);
        if (count === 0) break;
        await this.#run("write", () => this.#write(block.subarray(0, count)));
        this.held = at + count;
      }
    } finally {
      file.close();
    }
  }

  async start(offset: number): Promise<void> {
    await this.#run("truncate", () => this.#file.truncate(offset));
    await this.#file.seek(offset, SEEK_START);
    this.#offset = this.#size = offset;
  }

  async write(block: Uint8Array, release: () => void): Promise<void> {
    if (this.#offset > this.#size) await this.#file.seek(this.#offset, SEEK_START);
    await this.#run("write", () => this.#write(block));
    this.#size = this.#offset += block.length;
    release();
  }

  #write(block: Uint8Array): void | Promise<void> {
    return this.#how.io.run(
      () => writeAllSync(this.#file, block),
      () => writeAll(this.#file, block),
    );
  }

  skip(bytes: number): Promise<void> {
    this.#offset += bytes;
    return Promise.resolve();
  }

  async flush(): Promise<void> {
    if (this.#offset > this.#size) {
      await this.#run("truncate", () => this.#file.truncate(this.#offset));
    }
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    return this.#run("read", () => readFrom(this.#file, into, offset));
  }

  async commit(info: SftpFileInfo | null): Promise<void> {
    const { preserve = false, owners = false, sync = false } = this.#how.options;
    if (preserve && info?.mtime) {
      const { atime, mtime } = info;
      await this.#run("set the time of", () => this.#file.utime(atime ?? mtime, mtime));
    }
    if (sync) await this.#run("sync", () => this.#file.sync());
    // By path: if the folder was replaced by a link, the hidden file is not found there.
    if (owners && info?.uid != null && info.gid != null) {
      const { uid, gid } = info;
      await this.#run("chown", () => runtime.files.chown(this.#hidden, uid, gid));
    }
    const exact = preserve || (this.#mode & 0o200) === 0; // otherwise the umask applies
    if (exact && runtime.os !== "windows") {
      await this.#run("chmod", () => runtime.files.chmod(this.#hidden, this.#mode));
    }
    if (runtime.os === "windows") this.#close(); // Windows cannot rename an open file
    await this.#run("write", () => runtime.files.rename(this.#hidden, this.#local));
    this.#close(); // only now, because the lock prevents other transfers from resuming it
  }

  async discard(): Promise<void> {
    this.#close();
    if (this.#how.part === null) await runtime.files.remove(this.#hidden);
  }

  #close(): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }

  #run<T>(operation: string, run: () => T | Promise<T>): Promise<T> {
    return onThisMachine(operation, this.#local, run);
  }
}

/** A device or a pipe as a target; it is written directly. */
export async function deviceTarget(local: string): Promise<TransferTarget> {
  const file = await runtime.files.open(local, { write: true });
  return {
    held: 0,
    async write(block, release) {
      await onThisMachine("write", local, () => writeAll(file, block));
      release();
    },
    flush: () => Promise.resolve(),
    commit: () => Promise.resolve(file.close()),
    discard: () => Promise.resolve(file.close()),
  };
}

async function readFrom(file: OpenFile, into: Uint8Array, offset: number): Promise<number> {
  await file.seek(offset, SEEK_START);
  let count = 0;
  while (count < into.length) {
    const more = await file.read(into.subarray(count));
    if (more === null) break;
    count += more;
  }
  return count;
}
