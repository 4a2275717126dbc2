import { callback, checkOptions, count } from "../../option_checks.ts";
import type { PosixFiles } from "../../runtime/files.ts";
import type { SftpBackend } from "./backend.ts";
import { nullIfMissing } from "./local_stat.ts";
import { refuse } from "../protocol/status.ts";
import { type Amount, type Inode, inodeOf, type Usage } from "./usage.ts";

/** The block size of the reported file system: the unit of `df` in OpenSSH's sftp. */
const BLOCK_BYTES = 1024;

/** The most that a folder may hold. */
export interface SftpQuota {
  /** Bytes of regular files, by their lengths; unlimited unless given. */
  readonly bytes?: number;
  /** Number of files, folders and links; unlimited unless given. */
  readonly files?: number;
  /**
   * Counts the content of the folder, for instance from a database; unless given, every file is looked up.
   * Called before the first change, and again when the folder is full, at most once a minute.
   */
  readonly count?: () => Promise<{ bytes: number; files: number }>;
}

/** @throws {TypeError} If a limit is invalid */
export function checkQuota(quota: SftpQuota): void {
  checkOptions("localFiles() with quota", quota, { bytes: count, files: count, count: callback });
}

/**
 * The functions of `fs` for a folder with a quota. They refuse changes beyond it, and count all others.
 */
export function limited(fs: PosixFiles, usage: Usage, quota: SftpQuota): PosixFiles {
  const { bytes: maxBytes = Infinity, files: maxFiles = Infinity } = quota;
  const full = (what: string): never => {
    usage.refused();
    if (usage.files === Infinity) refuse("Cannot count what the folder holds for its quota");
    refuse(`Disk quota exceeded${what}`);
  };
  const mayGrow = (bytes: number): void => {
    if (bytes > 0 && usage.bytes + bytes > maxBytes) full("");
  };
  const mayName = (): void => {
    if (usage.files + 1 > maxFiles) full(": too many files");
  };
  const look = (path: string): Inode | null =>
    nullIfMissing(() => fs.lstatSync(path, { bigint: true }));
  /** Wraps a function that makes a name. */
  const making = <A extends unknown[]>(make: (...args: A) => unknown) => (...args: A): void => {
    mayName();
    make(...args);
    usage.files++;
  };
  /** Wraps a function that removes a name. */
  const removing = (remove: (path: string) => void) => (path: string): void => {
    const file = look(path);
    remove(path);
    if (file) usage.removed(file);
  };
  /** Removes a file in another thread, after its look-up. */
  const later = (
    file: Inode | null,
    done: (error: Error | null) => void,
    remove: (done: (error: Error | null) => void) => void,
  ): void => {
    const over = usage.changes();
    remove((error) => {
      if (!error && file) usage.removed(file);
      over();
      done(error);
    });
  };
  /** The file that a rename replaces; null if both names are of the same file, see rename(2). */
  const replacedBy = (from: string, to: string): Inode | null => {
    const [file, replaced] = [look(from), look(to)];
    return file && replaced && inodeOf(file) !== inodeOf(replaced) ? replaced : null;
  };
  /** The size of a file after a write. */
  const endOf = (fd: number, length: number, position: number | null): number =>
    Math.max(usage.sizeOf(fd), (position ?? usage.sizeOf(fd)) + length);
  const grow = (fd: number, end: number): void => mayGrow(end - usage.sizeOf(fd));

  const functions = {
    openSync(path: string, flags: number, mode?: number): number {
      const isNew = (flags & fs.constants.O_CREAT) !== 0 && look(path) === null;
      if (isNew) mayName();
      const fd = fs.openSync(path, flags, mode);
      if (isNew) usage.files++;
      usage.opened(fd, fs.fstatSync(fd, { bigint: true }));
      return fd;
    },
    closeSync(fd: number): void {
      usage.closes(fd, fs.fstatSync(fd).size);
      fs.closeSync(fd);
    },
    writeSync(fd: number, data: Uint8Array, at: number, length: number, position: number | null) {
      grow(fd, endOf(fd, length, position));
      const written = fs.writeSync(fd, data, at, length, position);
      usage.resize(fd, endOf(fd, written, position));
      return written;
    },
    write(
      fd: number,
      data: Uint8Array,
      at: number,
      length: number,
      position: number | null,
      done: (error: Error | null, written: number) => void,
    ): void {
      const end = endOf(fd, length, position);
      grow(fd, end);
      usage.resize(fd, end);
      const over = usage.writes(fd, fs);
      fs.write(fd, data, at, length, position, (error, written) => {
        over(!error && written === length);
        done(error, written);
      });
    },
    ftruncateSync(fd: number, size: number): void {
      grow(fd, size);
      fs.ftruncateSync(fd, size);
      usage.resize(fd, size);
    },
    ftruncate(fd: number, size: number, done: (error: Error | null) => void): void {
      grow(fd, size);
      const over = usage.writes(fd, fs);
      fs.ftruncate(fd, size, (error) => {
        over(false);
        done(error);
      });
    },
    mkdirSync: making(fs.mkdirSync),
    linkSync: making(fs.linkSync),
    symlinkSync: making(fs.symlinkSync),
    unlinkSync: removing(fs.unlinkSync),
    rmdirSync: removing(fs.rmdirSync),
    unlink(path: string, done: (error: Error | null) => void): void {
      later(look(path), done, (done) => fs.unlink(path, done));
    },
    renameSync(from: string, to: string): void {
      const replaced = replacedBy(from, to);
      fs.renameSync(from, to);
      if (replaced) usage.removed(replaced);
    },
    rename(from: string, to: string, done: (error: Error | null) => void): void {
      later(replacedBy(from, to), done, (done) => fs.rename(from, to, done));
    },
    statfsSync(path: string) {
      return figuresOf(
        usage,
        { bytes: maxBytes, files: maxFiles },
        () => fs.statfsSync(path) as Figures,
      );
    },
  };
  return Object.assign(Object.create(fs), functions) as PosixFiles;
}

