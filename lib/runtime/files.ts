/** Local files, in the shape of Deno's functions. */
export interface Files {
  open(path: string | URL, options?: FileOpenOptions): Promise<OpenFile>;
  openSync(path: string, options?: FileOpenOptions): OpenFile;
  readFile(path: string | URL): Promise<Uint8Array<ArrayBuffer>>;
  readTextFile(path: string | URL): Promise<string>;
  readTextFileSync(path: string): string;
  writeFile(path: string, data: Uint8Array, options?: FileOpenOptions): Promise<void>;
  stat(path: string): Promise<Deno.FileInfo>;
  statSync(path: string): Deno.FileInfo;
  lstat(path: string): Promise<Deno.FileInfo>;
  lstatSync(path: string): Deno.FileInfo;
  readDir(path: string): AsyncIterable<Deno.DirEntry>;
  realPath(path: string | URL): Promise<string>;
  realPathSync(path: string): string;
  readLink(path: string): Promise<string>;
  readLinkSync(path: string): string;
  symlink(target: string, path: string): Promise<void>;
  link(target: string, path: string): Promise<void>;
  mkdir(path: string, options?: { recursive?: boolean; mode?: number }): Promise<void>;
  makeTempDir(options: { prefix: string }): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  chmodSync(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): Promise<void>;
  utime(path: string, atime: Date | number, mtime: Date | number): Promise<void>;
}

/** Options for opening a file. */
export interface FileOpenOptions {
  read?: boolean;
  write?: boolean;
  append?: boolean;
  truncate?: boolean;
  create?: boolean;
  createNew?: boolean;
  mode?: number;
}

/** From the beginning of the file: `Deno.SeekMode.Start`. */
export const SEEK_START: Deno.SeekMode.Start = 0;

/** From the current position: `Deno.SeekMode.Current`. */
export const SEEK_CURRENT: Deno.SeekMode.Current = 1;

/** An open file. */
export interface OpenFile extends Disposable {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  read(into: Uint8Array): Promise<number | null>;
  readSync(into: Uint8Array): number | null;
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  seek(offset: number, whence: Deno.SeekMode): Promise<number>;
  truncate(size: number): Promise<void>;
  stat(): Promise<Deno.FileInfo>;
  statSync(): Deno.FileInfo;
  utime(atime: Date | number, mtime: Date | number): Promise<void>;
  sync(): Promise<void>;
  /** Locks the file; false if another process holds a lock on it. Missing in Deno 2.5 and older. */
  tryLock?(exclusive: boolean): Promise<boolean>;
  /** Locks the file, after waiting for other processes to unlock it; closing it unlocks. */
  lock?(exclusive: boolean): Promise<void>;
  isTerminal(): boolean;
  /** Whether a terminal delivers each key immediately. */
  setRaw(raw: boolean): void;
  close(): void;
}

/** Paths of local files, by the rules of the operating system; `node:path` has this shape. */
export type PathFunctions = Pick<
  typeof import("node:path"),
  "basename" | "dirname" | "isAbsolute" | "join" | "relative" | "resolve" | "sep"
>;

/**
 * Files by descriptor, synchronously and at any offset, with the flags of open(2) and without following
 * links; `node:fs` has this shape.
 */
export type PosixFiles = Pick<
  typeof import("node:fs"),
  | "chmodSync"
  | "closeSync"
  | "constants"
  | "fchmodSync"
  | "fchownSync"
  | "fstatSync"
  | "fsync"
  | "ftruncate"
  | "ftruncateSync"
  | "futimesSync"
  | "lchownSync"
  | "linkSync"
  | "lstatSync"
  | "lutimesSync"
  | "mkdirSync"
  | "openSync"
  | "read"
  | "readSync"
  | "readdirSync"
  | "rename"
  | "renameSync"
  | "rmdirSync"
  | "statfsSync"
  | "symlinkSync"
  | "unlink"
  | "unlinkSync"
  | "write"
  | "writeSync"
>;
