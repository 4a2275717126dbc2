// deno-lint-ignore-file require-await -- as LocalFiles says
import { checkOptions, flag, object, text } from "../../option_checks.ts";
import { isError, platformError } from "../../runtime/errors.ts";
import type { PosixFiles } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type Accounts, MAX_ACCOUNTS_BYTES, parseAccounts } from "./passwd.ts";
import type { SftpChanges, SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpBackend, SftpBackendEntry, SftpBackendFile, SftpBackendOpen } from "./backend.ts";
import { errnoOf } from "./errno.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import { rename, truncate, unlink } from "./freeing.ts";
import { LocalFile } from "./local_file.ts";
import { allowedMode, fileSystemAt, type ModePolicy, nullIfMissing } from "./local_stat.ts";
import { AdaptiveIo } from "../../runtime/adaptive_io.ts";
import { refuse, SftpStatus } from "../protocol/status.ts";
import { readOnly } from "./read_only.ts";
import { afterCount, checkQuota, limited, type SftpQuota } from "./quota.ts";
import { treeOf } from "./choose_tree.ts";
import { Descriptors } from "./descriptors.ts";
import { usageOf } from "./usage.ts";
import { FolderListing } from "./folder_listing.ts";
import { checkText, type PinnedFolder, type ResolvedPath, type ServedTree } from "./served_tree.ts";

/** Descriptors of a listing: one for the folder, one for reading its names. */
const LISTING_DESCRIPTORS = 2;

/** Options of {@linkcode localFiles}. */
export interface LocalFilesOptions {
  /** The folder that clients see as `/`. */
  readonly root: string;
  /** Where relative paths begin, as clients see it; `/` unless given. */
  readonly home?: string;
  /** Refuse every change. */
  readonly readOnly?: boolean;
  /**
   * The most that the folder may hold, for a root other than `/`. Changes beyond it are refused, and `df`
   * shows the space left. All backends of this process with the same root count together. Changes by other
   * programs are counted when the folder is full, or after it was not served for a while.
   */
  readonly quota?: SftpQuota;
  /** Always use synchronous I/O: for a process that serves one client and does nothing else. */
  readonly blocking?: boolean;
}

/**
 * Serves a local folder, and nothing outside it.
 *
 * Paths are resolved step by step as after `chroot`: `..` stops at the root, and the text of a symbolic
 * link is read from the root. Only regular files and directories can be opened; setuid and setgid bits are
 * refused. Names of owners are taken from `etc/passwd` and `etc/group` *inside* the folder, if they exist.
 *
 * Another program on this machine, or a second server, may swap folders for symbolic links while a client
 * works. On Linux, in a program with all permissions (`-A`), every step starts at the folder that was
 * opened before it (as with `openat`), so a swapped link never leads outside. Elsewhere, or with fewer
 * permissions, Deno opens files by their whole path only. Then, after an open and before a byte is read,
 * written or truncated, the open file is compared with the one at the path, by device and inode, 32 times
 * in an unpredictable order. An attacker who swaps folders reaches content outside the root only by
 * guessing 32 random bits. A new, empty file or directory may still appear outside, a listing may show
 * names from outside, and a removal, a renaming or a change of attributes may affect a file outside.
 *
 * Names that are not UTF-8 are refused, and omitted from listings, because the runtime replaces their bytes
 * and would mix up files.
 *
 * With `root: "/"` there is no jail: clients use the paths of the system, and may do whatever the process
 * may. Pipes and devices, which may block the process, are opened only with `blocking`. Deno lets a program
 * make symbolic links only if it may read and write everything.
 *
 * A path may have 256 folders. A listing is read as the client requests it, and uses two descriptors. A
 * quarter of the process's descriptors is reserved for other things, such as connections.
 *
 * Look-ups are synchronous, because they take microseconds on a local disk. So are reads and writes, until
 * one is slow; the next ones of that file then run in other threads.
 *
 * @param options The folder, and whether it may be changed
 * @returns The backend for `serveSftp`
 * @throws {Deno.errors.NotFound} If there is no such folder
 * @throws {TypeError} If an option is unknown or invalid
 *
 * @example
 * ```ts
 * import { localFiles } from "@denossh/ssh/sftp";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const root = await mkdtemp(`${tmpdir()}/files-`);
 * const backend = localFiles({ root });
 * await backend.mkdir?.("/reports", null);
 * assertEquals(await backend.realPath?.("/reports/../../.."), "/");
 * await rm(root, { recursive: true });
 * ```
 */
