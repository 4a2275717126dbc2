import type { PosixFiles } from "../../runtime/files.ts";
import { Turn } from "../../turns.ts";
import type { SftpBackendEntry } from "./backend.ts";

/** After this many milliseconds a full folder is counted again, because other programs may have changed it. */
const RECOUNT_MS = 60_000;

/** Entries to count between two pauses. */
const COUNT_PIECE = 32;

/** The content of a folder, or an increase of it. */
export interface Amount {
  /** The total size of regular files; those with several names count once. */
  readonly bytes: number;
  /** The number of files, folders and links. */
  readonly files: number;
}

/** Attributes of a file before a change, from `node:fs` with bigints. */
export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
  isFile(): boolean;
}

/** A file that is open, possibly several times. */
interface OpenFile {
  readonly inode: string;
  /** The size counted for it. */
  size: number;
  handles: number;
  /** Writes and truncations that run in other threads. */
  writing: number;
  /** Whether the size must be looked up when they end. */
  unsure: boolean;
  /** Whether it was removed; its bytes stay until it is closed. */
  removed: boolean;
}

/** How a folder is counted. */
export interface UsageSource {
  /** Lists a folder. */
  list(path: string): AsyncIterable<SftpBackendEntry>;
  /** Counts the whole folder, instead of listing it. */
  readonly count?: (() => Promise<Amount>) | undefined;
  /** A clock, in milliseconds. */
  now(): number;
}

/**
 * The content of a folder: counted once, then updated with every change through this process. It is
 * infinite until it is counted, and if it cannot be counted.
 */
export class Usage implements Amount {
  bytes = Infinity;
  files = Infinity;
  readonly #source: UsageSource;
  readonly #byDescriptor = new Map<number, OpenFile>();
  readonly #byInode = new Map<string, OpenFile>();
  /** The running count or change of names. */
  #pending: Promise<void> | null = null;
  #countedAt = -Infinity;
  #stale = true;

  constructor(source: UsageSource) {
    this.#source = source;
  }

  /** Null if the count is up to date; otherwise resolves when it may be. */
  pending(): Promise<void> | null {
    if (this.#pending === null && this.#stale && this.#byInode.size === 0) {
      this.#stale = false;
      this.#pending = this.#count();
    }
    return this.#pending;
  }

  /** Begins a change of names in another thread; the result ends it. */
  changes(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending = promise;
    return () => {
      this.#pending = null;
      resolve();
    };
  }

  /**
   * Records a refusal for lack of space: the folder may be counted again, since other programs may have
   * made room.
   */
  refused(): void {
    if (this.#source.now() - this.#countedAt > RECOUNT_MS) this.#stale = true;
  }

  /** Records that a file was opened. */
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

  /** The counted size of an open file. */
  sizeOf(fd: number): number {
    return this.#byDescriptor.get(fd)!.size;
  }

  /** Records the new size of an open file. */
  resize(fd: number, size: number): void {
    const open = this.#byDescriptor.get(fd)!;
    this.bytes += size - open.size;
    open.size = size;
  }

  /**
   * Records the start of a write or truncation of an open file in another thread. The result records its
   * end; unless it has written everything, the size is looked up with `fs`.
   */
  writes(fd: number, fs: PosixFiles): (all: boolean) => void {
    const open = this.#byDescriptor.get(fd)!;
    open.writing++;
    return (all) => {
      open.writing--;
      open.unsure ||= !all;
      if (!open.unsure || open.writing > 0) return;
      if (this.#byDescriptor.get(fd) !== open) return; // closed meanwhile, which looked up the size
      this.resize(fd, fs.fstatSync(fd).size);
      open.unsure = false;
    };
  }

  /** Records that a descriptor of a file with this size is about to be closed. */
  closes(fd: number, size: number): void {
    const open = this.#byDescriptor.get(fd)!;
    if (--open.handles === 0) {
      this.resize(fd, open.removed ? 0 : size); // another program may have changed it
      this.#byInode.delete(open.inode);
    }
    this.#byDescriptor.delete(fd);
  }

  /** Records that a name was removed; `file` has the attributes before. */
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
      this.bytes = this.files = Infinity; // for example, a folder cannot be read
    }
    this.#countedAt = this.#source.now();
    this.#pending = null;
  }

  async #walk(): Promise<Amount> {
    let [bytes, files] = [0, 0];
    const turn = new Turn(); // with pauses, like the requests of a connection
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

/** Identifies a file, whatever its name. */
export function inodeOf({ dev, ino }: Pick<Inode, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

const usages = new Map<string, WeakRef<Usage>>();
const forgotten = new FinalizationRegistry<string>((root) => {
  if (!usages.get(root)?.deref()) usages.delete(root);
});

/** The usage of the folder with this real path; all backends that serve it share one object. */
export function usageOf(root: string, source: UsageSource): Usage {
  const known = usages.get(root)?.deref();
  if (known) return known;
  const usage = new Usage(source);
  usages.set(root, new WeakRef(usage));
  forgotten.register(usage, root);
  return usage;
}
