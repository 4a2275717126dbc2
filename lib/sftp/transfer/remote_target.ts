import { SftpError } from "../../errors.ts";
import { explain } from "../remote/explain.ts";
import { copyContent } from "../remote/copy_file.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import { setAttributes } from "./set_attributes.ts";
import { withLimits } from "../../waiting.ts";
import type { SftpChanges, SftpFileInfo } from "../protocol/attributes.ts";
import { digestOf } from "./content_digest.ts";
import type { SftpOpenOptions, SftpOptions } from "../protocol/options.ts";
import { hiddenBeside, parent } from "../protocol/paths.ts";
import type { FurtherSessions } from "../remote/further_sessions.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { RemoteFile } from "../remote/remote_file.ts";
import { replace } from "../remote/rename.ts";
import type { SameBeginning, StoreSettings, TargetRequest, TransferTarget } from "./file_store.ts";
import { isRefusal, nullIfRefused, sftpError, SftpStatus, statusText } from "../protocol/status.ts";
import { bitsOf } from "./transfer_options.ts";
import { furtherLanes } from "../remote/further_lanes.ts";
import { type FurtherLanes, WriteBehind } from "../remote/write_behind.ts";

/**
 * A server's file as a target. It is written under a hidden name and renamed when it is complete, unless the
 * existing file cannot be replaced that way, or the server refuses: then it is written in place, with a
 * warning.
 */
export async function remoteTarget(
  remote: RemoteFileSystem,
  request: TargetRequest,
  part: string | null,
  settings: StoreSettings,
  spread: TargetSpread | null = null,
): Promise<TransferTarget> {
  const { options: { atomic, mode }, limits, warn } = settings;
  const { path } = request;
  const bits = bitsOf(request.info, settings.options);
  if (atomic === false && part === null) {
    spread?.further.inPlace();
    return await inPlace(remote, path, bits, settings);
  }
  const instead = async (reason: string) => {
    const target = await inPlace(remote, path, bits, settings);
    warn(path, inPlaceWarning(path, reason));
    return target;
  };
  if (atomic !== true && remote.withoutRename.has(parent(path))) {
    return await instead("it refuses to rename files");
  }
  const hidden = part ?? hiddenBeside(request.path, "part", hiddenId(remote));
  const open = {
    ...limits,
    createNew: true,
    isOwnName: part === null,
    read: part !== null,
    write: true,
    ...(bits !== undefined && { mode: part === null ? bits : bits | 0o600 }),
  };
  // A part gets its mode at the end, because it may be of an earlier attempt.
  const opening = part === null
    ? created(remote, hidden, open, settings, request.path)
    : openPart(remote, hidden, open, settings, request.path)
      .then((file) => file && { file, kept: false });
  opening.catch(() => {}); // reported below
  // The attributes of an existing file are kept only in the transfer of a single file; in a folder the
  // source's count.
  const there = request.inside ? null : await orNull(remote.lstatOrNull(request.path, limits));
  let opened: CreatedFile | null;
  try {
    opened = await opening;
  } catch (cause) {
    const status = cause instanceof SftpError ? cause.status : SftpStatus.CONNECTION_LOST;
    // The file may be created all the same, after a time-out or by servers that refuse too late.
    if (part === null) remote.remove(hidden, {}).catch(() => {});
    if (!isRefusal(cause) || atomic === true) throw cause;
    return await instead(statusText(status));
  }
  if (opened === null) {
    const anyPart = spread && { ...spread, part: null };
    return await remoteTarget(remote, request, null, settings, anyPart);
  }
  const { file, kept: bitsKept } = opened;
  try {
    const [final, old] = await resolved(remote, path, there, limits);
    if (old !== null && !old.isFile && old.mode !== null) {
      await drop(remote, file, hidden, null, limits);
      // A device, a pipe, or an error. Not awaited here, because the catch below must not handle its
      // refusal.
      return inPlace(remote, path, bits, settings);
    }
    // The file keeps its mode, as if it had been overwritten.
    const kept = mode ?? (old?.isFile && old.mode !== null ? old.mode & 0o7777 : undefined);
    const held = part === null
      ? 0
      : (await nullIfRefused(file.stat(limits)) ?? await remote.lstat(hidden, limits, path)).size;
    const wanted = !bitsKept || (kept !== undefined && kept !== bits) ? kept ?? bits : undefined;
    const names = { hidden, final, part, held, bits, wanted };
    const { size = null } = request;
    return new RemoteTarget(remote, file, settings, names, spread && { ...spread, size });
  } catch (cause) {
    const refused = isRefusal(cause) && atomic !== true;
    await drop(remote, file, hidden, refused ? null : part, limits);
    if (!refused) throw cause;
    return await instead(statusText(cause.status));
  }
}