export function localFiles(options: LocalFilesOptions): SftpBackend {
  checkOptions("localFiles()", options, {
    root: text,
    home: text,
    readOnly: flag,
    quota: object,
    blocking: flag,
  });
  if (options.root === undefined) {
    throw new TypeError("localFiles() needs root, the folder to serve");
  }
  const { root, home = "/", readOnly: fixed = false, blocking = false, quota } = options;
  const tree = treeOf(root, home);
  const files = quota
    ? quotaFiles(tree, { ...options, home, blocking, quota })
    : filesOf(tree, home, blocking);
  return fixed ? readOnly(files) : files;
}

/** Serves a tree with a quota. */
function quotaFiles(
  tree: ServedTree,
  { root, home, blocking, quota }: Required<Omit<LocalFilesOptions, "readOnly">>,
): Required<SftpBackend> {
  checkQuota(quota);
  if (tree.open) throw new TypeError('localFiles() with root "/" takes no quota');
  const all = filesOf(tree, home);
  const usage = usageOf(runtime.files.realPathSync(root), {
    list: (path) => all.readDir(path),
    count: quota.count,
    now: () => performance.now(),
  });
  const fs = limited(runtime.posix, usage, quota);
  return afterCount(filesOf(tree, home, blocking, Descriptors.ofProcess(), fs), usage);
}

/** Serves a tree of any kind. */
export function filesOf(
  tree: ServedTree,
  home: string,
  blocking = false,
  descriptors: Descriptors = Descriptors.ofProcess(),
  fs: PosixFiles = runtime.posix,
): LocalFiles {
  return new LocalFiles(tree, home, blocking, descriptors, fs);
}

/**
 * Between resolving a path and using it everything is synchronous, so that no other client of this process
 * can act in between; freeing a large file is the exception. The methods are async only to turn exceptions
 * into rejections.
 */
class LocalFiles implements SftpBackend {
  readonly #fs: PosixFiles;
  readonly #tree: ServedTree;
  readonly #home: string;
  readonly #mode: ModePolicy;
  /** Whether I/O is always synchronous. */
  readonly #blocking: boolean;
  readonly #descriptors: Descriptors;
  #accounts: { readonly mtimes: string; readonly names: Accounts } | null = null;

  constructor(
    tree: ServedTree,
    home: string,
    blocking: boolean,
    descriptors: Descriptors,
    fs: PosixFiles,
  ) {
    this.#fs = fs;
    this.#blocking = blocking;
    this.#descriptors = descriptors;
    this.#tree = tree;
    this.#home = home;
    this.#mode = tree.open ? "any" : "no setuid";
  }

