import { SftpError } from "../../errors.ts";
import { withLimits } from "../../waiting.ts";
import type { SftpChanges, SftpFileInfo } from "../protocol/attributes.ts";
import { digestOf } from "./content_digest.ts";
import type { SftpOpenOptions, SftpOptions } from "../protocol/options.ts";
import { hiddenBeside } from "../protocol/paths.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { RemoteFile } from "../remote/remote_file.ts";
import { replace } from "../remote/rename.ts";
import type { StoreSettings, TargetRequest, TransferTarget } from "./file_store.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { bitsOf } from "./transfer_options.ts";
import { WriteBehind } from "../remote/write_behind.ts";

/**
 * A server's file as a target. It is written under a hidden name and renamed when it is complete, unless the
 * existing file cannot be replaced that way, or the server does not permit new files there.
 */
export async function remoteTarget(
  remote: RemoteFileSystem,
  request: TargetRequest,
  part: string | null,
  settings: StoreSettings,
): Promise<TransferTarget> {
  const { options: { atomic, mode }, limits } = settings;
  const bits = bitsOf(request.info, settings.options);
  if (atomic === false && part === null) return await inPlace(remote, request.path, bits, settings);
  const hidden = part ?? hiddenBeside(request.path, "part");
  const open = {
    ...limits,
    ...(part === null ? { createNew: true } : { create: true, read: true }),
    write: true,
    ...(bits !== undefined && { mode: part === null ? bits : bits | 0o600 }),
  };
  const opening = remote.file(hidden, open, request.path);
  opening.catch(() => {}); // reported below
  // The existing file matters for a single file; in a folder only the source's attributes do.
  const there = request.inside ? null : await orNull(remote.lstatOrNull(request.path, limits));
  let file: RemoteFile;
  try {
    file = await opening;
  } catch (cause) {
    const status = cause instanceof SftpError ? cause.status : SftpStatus.CONNECTION_LOST;
    // The answer is no longer awaited, so the file may still be created.
    if (status === SftpStatus.CONNECTION_LOST && part === null) {
      remote.remove(hidden, {}).catch(() => {});
    }
    const refused = status === SftpStatus.PERMISSION_DENIED;
    if (!refused || atomic === true || part !== null) throw cause;
    return await inPlace(remote, request.path, bits, settings);
  }
  try {
    const [final, old] = await resolved(remote, request.path, there, limits);
    if (old !== null && !old.isFile && old.mode !== null) {
      await drop(remote, file, hidden, part, limits);
      return await inPlace(remote, request.path, bits, settings); // a device, a pipe, or an error to come
    }
    // As if it had been written to: the file keeps the mode that it had.
    const kept = mode ?? (old?.isFile && old.mode !== null ? old.mode & 0o7777 : undefined);
    const held = part === null ? 0 : (await file.stat(limits)).size;
    const wanted = part !== null || (kept !== undefined && kept !== bits)
      ? kept ?? bits
      : undefined;
    return new RemoteTarget(remote, file, settings, { hidden, final, part, held, bits, wanted });
  } catch (cause) {
    await drop(remote, file, hidden, part, limits);
    throw cause;
  }
}

/** Closes and removes a file, and ignores failures; a cancelled transfer does not wait for it. */
async function drop(
  remote: RemoteFileSystem,
  file: RemoteFile,
  hidden: string,
  part: string | null,
  limits: SftpOptions,
): Promise<void> {
  const last = [file.close()];
  if (part === null) last.push(remote.remove(hidden, {}));
  await withLimits(Promise.allSettled(last), limits).catch(() => {});
}

/** The path to replace, and what is there: the target of a link, not the link. */
async function resolved(
  remote: RemoteFileSystem,
  path: string,
  there: SftpFileInfo | null,
  limits: SftpOptions,
): Promise<[final: string, old: SftpFileInfo | null]> {
  if (!there?.isSymlink) return [path, there];
  const old = await remote.statOrNull(path, limits);
  return [old?.isFile ? await remote.realPath(path, limits) : path, old];
}

/** The promise, with null for a rejection. */
function orNull<T>(promise: Promise<T>): Promise<T | null> {
  return promise.catch(() => null);
}

async function inPlace(
  remote: RemoteFileSystem,
  path: string,
  bits: number | undefined,
  settings: StoreSettings,
): Promise<TransferTarget> {
  const open: SftpOpenOptions = { ...settings.limits, write: true, create: true, truncate: true };
  const file = await remote.file(path, bits === undefined ? open : { ...open, mode: bits });
  const names = { hidden: path, final: path, part: null, held: 0, bits, wanted: undefined };
  return new RemoteTarget(remote, file, settings, names);
}

interface TargetNames {
  /** Its path while it is written; the final path if it is written in place. */
  readonly hidden: string;
  readonly final: string;
  /** Not null if the part stays for a later try. */
  readonly part: string | null;
  readonly held: number;
  /** The permission bits that it was created with. */
  readonly bits: number | undefined;
  /** The permission bits that it must get, if they differ. */
  readonly wanted: number | undefined;
}

class RemoteTarget implements TransferTarget {
  held: number;
  readonly #remote: RemoteFileSystem;
  #file: RemoteFile;
  readonly #settings: StoreSettings;
  readonly #names: TargetNames;
  /** The size of the file at the start. */
  #before: number;
  #behind: WriteBehind;
  #skipped = false;

  constructor(
    remote: RemoteFileSystem,
    file: RemoteFile,
    settings: StoreSettings,
    names: TargetNames,
  ) {
    this.#remote = remote;
    this.#file = file;
    this.#settings = settings;
    this.#names = names;
    this.#behind = this.#from(0);
    this.#before = names.held;
    this.held = this.#reliable(names.held);
  }

