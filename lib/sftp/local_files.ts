import type { SftpChanges, SftpFileInfo } from "./attributes.ts";
import type { SftpBackend, SftpBackendFile, SftpBackendOpen } from "./backend.ts";
import { Jail, type Place } from "./jail.ts";
import { LocalFile } from "./local_file.ts";
import { refuse, SftpStatus } from "./status.ts";

/** Entries of a directory that are looked at together. */
const LIST_BATCH = 64;

/**
 * What to serve.
 *
 * @example
 * ```ts
 * import type { LocalFilesOptions } from "@denossh/ssh/sftp";
 *
 * const downloads: LocalFilesOptions = { root: "./public", readOnly: true };
 * ```
 */
export interface LocalFilesOptions {
  /** The folder that clients see as `/`. */
  readonly root: string;
  /** Refuse every change. */
  readonly readOnly?: boolean;
}

/**
 * Serves a local folder, and nothing outside it.
 *
 * Paths are resolved step by step as after `chroot`: `..` stops at the root, and the text of a
 * symbolic link is read from the root. Only regular files and directories can be opened. All
 * clients of one backend take turns in what concerns paths, so none can swap a link into a path
 * between its check and its use; share one backend among the sessions that share a folder.
 *
 * Deno cannot open a file relative to a directory. If *another program* on this machine swaps folders
 * for links while clients work, this is what holds. After an open, and before a byte is read, written
 * or cut off, the open file is compared with what the path leads to (device and inode, 32 times, in
 * an order that cannot be foreseen), so content outside the root stays out of reach but for a guess of
 * 32 coins. A new, empty file or directory may still appear outside, a listing may show names from
 * outside, and a removal, a renaming or a change of attributes may hit a file outside. Where other
 * programs change the tree under hostile hands, run the server in a container or as a user who may do
 * no harm. Deno lets a program make symbolic links only if it may read and write everything.
 *
 * Setuid and setgid bits are refused.
 *
 * @param options The folder, and whether it may be changed
 * @returns The backend for `serveSftp`
 * @throws {Deno.errors.NotFound} If there is no such folder
 *
 * @example
 * ```ts
 * import { localFiles } from "@denossh/ssh/sftp";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const backend = localFiles({ root });
 * await backend.mkdir?.("/reports", null);
 * assertEquals(await backend.realPath?.("/reports/../../.."), "/");
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function localFiles(options: LocalFilesOptions): SftpBackend {
  const files = new LocalFiles(new Jail(options.root));
  return options.readOnly ? readOnly(files) : files;
}

function readOnly(files: LocalFiles): SftpBackend {
  const denied = (): Promise<never> => Promise.reject(new Deno.errors.PermissionDenied());
  return {
    async open(path, options) {
      if (options.write || options.create || options.truncate) return await denied();
      const file = await files.open(path, options);
      return {
        read: (into, offset) => file.read(into, offset),
        stat: () => file.stat(),
        close: () => file.close(),
        write: denied,
        setStat: denied,
      };
    },
    readDir: (path) => files.readDir(path),
    stat: (path) => files.stat(path),
    lstat: (path) => files.lstat(path),
    realPath: (path) => files.realPath(path),
    readLink: (path) => files.readLink(path),
    setStat: denied,
    mkdir: denied,
    rmdir: denied,
    remove: denied,
    rename: denied,
    symlink: denied,
    link: denied,
  };
}

class LocalFiles implements SftpBackend {
  readonly #jail: Jail;

  constructor(jail: Jail) {
    this.#jail = jail;
  }

  open(path: string, options: SftpBackendOpen): Promise<SftpBackendFile> {
    return this.#jail.exclusive(async () => {
      const file = await this.#open(path, options);
      const change = (file: Deno.FsFile, changes: SftpChanges): Promise<void> =>
        this.#jail.exclusive(() => this.#change(path, changes, file));
      return new LocalFile(file, options, change);
    });
  }

  async *readDir(path: string): AsyncGenerator<{ name: string; info: SftpFileInfo }> {
    const names = await this.#jail.exclusive(async () => {
      const { real } = await this.#folder(path);
      return await Array.fromAsync(Deno.readDir(real), ({ name }) => name);
    });
    for (let at = 0; at < names.length; at += LIST_BATCH) {
      const batch = names.slice(at, at + LIST_BATCH);
      const infos = await this.#jail.exclusive(async () => {
        const { real } = await this.#folder(path);
        return await Promise.all(batch.map((name) => Deno.lstat(`${real}/${name}`).catch(gone)));
      });
      for (const [index, info] of infos.entries()) {
        if (info !== null) yield { name: batch[index]!, info };
      }
    }
  }

  stat(path: string): Promise<SftpFileInfo> {
    return this.#jail.exclusive(async () => (await this.#existing(path, "follow")).info);
  }

  lstat(path: string): Promise<SftpFileInfo> {
    return this.#jail.exclusive(async () => (await this.#existing(path, "keep")).info);
  }

  setStat(path: string, changes: SftpChanges): Promise<void> {
    return this.#jail.exclusive(() => this.#change(path, changes, null));
  }

  mkdir(path: string, mode: number | null): Promise<void> {
    return this.#jail.exclusive(async () => {
      const { real } = await this.#vacant(path);
      await Deno.mkdir(real, mode === null ? {} : { mode: mode & 0o1777 });
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#jail.exclusive(async () => {
      const { real, info } = await this.#movable(path);
      if (!info.isDirectory) refuse("It is not a directory");
      await Deno.remove(real);
    });
  }

  remove(path: string): Promise<void> {
    return this.#jail.exclusive(async () => {
      const { real, info } = await this.#movable(path);
      if (info.isDirectory) refuse("It is a directory"); // Deno.remove would take an empty one
      await Deno.remove(real);
    });
  }

  rename(from: string, to: string, { overwrite }: { overwrite: boolean }): Promise<void> {
    return this.#jail.exclusive(async () => {
      const { real } = await this.#movable(from);
      const target = overwrite ? await this.#jail.resolve(to, "keep") : await this.#vacant(to);
      if (target.virtual === "/") refuse("It is the root", SftpStatus.PERMISSION_DENIED);
      await Deno.rename(real, target.real);
    });
  }

  realPath(path: string): Promise<string> {
    return this.#jail.exclusive(async () => (await this.#jail.resolve(path, "follow")).virtual);
  }

  readLink(path: string): Promise<string> {
    return this.#jail.exclusive(async () => {
      const { real, info } = await this.#existing(path, "keep");
      if (!info.isSymlink) refuse("It is not a symbolic link");
      return await Deno.readLink(real);
    });
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#jail.exclusive(async () => {
      await Deno.symlink(target, (await this.#vacant(path)).real);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#jail.exclusive(async () => {
      const { real, info } = await this.#existing(from, "keep");
      if (!info.isFile) refuse("It is not a regular file");
      await Deno.link(real, (await this.#vacant(to)).real);
    });
  }

  /** Opens a regular file and makes sure that it is the one in the jail. */
  async #open(path: string, options: SftpBackendOpen): Promise<Deno.FsFile> {
    const { read, append, create, createNew, truncate } = options;
    const write = options.write && !append;
    const place = await this.#jail.resolve(path, createNew ? "keep" : "follow");
    const { real, info } = place;
    if (info === null && !create) throw new Deno.errors.NotFound();
    if (info !== null && create && createNew) refuse("It exists already");
    if (info?.isDirectory) refuse("It is a directory");
    if (info !== null && !info.isFile) refuse("It is not a regular file");
    // O_EXCL makes nothing behind a link, and nothing is cut off before the look at what was opened.
    const mode = options.mode === null ? {} : { mode: options.mode & 0o777 };
    const file = info !== null
      ? await Deno.open(real, { read, write, append })
      : await Deno.open(real, { read, write, append, createNew: true, ...mode });
    try {
      if (!this.#jail.holds(file, place)) throw new Deno.errors.PermissionDenied();
      if (truncate && info !== null) await file.truncate(0);
      return file;
    } catch (cause) {
      file.close();
      throw cause;
    }
  }

  /** The place of an open file, if its path still leads there. */
  async #verify(file: Deno.FsFile, path: string): Promise<Place> {
    const place = await this.#jail.resolve(path, "follow");
    if (!this.#jail.holds(file, place)) throw new Deno.errors.PermissionDenied();
    return place;
  }

  /** Changes attributes by path, or of an open file: Deno has no `fchmod` and no `fchown`. */
  async #change(path: string, changes: SftpChanges, open: Deno.FsFile | null): Promise<void> {
    const { size, mode, uid, gid, atime, mtime } = changes;
    if (mode !== undefined && mode & 0o6000) {
      refuse("Setuid and setgid are not allowed", SftpStatus.PERMISSION_DENIED);
    }
    if (size !== undefined) await this.#truncate(path, size, open);
    if (open !== null && atime && mtime) await open.utime(atime, mtime);
    const byPath = mode !== undefined || uid !== undefined || (open === null && atime && mtime);
    if (!byPath) return;
    const { real } = open === null
      ? await this.#existing(path, "follow")
      : await this.#verify(open, path);
    if (mode !== undefined) await Deno.chmod(real, mode & 0o1777);
    if (open === null && atime && mtime) await Deno.utime(real, atime, mtime);
    if (uid !== undefined && gid !== undefined) await Deno.chown(real, uid, gid);
  }

  async #truncate(path: string, size: number, open: Deno.FsFile | null): Promise<void> {
    if (open !== null) return await open.truncate(size);
    const options = { read: false, write: true, append: false, create: false, createNew: false };
    using file = await this.#open(path, { ...options, truncate: false, mode: null });
    await file.truncate(size);
  }

  async #existing(
    path: string,
    last: "follow" | "keep",
  ): Promise<Place & { info: Deno.FileInfo }> {
    const place = await this.#jail.resolve(path, last);
    if (place.info === null) throw new Deno.errors.NotFound();
    return place as Place & { info: Deno.FileInfo };
  }

  async #folder(path: string): Promise<Place> {
    const place = await this.#existing(path, "follow");
    if (!place.info.isDirectory) refuse("It is not a directory");
    return place;
  }

  async #vacant(path: string): Promise<Place> {
    const place = await this.#jail.resolve(path, "keep");
    if (place.info !== null) refuse("It exists already");
    return place;
  }

  /** Something other than the root itself. */
  async #movable(path: string): Promise<Place & { info: Deno.FileInfo }> {
    const place = await this.#existing(path, "keep");
    if (place.virtual === "/") refuse("It is the root", SftpStatus.PERMISSION_DENIED);
    return place;
  }
}

/** A file that went away since its directory was read. */
function gone(cause: unknown): null {
  if (cause instanceof Deno.errors.NotFound) return null;
  throw cause;
}