  async open(path: string, options: SftpBackendOpen): Promise<SftpBackendFile> {
    const held = this.#descriptors.take(1);
    try {
      const fd = this.#open(path, options);
      if (options.truncate) await this.#truncated(fd, 0);
      const { append } = options;
      const io = new AdaptiveIo(this.#blocking ? Infinity : undefined);
      return new LocalFile(fd, { append, mode: this.#mode, fs: this.#fs, io, held });
    } catch (cause) {
      held[Symbol.dispose]();
      throw cause;
    }
  }

  readDir(path: string): AsyncIterableIterator<SftpBackendEntry> {
    return new FolderListing(() => {
      using stack = new DisposableStack();
      stack.use(this.#descriptors.take(LISTING_DESCRIPTORS));
      const folder = stack.use(this.#pinned(path));
      const accounts = this.#names();
      // The parent of the root is the root.
      const above = folder.isRoot ? "." : "..";
      const places = (name: string) => name === ".." ? above : name;
      return {
        first: () => this.#entries(folder, accounts, [".", ".."], places),
        entries: (names) => this.#entries(folder, accounts, names),
        names: runtime.files.readDir(folder.path)[Symbol.asyncIterator](),
        close: stack.move(),
      };
    });
  }

  /** The entries of the given names in a folder, without missing ones. */
  #entries(
    folder: PinnedFolder,
    accounts: Accounts,
    names: readonly string[],
    placeOf = (name: string): string => name,
  ): SftpBackendEntry[] {
    if (!folder.isThere()) throw platformError("NotFound");
    const entries: SftpBackendEntry[] = [];
    for (const name of names) {
      // Null if the file was removed after its name was read.
      const info = nullIfMissing(() => runtime.files.lstatSync(`${folder.path}/${placeOf(name)}`));
      if (info !== null) entries.push(entryOf(name, info, accounts));
    }
    return entries;
  }

  /** Opens a folder with a single descriptor, because a listing may take long. */
  #pinned(path: string): PinnedFolder & { readonly isRoot: boolean } {
    using found = this.#folder(path);
    return { ...this.#tree.pin(found), isRoot: found.virtual === "/" };
  }

  async stat(path: string): Promise<SftpFileInfo> {
    using found = this.#existing(path, "follow");
    return found.info;
  }

  async lstat(path: string): Promise<SftpFileInfo> {
    using found = this.#existing(path, "keep");
    return found.info;
  }

  async setStat(path: string, changes: SftpChanges): Promise<void> {
    await this.#change(path, "follow", changes);
  }

  async lsetStat(path: string, changes: SftpChanges): Promise<void> {
    await this.#change(path, "keep", changes);
  }

  async mkdir(path: string, mode: number | null): Promise<void> {
    using found = this.#vacant(path);
    this.#fs.mkdirSync(found.real, mode === null ? {} : { mode: mode & 0o1777 });
  }

  async rmdir(path: string): Promise<void> {
    using found = this.#movable(path);
    if (!found.info.isDirectory) refuse("Not a directory", SftpStatus.NO_SUCH_FILE);
    this.#fs.rmdirSync(found.real);
  }

  async remove(path: string): Promise<void> {
    using found = this.#movable(path);
    if (found.info.isDirectory) refuse("Is a directory");
    await unlink(this.#fs, found.real, found.info);
  }

  async rename(from: string, to: string, { overwrite }: { overwrite: boolean }): Promise<void> {
    using old = this.#movable(from);
    using target = overwrite ? this.#tree.resolve(to, "keep") : this.#vacant(to);
    if (target.virtual === "/") refuse("It is the root", SftpStatus.PERMISSION_DENIED);
    if (!overwrite && old.info.isFile && linked(old.real, target.real)) {
      moved(old.real, target.real);
    } else await rename(this.#fs, old.real, target.real, target.info);
  }

  async realPath(path: string): Promise<string> {
    return this.#tree.realPath(path);
  }

  async readLink(path: string): Promise<string> {
    using found = this.#existing(path, "keep");
    if (!found.info.isSymlink) refuse("Not a symbolic link", SftpStatus.BAD_MESSAGE);
    return runtime.files.readLinkSync(found.real);
  }

  async symlink(target: string, path: string): Promise<void> {
    checkText(target);
    using found = this.#vacant(path);
    this.#fs.symlinkSync(target, found.real);
  }

  async link(from: string, to: string): Promise<void> {
    using old = this.#existing(from, "keep");
    if (!old.info.isFile) refuse("Not a regular file");
    using found = this.#vacant(to);
    this.#fs.linkSync(old.real, found.real);
  }

  async statVfs(path: string): Promise<SftpFileSystem> {
    using found = this.#existing(path, "follow");
    using there = this.#tree.pin(found);
    return fileSystemAt(this.#fs, there.path);
  }

  async home(user: string): Promise<string> {
    if (user === "") return this.#tree.realPath(this.#home);
    const home = this.#names().home(user);
    if (home === null) refuse("No such user", SftpStatus.NO_SUCH_FILE);
    return home;
  }

  async userNames(ids: readonly number[]): Promise<string[]> {
    const names = this.#names();
    return ids.map((id) => names.user(id) ?? "");
  }

  async groupNames(ids: readonly number[]): Promise<string[]> {
    const names = this.#names();
    return ids.map((id) => names.group(id) ?? "");
  }

  /** Opens a file, checks that it is the one in the tree, and returns its descriptor. */
  #open(path: string, options: SftpBackendOpen): number {
    const { open, openFlags } = this.#tree;
    const { createNew } = options;
    // A pipe or device may block the process, or be endless; only a process for a single client may open
    // one.
    const special = open && this.#blocking;
    using found = this.#tree.resolve(path, createNew ? "keep" : "follow");
    const { real, info } = found;
    if (info === null && !options.create) throw platformError("NotFound");
    if (info !== null && options.create && createNew) refuse("File exists");
    if (info?.isDirectory) refuse("Is a directory");
    if (info !== null && !info.isFile && !special) refuse("Not a regular file");
    const { O_CREAT, O_EXCL, O_TRUNC, O_NONBLOCK = 0 } = this.#fs.constants;
    // O_EXCL does not create through a link. A file is truncated only after the open file is checked.
    const making = info !== null ? 0 : open && !createNew ? O_CREAT : O_CREAT | O_EXCL;
    const cutting = special && options.truncate ? O_TRUNC : 0;
    const waiting = special ? 0 : O_NONBLOCK;
    const flags = accessOf(options) | openFlags | making | cutting | waiting;
    const mode = options.mode === null ? 0o666 : options.mode & (open ? 0o7777 : 0o777);
    const fd = this.#fs.openSync(real, flags, mode);
    try {
      if (special) return fd;
      if (!this.#fs.fstatSync(fd).isFile() || !this.#tree.holds(fd, found)) {
        throw platformError("PermissionDenied");
      }
      return fd;
    } catch (cause) {
      this.#fs.closeSync(fd);
      throw cause;
    }
  }

  async #change(path: string, last: "follow" | "keep", changes: SftpChanges): Promise<void> {
    const { size, mode, uid, gid, atime, mtime } = changes;
    const bits = mode === undefined ? null : allowedMode(mode, this.#mode);
    if (size !== undefined) {
      if (last === "keep") this.#refuseLink(path);
      await this.#truncate(path, size);
    }
    using found = this.#existing(path, last);
    const { real, info } = found;
    if (info.isSymlink && bits !== null) throw platformError("NotSupported");
    if (bits !== null) {
      using there = this.#tree.pin(found);
      this.#fs.chmodSync(there.path, bits);
    }
    if (atime && mtime) this.#fs.lutimesSync(real, atime, mtime);
    if (uid !== undefined && gid !== undefined) this.#fs.lchownSync(real, uid, gid);
  }

  /** A symbolic link has no length to change, and the file that it names was not asked for. */
  #refuseLink(path: string): void {
    using found = this.#existing(path, "keep");
    if (found.info.isSymlink) throw platformError("NotSupported");
  }

  async #truncate(path: string, size: number): Promise<void> {
    const options = { read: false, write: true, append: false, create: false, createNew: false };
    const fd = this.#open(path, { ...options, truncate: false, mode: null });
    await this.#truncated(fd, size);
    this.#fs.closeSync(fd);
  }

  /** Changes the length of a file, and closes it on failure. */
  async #truncated(fd: number, size: number): Promise<void> {
    try {
      // Devices have no length.
      if (this.#fs.fstatSync(fd).isFile()) await truncate(this.#fs, fd, size);
    } catch (cause) {
      this.#fs.closeSync(fd);
      throw cause;
    }
  }

  #existing(path: string, last: "follow" | "keep"): ResolvedPath & { info: Deno.FileInfo } {
    const found = this.#tree.resolve(path, last);
    if (found.info !== null) return found as ResolvedPath & { info: Deno.FileInfo };
    found[Symbol.dispose]();
    throw platformError("NotFound");
  }

  #folder(path: string): ResolvedPath {
    const found = this.#existing(path, "follow");
    if (found.info.isDirectory) return found;
    found[Symbol.dispose]();
    refuse("Not a directory", SftpStatus.NO_SUCH_FILE);
  }

  #vacant(path: string): ResolvedPath {
    const found = this.#tree.resolve(path, "keep");
    if (found.info === null) return found;
    found[Symbol.dispose]();
    refuse("File exists");
  }

  /** Resolves an existing path other than the root. */
  #movable(path: string): ResolvedPath & { info: Deno.FileInfo } {
    const found = this.#existing(path, "keep");
    if (found.virtual !== "/") return found;
    found[Symbol.dispose]();
    refuse("It is the root", SftpStatus.PERMISSION_DENIED);
  }