/**
 * The random part of a hidden name. Our server removes files with the usual form when the session ends, so
 * in a session that survives a lost connection the name has the form of resumable parts.
 */
function hiddenId({ session }: RemoteFileSystem): string {
  const id = crypto.randomUUID();
  return session.isRenewable ? id.replaceAll("-", "") : id;
}

/** How a target is spread over further sessions. */
export interface TargetSpread {
  readonly further: FurtherSessions;
  /** The most bytes in flight over all channels. */
  readonly inFlight: number;
  /** The name for a part that is written over several channels; null if it is not kept. */
  readonly part: string | null;
}

/** An open file, and whether it has the mode that was asked for. */
interface CreatedFile {
  readonly file: RemoteFile;
  readonly kept: boolean;
}

/**
 * Makes a part, or opens that of an earlier attempt. Null if the name leads to a link or another user's
 * file: it can be guessed, so other users of the server may have put it there.
 */
async function openPart(
  remote: RemoteFileSystem,
  part: string,
  options: SftpOpenOptions,
  settings: StoreSettings,
  about: string,
): Promise<RemoteFile | null> {
  const { limits } = settings;
  const made = await nullIfRefused(remote.file(part, options, about));
  if (made !== null) return made;
  const there = await orNull(remote.lstatOrNull(part, limits));
  if (there === null) {
    const again = { ...options, createNew: false, create: true };
    return (await created(remote, part, again, settings, about)).file;
  }
  if (!there.isFile) return null;
  const file = await remote.file(part, { ...limits, read: true, write: true }, about);
  if (await isOwn(remote, file, part, limits)) return file;
  await nullIfRefused(file.close());
  return null;
}

/** Whether an open part is the file with its name and belongs to our user; true if the server does not tell. */
async function isOwn(
  remote: RemoteFileSystem,
  file: RemoteFile,
  part: string,
  limits: SftpOptions,
): Promise<boolean> {
  const [opened, named, own] = await Promise.all([
    orNull(file.stat(limits)),
    orNull(remote.lstat(part, limits)),
    orNull(ownUser(remote, part, limits)),
  ]);
  if (named === null || opened === null) return true;
  const isSame = named.isFile && named.size === opened.size && named.uid === opened.uid;
  return isSame && (own === null || own === opened.uid);
}

/** The owner of new files in the folder of a path; null if the server does not tell. */
async function ownUser(
  remote: RemoteFileSystem,
  path: string,
  limits: SftpOptions,
): Promise<number | null> {
  const hidden = hiddenBeside(path, "part");
  const open = { ...limits, write: true, createNew: true, isOwnName: true };
  const file = await remote.file(hidden, open);
  try {
    return (await file.stat(limits)).uid;
  } finally {
    await drop(remote, file, hidden, null, limits);
  }
}

/**
 * Opens a file that may be new. Fails if a mode chosen by the caller is refused; the mode of a local file
 * is optional.
 */
async function created(
  remote: RemoteFileSystem,
  path: string,
  open: SftpOpenOptions,
  { options: { mode } }: StoreSettings,
  about: string = path,
): Promise<CreatedFile> {
  if (mode !== undefined) return { file: await remote.file(path, open, about), kept: true };
  return await remote.fileWithMode(path, open, about);
}

function inPlaceWarning(path: string, reason: string): string {
  return `"${path}" was written in place, because the server allows no other way: ${reason}`;
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
  if (part === null) last.push(remote.alive.remove(hidden, {}));
  await withLimits(Promise.allSettled(last), limits).catch(() => {});
}

/** The path to replace and its attributes; a link is resolved to its target. */
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
  const withBits = bits === undefined ? open : { ...open, mode: bits };
  const { file } = await created(remote, path, withBits, settings);
  const names = { hidden: path, final: path, part: null, held: 0, bits, wanted: undefined };
  return new RemoteTarget(remote, file, settings, names);
}

