import type { PosixFiles } from "../../runtime/files.ts";
import { Turn } from "../../turns.ts";
import type { SftpBackendEntry } from "./backend.ts";

/** A folder that held more than it may is counted anew after this many milliseconds: others may change it. */
const RECOUNT_MS = 60_000;

/** Entries that are counted as one piece of work. */
const COUNT_PIECE = 32;

/** What a folder holds, or what has been added to it. */
export interface Amount {
  /** The sizes of regular files, those with several names once. */
  readonly bytes: number;
  /** Names: files, folders and links. */
  readonly files: number;
}

/** What is asked of a file before it is changed: `node:fs` with big numbers. */
export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
  isFile(): boolean;
}

/** A file that is open, perhaps several times. */
interface OpenFile {
  readonly inode: string;
  /** The size that is counted for it. */
  size: number;
  handles: number;
  /** Writes and truncations that run in other threads. */
  writing: number;
  /** Whether the size must be looked up when they are over. */
  unsure: boolean;
  /** Whether it has no name any more; its bytes are there until it is closed. */
  removed: boolean;
}

/** How a folder is counted. */
export interface UsageSource {
  /** Lists a folder. */
  list(path: string): AsyncIterable<SftpBackendEntry>;
  /** Counts the whole folder in place of listing it. */
  readonly count?: (() => Promise<Amount>) | undefined;
  /** Milliseconds. */
  now(): number;
}

/**
 * What a folder holds: counted once, and kept up to date with every change that is made through this
 * process. Until it is counted, and if it cannot be, it holds more than anything.
 */
export class Usage implements Amount {
  bytes = Infinity;
  files = Infinity;
  readonly #source: UsageSource;
  readonly #byDescriptor = new Map<number, OpenFile>();
  readonly #byInode = new Map<string, OpenFile>();
  /** The count, or the change of names, that is under way. */
  #pending: Promise<void> | null = null;
  #countedAt = -Infinity;
  #stale = true;

  constructor(source: UsageSource) {
    this.#source = source;
  }

  /** Null if it is counted and no name is being changed; otherwise resolves when it may be so. */
  pending(): Promise<void> | null {
    if (this.#pending === null && this.#stale && this.#byInode.size === 0) {
      this.#stale = false;
      this.#pending = this.#count();
    }
    return this.#pending;
  }

  /** A name is changed in another thread, until the result is called. */
  changes(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending = promise;
    return () => {
      this.#pending = null;
      resolve();
    };
  }

  /** Something was refused for lack of space; it may be there if others have changed the folder. */
  refused(): void {
    if (this.#source.now() - this.#countedAt > RECOUNT_MS) this.#stale = true;
  }

  /** A file has been opened. */
  opened(fd: number, file: Inode): void {
    const inode = inodeOf(file);
    let open = this.#byInode.get(inode);
    if (open === undefined) {
      const size = Number(file.size);
      open = { inode, size, handles: 0, writing: 0, unsure: false, removed: false };
      this.#byInode.set(inode, open);
    }
    open.handles++;
    this.#byDescriptor.set(fd, open);
  }

  /** The size of an open file, as far as it is counted. */
  sizeOf(fd: number): number {
    return this.#byDescriptor.get(fd)?.size ?? 0;
  }

  /** An open file has another size. */
  resize(fd: number, size: number): void {
    const open = this.#byDescriptor.get(fd);
    if (open === undefined) return;
    this.bytes += size - open.size;
    open.size = size;
  }

  /** A write or truncation of an open file begins in another thread. */
  writes(fd: number): void {
    const open = this.#byDescriptor.get(fd);
    if (open) open.writing++;
  }

  /** It is over; `fs` tells the size unless it has written all. */
  written(fd: number, all: boolean, fs: PosixFiles): void {
    const open = this.#byDescriptor.get(fd);
    if (open === undefined) return;
    open.writing--;
    open.unsure ||= !all;
    if (open.unsure && open.writing === 0) {
      this.resize(fd, fs.fstatSync(fd).size);
      open.unsure = false;
    }
  }

  /** A descriptor is about to be closed, of a file with this size. */
  closes(fd: number, size: number): void {
    const open = this.#byDescriptor.get(fd);
    if (open === undefined) return;
    if (--open.handles === 0) {
      this.resize(fd, open.removed ? 0 : size); // another program may have changed it
      this.#byInode.delete(open.inode);
    }
    this.#byDescriptor.delete(fd);
  }

  /** A name has been removed, of what was this before. */
  removed(file: Inode): void {
    this.files--;
    if (!file.isFile() || file.nlink > 1n) return;
    const open = this.#byInode.get(inodeOf(file));
    if (open) open.removed = true;
    else this.bytes -= Number(file.size);
  }

  async #count(): Promise<void> {
    try {
      const { bytes, files } = await (this.#source.count ?? (() => this.#walk()))();
      this.bytes = bytes;
      this.files = files;
    } catch {
      this.bytes = this.files = Infinity; // such as with a folder that its owner may not read
    }
    this.#countedAt = this.#source.now();
    this.#pending = null;
  }

  async #walk(): Promise<Amount> {
    let [bytes, files] = [0, 0];
    const turn = new Turn(); // as for a connection that asks for the same
    const linked = new Set<string>();
    const folders = [""];
    for (let folder; (folder = folders.pop()) !== undefined;) {
      for await (const { name, info, links } of this.#source.list(`${folder}/`)) {
        if (name === "." || name === "..") continue;
        if (++files % COUNT_PIECE === 0) {
          turn.end();
          const pause = turn.begin();
          if (pause) await pause;
        }
        if (info.isDirectory) folders.push(`${folder}/${name}`);
        if (!info.isFile) continue;
        const { dev, ino } = info as Partial<Deno.FileInfo>;
        if ((links ?? 1) > 1 && Number.isSafeInteger(ino)) {
          const inode = `${dev}:${ino}`;
          if (linked.has(inode)) continue;
          linked.add(inode);
        }
        bytes += info.size;
      }
    }
    return { bytes, files };
  }
}

/** Whether two names are of one file. */
export function inodeOf({ dev, ino }: Pick<Inode, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

const usages = new Map<string, WeakRef<Usage>>();
const forgotten = new FinalizationRegistry<string>((root) => {
  if (!usages.get(root)?.deref()) usages.delete(root);
});

/** What the folder of that real path holds; one object for all that serve it at a time. */
export function usageOf(root: string, source: UsageSource): Usage {
  const known = usages.get(root)?.deref();
  if (known) return known;
  const usage = new Usage(source);
  usages.set(root, new WeakRef(usage));
  forgotten.register(usage, root);
  return usage;
}