  /** The accounts of the tree; read again when their files have changed. */
  #names(): Accounts {
    const files = ["/etc/passwd", "/etc/group"];
    const mtimes = files.map((file) => this.#mtime(file)).join();
    if (this.#accounts?.mtimes !== mtimes) {
      const [passwd = null, group = null] = files.map((file) => this.#text(file));
      this.#accounts = { mtimes, names: parseAccounts(passwd, group) };
    }
    return this.#accounts.names;
  }

  #mtime(path: string): number {
    try {
      using found = this.#tree.resolve(path, "follow");
      return found.info?.mtime?.getTime() ?? 0;
    } catch {
      return 0; // this process may not read it
    }
  }

  #text(path: string): string | null {
    const options = { read: true, write: false, append: false, create: false, createNew: false };
    try {
      const fd = this.#open(path, { ...options, truncate: false, mode: null });
      try {
        const { size } = this.#fs.fstatSync(fd);
        const bytes = new Uint8Array(Math.min(size, MAX_ACCOUNTS_BYTES));
        const count = this.#fs.readSync(fd, bytes, 0, bytes.length, 0);
        const text = new TextDecoder().decode(bytes.subarray(0, count));
        return size > bytes.length ? text.slice(0, text.lastIndexOf("\n")) : text; // whole lines
      } finally {
        this.#fs.closeSync(fd);
      }
    } catch {
      return null; // owners are shown as numbers
    }
  }
}