interface TargetNames {
  /** Its path while it is written; the final path if it is written in place. */
  readonly hidden: string;
  readonly final: string;
  /** The name of a part that stays for a later attempt; otherwise null. */
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
  #names: TargetNames;
  /** The size of the file at the start. */
  #before: number;
  readonly #spread: (TargetSpread & { readonly size: number | null }) | null;
  #behind: WriteBehind;
  #skipped = false;
  #closing = false;
  #renaming: Promise<void> | null = null;

  constructor(
    remote: RemoteFileSystem,
    file: RemoteFile,
    settings: StoreSettings,
    names: TargetNames,
    spread: (TargetSpread & { readonly size: number | null }) | null = null,
  ) {
    this.#remote = remote;
    this.#file = file;
    this.#settings = settings;
    this.#names = names;
    this.#spread = spread;
    this.#behind = this.#from(0);
    this.#before = names.held;
    this.held = this.#reliable(names.held);
  }

  /**
   * Renames a part that is about to be written over several channels. By its old name a later attempt would
   * take holes for content.
   */
  async #widen(wide: string): Promise<void> {
    const { part, final } = this.#names;
    await replace(this.#remote, part!, wide, this.#settings.limits, final);
    this.#names = { ...this.#names, hidden: wide, part: wide };
  }

  /** The bytes without gaps: writes are done in any order, so some of the last window may be missing. */
  #reliable(size: number): number {
    return Math.max(size - this.#behind.window, 0);
  }

