import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { ListedEntry } from "../remote/remote_file_system.ts";
import type { SftpTransferOptions } from "./transfer_options.ts";

/** The source of one file's bytes. */
export interface TransferSource {
  /** Bytes to expect; null if unknown. */
  readonly size: number | null;
  /** The file's attributes; null for bytes and streams. */
  readonly info: SftpFileInfo | null;
  /** Whether the file may have holes. */
  readonly sparse: boolean;
  /** Moves to an offset, before `next`; missing for a stream. */
  start?(offset: number): void | Promise<void>;
  /** The next block in order, of `unit` bytes if the source can choose, or null at the end. */
  next(unit: number): Promise<Uint8Array | null>;
  /** Returns the memory of a block. */
  release(block: Uint8Array): void;
  /** Fills `into` from an offset; resolves to fewer bytes than fit only at the end. */
  readAt?(into: Uint8Array, offset: number): Promise<number>;
  /** The SHA-256 of the first bytes on the server; missing for a local file. */
  digest?(length: number): Promise<string>;
  /** Closes it, at its end or before. */
  close(): void;
}

/** Whether the first bytes of a file are those of the source. */
export type SameBeginning = (
  file: Pick<Required<TransferSource>, "readAt">,
  length: number,
) => Promise<boolean>;

/** The target of one file's bytes. */
export interface TransferTarget {
  /** Bytes written by an earlier attempt; 0 if there was none. */
  readonly held: number;
  /** The preferred bytes of a block. */
  readonly unit?: number;
  /**
   * Uses the file with the final name as the start of the new one, if it is shorter than `size` and `same`
   * confirms that the source begins with it.
   */
  adopt?(size: number, same: SameBeginning): Promise<void>;
  /** Moves to an offset, before `write`; the bytes after it are dropped. */
  start?(offset: number): Promise<void>;
  /** Writes the next block; `release` is called when its memory is free again. */
  write(block: Uint8Array, release: () => void): Promise<void>;
  /** Leaves a hole of this many bytes; missing for a stream. */
  skip?(bytes: number): Promise<void>;
  /** Whether `commit` also waits for the writes, so that `flush` is not needed before it. */
  readonly flushesLast?: boolean;
  /** Resolves when all writes are done. */
  flush(): Promise<void>;
  /** Fills `into` from an offset, like a source. */
  readAt?(into: Uint8Array, offset: number): Promise<number>;
  /** The SHA-256 of the first bytes on the server. */
  digest?(length: number): Promise<string>;
  /** Gives the complete file its attributes and its name. */
  commit(info: SftpFileInfo | null): Promise<void>;
  /** Adds a reason to an error for which the server gave none; missing for a local file. */
  explain?(error: unknown): Promise<unknown>;
  /** Abandons the file, and removes it unless a later attempt may resume it. */
  discard(cause: unknown): Promise<void>;
}

/** The file to make a target for. */
export interface TargetRequest {
  readonly path: string;
  /** The attributes of the source. */
  readonly info: SftpFileInfo | null;
  /** Bytes to expect; null or missing if unknown. */
  readonly size?: number | null;
  /** The name of the source, to find an earlier attempt by. */
  readonly name: string;
  /** Whether it is in a folder that is transferred. */
  readonly inside: boolean;
}

/** The files of this machine or of a server, as the source or the target of a transfer. */
export interface FileStore {
  /** Whether the listed names need no check, as on this machine. */
  readonly trusted: boolean;
  /** The attributes of a file, links followed; null if there is none. */
  stat(path: string): Promise<SftpFileInfo | null>;
  /** The attributes of a file or of the link itself; null if there is none. */
  lstat(path: string): Promise<SftpFileInfo | null>;
  /** A folder's entries; unless `trusted`, their names must be checked. */
  list(path: string): AsyncIterable<ListedEntry>;
  /** The path of an entry of a folder. */
  join(folder: string, name: string): string;
  /** The folder that a path is in. */
  folderOf(path: string): string;
  /** Removes a file or a link, or a folder with everything in it. */
  remove(path: string): Promise<void>;
  /** Why a name cannot be used here; null if it can. */
  nameProblem(name: string): string | null;
  /** The absolute path without links. */
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  /** Whether a path is a symbolic link. */
  isLink(path: string): Promise<boolean>;
  /** Makes a link at a path inside `root`, and replaces an existing one. */
  symlink(target: string, path: string, root: string): Promise<void>;
  /** Makes a folder, or uses an existing one; on this machine a link to a folder is used only as the root. */
  makeFolder(path: string, bits: number | null, place: "root" | "inside"): Promise<void>;
  /** Sets a folder's attributes, after its entries are complete, or those of an unchanged file. */
  setAttributes(path: string, info: SftpFileInfo): Promise<void>;
  source(path: string, info: SftpFileInfo | null): Promise<TransferSource>;
  target(request: TargetRequest): Promise<TransferTarget>;
}

/** Wraps a store so that writing to it changes nothing. */
export function unwritten(store: FileStore): FileStore {
  const nothing = () => Promise.resolve();
  return {
    trusted: store.trusted,
    stat: (path) => store.stat(path),
    lstat: (path) => store.lstat(path),
    list: (path) => store.list(path),
    join: (folder, name) => store.join(folder, name),
    folderOf: (path) => store.folderOf(path),
    nameProblem: (name) => store.nameProblem(name),
    realPath: (path) => store.realPath(path),
    readLink: (path) => store.readLink(path),
    isLink: (path) => store.isLink(path),
    source: (path, info) => store.source(path, info),
    remove: nothing,
    symlink: nothing,
    makeFolder: nothing,
    setAttributes: nothing,
    target: (request) => store.target(request),
  };
}

/** Settings for both stores of a transfer. */
export interface StoreSettings {
  readonly options: SftpTransferOptions;
  /** The signal and the time-out of every request. */
  readonly limits: SftpOptions;
  /** The most bytes in flight for one file. */
  readonly inFlight: number;
  /** Records that a target differs from what was requested. */
  warn(path: string, message: string): void;
}