function accessOf({ read, write, append }: SftpBackendOpen): number {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND } = runtime.posix.constants;
  const writes = write || append;
  return (writes ? (read ? O_RDWR : O_WRONLY) : O_RDONLY) | (append ? O_APPEND : 0);
}

/** Makes a hard link, which fails if the name exists; false if hard links are not supported. */
function linked(from: string, to: string): boolean {
  try {
    runtime.posix.linkSync(from, to);
    return true;
  } catch (cause) {
    if (isError(cause, "NotSupported") || ["EPERM", "EMLINK"].includes(errnoOf(cause) ?? "")) {
      return false;
    }
    throw cause;
  }
}

/** Removes the first of two names of a file; if it cannot be removed, the second. */
function moved(from: string, to: string): void {
  const { unlinkSync } = runtime.posix; // not counted: for a quota it is still one file
  try {
    nullIfMissing(() => unlinkSync(from));
  } catch (cause) {
    unlinkSync(to);
    throw cause;
  }
}

function entryOf(name: string, info: Deno.FileInfo, accounts: Accounts): SftpBackendEntry {
  return {
    name,
    info,
    owner: info.uid === null ? null : accounts.user(info.uid),
    group: info.gid === null ? null : accounts.group(info.gid),
    links: info.nlink,
  };
}