  async adopt(size: number, same: SameBeginning): Promise<void> {
    const { limits, options: { atomic } } = this.#settings;
    const { final, part } = this.#names;
    if (part === null || this.#before > 0) return;
    const canCopy = this.#remote.can(EXTENSION.COPY_DATA);
    if (!canCopy && atomic === true) return; // readers would see an incomplete file
    const info = await nullIfRefused(this.#remote.lstat(final, limits));
    if (info === null || !info.isFile || info.size >= size) return;
    const reliable = this.#reliable(info.size);
    if (reliable === 0) return;
    const file = await this.#remote.file(final, { ...limits, read: true }).catch(() => null);
    if (file === null) return; // it can still be replaced
    try {
      const readAt = (into: Uint8Array, offset: number) => file.fill(into, offset, limits);
      if (!await same({ readAt }, reliable)) return;
      // The old file keeps its name until the new one is complete.
      if (canCopy) await copyContent(this.#remote, file, this.#file, info.size, limits);
      else if (!await this.#extend(final)) return;
    } finally {
      file.close().catch(() => {});
    }
    this.#before = info.size;
    this.held = reliable;
  }

  /**
   * Appends to the existing file, because copying it through this machine would take longer. False if the
   * server refuses to write to it: it can still be replaced.
   */
  async #extend(final: string): Promise<boolean> {
    const { limits } = this.#settings;
    const open = { ...limits, read: true, write: true };
    const file = await nullIfRefused(this.#remote.file(final, open));
    if (file === null) return false;
    await drop(this.#remote, this.#file, this.#names.hidden, null, limits);
    this.#file = file;
    this.#names = { ...this.#names, hidden: final };
    return true;
  }

  async start(offset: number): Promise<void> {
    // Not truncated to the offset but overwritten, so that nothing is lost if this attempt fails early. A
    // part that turned out to be of another file is emptied.
    if (offset === 0 && this.held > 0) {
      await this.#empty();
      this.#before = 0;
    }
    this.#behind = this.#from(offset);
  }

  /** Some servers refuse to set a size, but truncate a file on opening. */
  async #empty(): Promise<void> {
    const { limits } = this.#settings;
    const { hidden, final } = this.#names;
    try {
      await this.#file.setStat({ size: 0 }, limits);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      const open = { ...limits, read: true, write: true, create: true, truncate: true };
      const file = await this.#remote.file(hidden, open, final);
      this.#file.close().catch(() => {});
      this.#file = file;
    }
  }

  #from(start: number): WriteBehind {
    const { limits, inFlight } = this.#settings;
    const further = this.#furtherLanes();
    return new WriteBehind(this.#file, {
      ...limits,
      start,
      inFlight,
      ...(further && { further }),
      reopened: () => this.#reopened(),
    });
  }

  /** The file, reopened if it was closed. */
  async #reopened(): Promise<RemoteFile> {
    if (!this.#closing) return this.#file;
    const { hidden, final } = this.#names;
    const open = { ...this.#settings.limits, write: true };
    return this.#file = await this.#remote.file(hidden, open, final);
  }

  /** Null for a file that is written in place, because a failure must not leave holes there. */
  #furtherLanes(): FurtherLanes | null {
    const spread = this.#spread;
    const { hidden, final } = this.#names;
    if (spread === null || hidden === final) return null;
    const { size, inFlight, further, part: wide } = spread;
    const path = () => this.#names.hidden;
    const reached = () => this.#behind.reached;
    return furtherLanes(further, {
      size,
      inFlight,
      about: final,
      limits: this.#settings.limits,
      get path() {
        return path();
      },
      get reached() {
        return reached();
      },
      prepare: async () => {
        if (this.#names.part !== wide) await (this.#renaming = this.#widen(wide!));
      },
    });
  }

  get unit(): number {
    return this.#behind.unit;
  }

  write(block: Uint8Array, release: () => void): Promise<void> {
    this.#skipped = false;
    return this.#behind.write(block, release);
  }

  async skip(bytes: number): Promise<void> {
    // A later attempt trusts bytes by their distance from the end, so nothing may be in flight before a
    // hole.
    if (this.#names.part !== null) await this.#behind.finish();
    this.#skipped = true;
    this.#behind.skip(bytes);
  }

  /**
   * True if the size needs no change, because requests for one file are done in order (filexfer-02 §6.1). Over
   * several channels only those of each are, so the last ones must not depend on all writes.
   */
  get flushesLast(): boolean {
    const { isStriped, offset } = this.#behind;
    if (this.#renaming !== null || this.#skipped || offset < this.#before) return false;
    const { preserve = false, owners = false, sync = false } = this.#settings.options;
    return !isStriped || !(preserve || owners || sync || this.#names.wanted !== undefined);
  }

  async flush(): Promise<void> {
    await this.#behind.end();
    await this.#renaming?.catch(() => {}); // the old name stays
    const { limits } = this.#settings;
    const size = this.#behind.offset;
    // End with a hole by writing its last byte, because paramiko's server empties a file to set its size.
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
    // A session may have been opened after the last block, when nothing was to be flushed.
    if (this.#renaming !== null) await this.#renaming.catch(() => {});
    const { hidden, final } = this.#names;
    const { limits } = this.#settings;
    const changes = this.#changes(info);
    let left: SftpChanges = {};
    const last: (() => Promise<void>)[] = [];
    if (this.#names.part !== null || this.#behind.isStriped) last.push(() => this.#mine());
    if (Object.keys(changes).length > 0) {
      last.push(async () => {
        if (await nullIfRefused(this.#file.setStat(changes, limits)) === null) left = changes;
      });
    }
    if (this.#settings.options.sync) last.push(() => this.#file.sync(limits));
    last.push(() => this.#file.close(limits));
    if (this.#behind.careful || !await this.#together(last)) {
      left = {};
      for (const request of last) await request();
    }
    if (hidden !== final && !await this.#renamed(hidden, final)) left = changes;
    await setAttributes(this.#remote, final, left, this.#settings);
  }

  /**
   * Makes requests in parallel with the last writes. False if they must be repeated one by one, because the
   * server refuses requests during writes; the refused writes were repeated already.
   */
  async #together(requests: readonly (() => Promise<void>)[]): Promise<boolean> {
    this.#closing = true;
    const late = this.#behind.unanswered > 0;
    // Before `end`, which closes the file in further sessions.
    const answers = requests.map((request) => request());
    const [written, ...done] = await Promise.allSettled([this.#behind.end(), ...answers]);
    if (written.status === "rejected") throw written.reason;
    const failed = done.find((request) => request.status === "rejected");
    // The error of a check of ours is final: after the CLOSE it could not be made again.
    const refused = failed && isRefusal(failed.reason) && failed.reason.operation !== "put";
    const { careful, isRepaired, isStriped } = this.#behind;
    if (careful || isRepaired || (late && refused)) return false;
    if (late && failed && isStriped) {
      // Some servers do the requests of a session in any order.
      await this.#reopened();
      return false;
    }
    if (failed) throw failed.reason;
    return true;
  }

  /**
   * Checks that the part is the file that was written: two attempts in parallel share its name, and
   * sessions of a server may see different files. Each session is asked after its writes, so the last one to
   * answer sees those of all. By name none may see less than by its handle.
   */
  async #mine(): Promise<void> {
    const { limits } = this.#settings;
    const { hidden, final } = this.#names;
    const { isStriped, offset, elsewhere } = this.#behind;
    const asked = [
      nullIfRefused(this.#file.stat(limits)),
      nullIfRefused(this.#remote.lstat(hidden, limits)),
    ];
    const others = elsewhere.map((file) =>
      Promise.all([file.stat(limits), file.lstat(hidden, limits)]).catch(() => null)
    );
    const [written, named] = await Promise.all(asked);
    const answers = (await Promise.all(others)).filter((answer) => answer !== null);
    if (!written || !named) return; // the renaming will fail
    const call = { operation: "put", path: final };
    const taken = () => sftpError(SftpStatus.FAILURE, call, "another transfer has taken its place");
    if (!named.isFile) throw taken();
    if (answers.length === 0 && named.size !== written.size) throw taken();
    const both = [[written, named], ...answers] as const;
    const size = Math.max(...both.map(([handle, name]) => Math.min(handle!.size, name!.size)));
    if (!isStriped || size === offset) return;
    if (both.some(([handle]) => handle!.size === offset)) throw taken();
    const reason = `the server has ${size} of ${offset} bytes sent over several channels: use ` +
      "one (channels: 1)";
    throw sftpError(SftpStatus.FAILURE, call, reason);
  }

  /** Renames the file to its final name; false if the server refused and the content was written in place. */
  async #renamed(hidden: string, final: string): Promise<boolean> {
    const { limits, options: { atomic }, warn } = this.#settings;
    try {
      await replace(this.#remote, hidden, final, limits, final);
      return true;
    } catch (cause) {
      const there = await this.#remote.lstatOrNull(final, limits).catch(() => null);
      if (there?.isDirectory) {
        const call = { operation: "put", path: final };
        throw sftpError(SftpStatus.FAILURE, call, "it is a directory", cause);
      }
      if (!isRefusal(cause) || atomic === true) throw cause;
      await this.#copyInPlace(hidden, final);
      const { PERMISSION_DENIED, OP_UNSUPPORTED } = SftpStatus;
      if (cause.status === PERMISSION_DENIED || cause.status === OP_UNSUPPORTED) {
        this.#remote.withoutRename.add(parent(final));
      }
      warn(final, inPlaceWarning(final, `renaming failed, ${statusText(cause.status)}`));
      return false;
    }
  }

  /**
   * Copies the hidden file to the final one and removes it; the source cannot be sent again if it was a
   * stream.
   */
  async #copyInPlace(hidden: string, final: string): Promise<void> {
    const { limits, options: { sync } } = this.#settings;
    const { bits } = this.#names;
    const size = this.#behind.offset;
    const source = await this.#remote.file(hidden, { ...limits, read: true }, final);
    try {
      const open = { ...limits, write: true, create: true, truncate: true };
      const mode = bits === undefined ? {} : { mode: bits };
      const { file: target } = await created(
        this.#remote,
        final,
        { ...open, ...mode },
        this.#settings,
      );
      try {
        const length = await copyContent(this.#remote, source, target, size, limits);
        if (length !== size) {
          const call = { operation: "put", path: final };
          throw sftpError(SftpStatus.FAILURE, call, `${length} of ${size} bytes could be copied`);
        }
        if (sync) await target.sync(limits);
      } catch (cause) {
        target.close().catch(() => {}); // report the first failure
        throw cause;
      }
      await target.close(limits);
    } finally {
      await nullIfRefused(source.close());
    }
    if (await nullIfRefused(this.#remote.remove(hidden, limits)) === null) {
      const message = `The server refused to remove a temporary file from the folder of "${final}"`;
      this.#settings.warn(final, message);
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

  async explain(error: unknown): Promise<unknown> {
    // Errors of the source are left unchanged.
    if (!(error instanceof SftpError) || error.path !== this.#names.final) return error;
    return await explain(this.#remote, error, this.#settings.limits);
  }

  discard(): Promise<void> {
    this.#behind.abandon();
    const { hidden, final, part } = this.#names;
    const kept = hidden === final ? hidden : part;
    return drop(this.#remote, this.#file, hidden, kept, this.#settings.limits);
  }
}