/** The result of statfs(2). */
interface Figures {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** Size and free space of the folder: by the quota, or by the disk if it has less space left. */
function figuresOf(used: Amount, most: Amount, ask: () => Figures): Figures {
  let disk: Figures | null = null;
  try {
    disk = ask();
  } catch (cause) {
    if (most.bytes === Infinity) throw cause; // without --allow-sys=statfs
  }
  const left = Math.min(
    leftOf(used.bytes, most.bytes),
    disk ? disk.bavail * disk.bsize : Infinity,
  );
  const free = Math.floor(left / BLOCK_BYTES);
  // A file system without a fixed number of files reports 0.
  const leftFiles = Math.min(leftOf(used.files, most.files), disk?.ffree || Infinity);
  const isLimited = leftFiles !== Infinity;
  return {
    type: disk?.type ?? 0,
    bsize: BLOCK_BYTES,
    blocks: Math.ceil(counted(used.bytes, most.bytes) / BLOCK_BYTES) + free,
    bfree: free,
    bavail: free,
    files: isLimited ? counted(used.files, most.files) + leftFiles : 0,
    ffree: isLimited ? leftFiles : 0,
  };
}

/** How much may be added; nothing if what is used could not be counted, unless there is no limit. */
function leftOf(used: number, most: number): number {
  return most < Infinity ? Math.max(most - used, 0) : Infinity;
}

/** The used amount; the whole quota if it could not be counted. */
function counted(used: number, most: number): number {
  if (used < Infinity) return used;
  return most < Infinity ? most : 0;
}

/** A backend whose changes wait until the folder is counted, and for a change that runs in another thread. */
export function afterCount(files: Required<SftpBackend>, usage: Usage): Required<SftpBackend> {
  const after =
    <A extends unknown[], R>(run: (...args: A) => Promise<R>) => async (...args: A): Promise<R> => {
      // No await between the last check and the operation, so that nothing begins in between.
      for (let pending; (pending = usage.pending()) !== null;) await pending;
      return await run(...args);
    };
  return {
    open: after(files.open.bind(files)),
    setStat: after(files.setStat.bind(files)),
    lsetStat: after(files.lsetStat.bind(files)),
    mkdir: after(files.mkdir.bind(files)),
    rmdir: after(files.rmdir.bind(files)),
    remove: after(files.remove.bind(files)),
    rename: after(files.rename.bind(files)),
    symlink: after(files.symlink.bind(files)),
    link: after(files.link.bind(files)),
    statVfs: after(files.statVfs.bind(files)),
    readDir: files.readDir.bind(files),
    stat: files.stat.bind(files),
    lstat: files.lstat.bind(files),
    realPath: files.realPath.bind(files),
    readLink: files.readLink.bind(files),
    home: files.home.bind(files),
    userNames: files.userNames.bind(files),
    groupNames: files.groupNames.bind(files),
  };
}
