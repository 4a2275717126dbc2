import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { ListedEntry } from "../remote/remote_file_system.ts";
import type { SftpTransferOptions } from "./transfer_options.ts";

/** Where one file's bytes come from. */
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
  /** Closes it, also before its end. */
  close(): void;
}

/** Whether the first bytes of a file are those of the source. */
export type SameBeginning = (
  file: Pick<Required<TransferSource>, "readAt">,
  length: number,
) => Promise<boolean>;

/** Where one file's bytes go. */
export interface TransferTarget {
  /** Bytes of an earlier try; 0 if there was none. */
  readonly held: number;
  /** The preferred bytes of a block. */
  readonly unit?: number;
  /**
   * Uses the file of the final name as a part, if it is shorter than `size` and `same` says that it is the
   * beginning of the source.
   */
  adopt?(size: number, same: SameBeginning): Promise<void>;
  /** Moves to an offset, before `write`; the bytes after it are lost. */
  start?(offset: number): Promise<void>;
  /** Writes the next block; `release` is called when its memory is free again. */
  write(block: Uint8Array, release: () => void): Promise<void>;
  /** Leaves a hole of this many bytes; missing for a stream. */
  skip?(bytes: number): Promise<void>;
  /** Whether `commit` waits for what was written, together with its own requests, so that nothing else need. */
  readonly flushesLast?: boolean;
  /** Resolves when all that was written has arrived. */
  flush(): Promise<void>;
  /** Fills `into` from an offset, as a source does. */
  readAt?(into: Uint8Array, offset: number): Promise<number>;
  /** The SHA-256 of the first bytes on the server. */
  digest?(length: number): Promise<string>;
  /** Gives the complete file its attributes and its name. */
  commit(info: SftpFileInfo | null): Promise<void>;
  /** The error, with a reason if a server gave none; missing for a local file. */
  explain?(error: unknown): Promise<unknown>;
  /** Gives up, and removes what was written. */
  discard(cause: unknown): Promise<void>;
}

/** The file that a target is made for. */
export interface TargetRequest {
  readonly path: string;
  /** The attributes of the source. */
  readonly info: SftpFileInfo | null;
  /** Bytes to expect; null if unknown, as unless given. */
  readonly size?: number | null;
  /** The name of the source, by which an earlier try is found. */
  readonly name: string;
  /** Whether it is inside a folder of the transfer. */
  readonly inside: boolean;
}

/** Files that a transfer reads from or writes to: those of this machine, or those of a server. */
export interface FileStore {
  /** Whether the names that it lists need no check: those of this machine's own files. */
  readonly trusted: boolean;
  /** The attributes of a file, links followed; null if there is none. */
  stat(path: string): Promise<SftpFileInfo | null>;
  /** The attributes of a file or of the link itself; null if there is none. */
  lstat(path: string): Promise<SftpFileInfo | null>;
  /** A folder's entries; names are single steps, and trusted only if `trusted` says so. */
  list(path: string): AsyncIterable<ListedEntry>;
  /** The path of an entry of a folder. */
  join(folder: string, name: string): string;
  /** The folder that a path is in. */
  folderOf(path: string): string;
  /** Removes a file or a link, or a folder with everything in it. */
  remove(path: string): Promise<void>;
  /** Why a name cannot be used here; null if it can. */
  nameProblem(name: string): string | null;
  /** The path without links. */
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  /** Makes a link at a path inside `root`, replacing one that is there. */
  symlink(target: string, path: string, root: string): Promise<void>;
  /** Makes a folder, or uses an existing one, but a link to one only as the root. */
  makeFolder(path: string, bits: number | null, place: "root" | "inside"): Promise<void>;
  /** Sets a folder's attributes, after its entries are complete. */
  finishFolder(path: string, info: SftpFileInfo): Promise<void>;
  source(path: string, info: SftpFileInfo | null): Promise<TransferSource>;
  target(request: TargetRequest): Promise<TransferTarget>;
}

/** A store that stays as it is, whatever is written to it. */
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
    source: (path, info) => store.source(path, info),
    remove: nothing,
    symlink: nothing,
    makeFolder: nothing,
    finishFolder: nothing,
    target: (request) => store.target(request),
  };
}

/** What the two stores of a transfer are given. */
export interface StoreSettings {
  readonly options: SftpTransferOptions;
  /** The signal and the time-out of every request. */
  readonly limits: SftpOptions;
  /** Bytes that one file may have in flight. */
  readonly inFlight: number;
  /** Notes that a target differs from what it should be. */
  warn(path: string, message: string): void;
}