  /** The bytes without gaps: writes are done in any order, so those of the last window may be missing. */
  #reliable(size: number): number {
    return Math.max(size - this.#behind.window, 0);
  }

  async adopt(size: number, same: Parameters<Required<TransferTarget>["adopt"]>[1]): Promise<void> {
    const { limits } = this.#settings;
    const { hidden, final, part } = this.#names;
    if (part === null || this.#before > 0) return;
    const info = await this.#remote.lstatOrNull(final, limits);
    if (info === null || !info.isFile || info.size >= size) return;
    const reliable = this.#reliable(info.size);
    if (reliable === 0) return;
    const file = await this.#remote.file(final, { ...limits, read: true }).catch(() => null);
    if (file === null) return; // it can still be replaced
    const readAt = (into: Uint8Array, offset: number) => file.fill(into, offset, limits);
    const usable = await same({ readAt }, reliable);
    file.close().catch(() => {});
    if (!usable) return;
    this.#file.close().catch(() => {});
    await replace(this.#remote, final, hidden, limits);
    this.#file = await this.#remote.file(hidden, { ...limits, read: true, write: true }, final);
    this.#behind = this.#from(0);
    this.#before = info.size;
    this.held = reliable;
  }

  async start(offset: number): Promise<void> {
    // Not truncated to the offset, so that nothing is lost if this try fails early: the rest is written over.
    // Only a part that turned out to be another file is emptied.
    if (offset === 0 && this.held > 0) {
      await this.#file.setStat({ size: 0 }, this.#settings.limits);
      this.#before = 0;
    }
    this.#behind = this.#from(offset);
  }

  #from(start: number): WriteBehind {
    const { limits, inFlight } = this.#settings;
    return new WriteBehind(this.#file, { ...limits, start, inFlight });
  }

  get unit(): number {
    return this.#behind.unit;
  }

  write(block: Uint8Array, release: () => void): Promise<void> {
    this.#skipped = false;
    return this.#behind.write(block, release);
  }

  async skip(bytes: number): Promise<void> {
    // A later try trusts bytes by their distance from the end, so nothing may be in flight before a hole.
    if (this.#names.part !== null) await this.#behind.finish();
    this.#skipped = true;
    this.#behind.skip(bytes);
  }

  async flush(): Promise<void> {
    await this.#behind.finish();
    const { limits } = this.#settings;
    const size = this.#behind.offset;
    // A hole at the end is made by writing its last byte: paramiko's server empties a file to set its size.
    if (this.#skipped) await this.#file.write(new Uint8Array(1), size - 1, limits);
    if (size < this.#before) await this.#file.setStat({ size }, limits);
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    return this.#file.fill(into, offset, this.#settings.limits);
  }

  digest(length: number): Promise<string> {
    return digestOf(this.#remote, this.#names.hidden, length, this.#settings);
  }

  async commit(info: SftpFileInfo | null): Promise<void> {
    const { hidden, final } = this.#names;
    const { limits } = this.#settings;
    const changes = this.#changes(info);
    if (this.#names.part !== null) await this.#mine();
    const last: (() => Promise<void>)[] = [];
    if (Object.keys(changes).length > 0) last.push(() => this.#file.setStat(changes, limits));
    if (this.#settings.options.sync) last.push(() => this.#file.sync(limits));
    last.push(() => this.#file.close(limits));
    if (this.#behind.careful) {
      for (const request of last) await request();
    } else {
      // In parallel: requests for one file are processed in order (filexfer-02 §6.1).
      for (const done of await Promise.allSettled(last.map((request) => request()))) {
        if (done.status === "rejected") throw done.reason;
      }
    }
    if (hidden !== final) await this.#rename(hidden, final);
  }

  /** Checks that the part is the file that was written: two tries in parallel share its name. */
  async #mine(): Promise<void> {
    const { limits } = this.#settings;
    const { hidden, final } = this.#names;
    const [written, named] = await Promise.all([
      this.#file.stat(limits),
      this.#remote.lstatOrNull(hidden, limits),
    ]);
    if (named?.isFile && named.size === written.size) return;
    const call = { operation: "put", path: final };
    throw sftpError(SftpStatus.FAILURE, call, "another transfer has taken its place");
  }

  async #rename(hidden: string, final: string): Promise<void> {
    const { limits } = this.#settings;
    try {
      await replace(this.#remote, hidden, final, limits, final);
    } catch (cause) {
      const there = await this.#remote.lstatOrNull(final, limits).catch(() => null);
      if (!there?.isDirectory) throw cause;
      const call = { operation: "put", path: final };
      throw sftpError(SftpStatus.FAILURE, call, "it is a directory", cause);
    }
  }

  #changes(info: SftpFileInfo | null): SftpChanges {
    const { preserve = false, owners = false } = this.#settings.options;
    const { bits, wanted } = this.#names;
    const mode = preserve ? bits : wanted;
    return {
      ...(owners && info?.uid != null && info.gid != null && { uid: info.uid, gid: info.gid }),
      ...(mode !== undefined && { mode }),
      ...(preserve && info?.mtime && { atime: info.atime ?? info.mtime, mtime: info.mtime }),
    };
  }

  discard(): Promise<void> {
    const { hidden, final, part } = this.#names;
    const kept = hidden === final ? hidden : part;
    return drop(this.#remote, this.#file, hidden, kept, this.#settings.limits);
  }
}
