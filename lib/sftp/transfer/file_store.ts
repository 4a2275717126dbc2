import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { ListedEntry } from "../remote/remote_file_system.ts";
import type { SftpTransferOptions } from "./transfer_options.ts";

/** Where one file's bytes come from. */
export interface TransferSource {
  /** Bytes to expect, or null if nobody knows. */
  readonly size: number | null;
  /** What is known of the file, if it is one. */
  readonly info: SftpFileInfo | null;
  /** Whether the file has holes, or may be thought to have. */
  readonly sparse: boolean;
  /** Goes to an offset, before `next`; a stream cannot. */
  start?(offset: number): void | Promise<void>;
  /** The next block in order, of `unit` bytes if the source can choose, or null at the end. */
  next(unit: number): Promise<Uint8Array | null>;
  /** Gives the memory of a block back. */
  release(block: Uint8Array): void;
  /** Fills `into` from an offset; resolves to fewer bytes than fit only at the end. */
  readAt?(into: Uint8Array, offset: number): Promise<number>;
  /** The SHA-256 of the first bytes as the server has them; a local file has none to ask for. */
  digest?(length: number): Promise<string>;
  /** Ends it, early perhaps. */
  close(): void;
}

/** Where one file's bytes go. */
export interface TransferTarget {
  /** Bytes that an earlier try has left; 0 if there was none. */
  readonly held: number;
  /** Bytes of a block that it sends best. */
  readonly unit?: number;
  /**
   * Takes a file of the final name for a part, if it is shorter than `size` and `same` as the source
   * as far as it goes.
   */
  adopt?(
    size: number,
    same: (file: Pick<Required<TransferSource>, "readAt">, length: number) => Promise<boolean>,
  ): Promise<void>;
  /** Goes to an offset, before `write`: what is behind it is of no value. */
  start?(offset: number): Promise<void>;
  /** Takes the next block; `release` says that the memory is free again. */
  write(block: Uint8Array, release: () => void): Promise<void>;
  /** Leaves a hole of this many bytes; a stream cannot. */
  skip?(bytes: number): Promise<void>;
  /** Resolves when all that was written has arrived. */
  flush(): Promise<void>;
  /** Fills `into` from an offset, as a source does. */
  readAt?(into: Uint8Array, offset: number): Promise<number>;
  /** The SHA-256 of the first bytes as the server has them. */
  digest?(length: number): Promise<string>;
  /** All blocks are there: the file gets its attributes and its name. */
  commit(info: SftpFileInfo | null): Promise<void>;
  /** They will not be. */
  discard(cause: unknown): Promise<void>;
}

/** What a target is made for. */
export interface TargetRequest {
  readonly path: string;
  /** What is known of the source. */
  readonly info: SftpFileInfo | null;
  /** What the source is called, to find an earlier try again. */
  readonly name: string;
  /** Whether it is inside a folder that is transferred. */
  readonly inside: boolean;
}

/** Files that a transfer reads from or writes to: those of this machine, or those of a server. */
export interface FileStore {
  /** Whether the names that it lists need no check: those of this machine's own files. */
  readonly trusted: boolean;
  /** What is known of a file, links followed; null if there is none. */
  stat(path: string): Promise<SftpFileInfo | null>;
  /** What is known of a file or of the link itself; null if there is none. */
  lstat(path: string): Promise<SftpFileInfo | null>;
  /** A folder's entries; names are single steps, and trusted only if `trusted` says so. */
  list(path: string): AsyncIterable<ListedEntry>;
  /** A path one step further down. */
  join(folder: string, name: string): string;
  /** Why a name cannot be used here; null if it can. */
  nameProblem(name: string): string | null;
  /** The path without links. */
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  /** Makes a link at a path inside `root`, replacing one that is there. */
  symlink(target: string, path: string, root: string): Promise<void>;
  /** Makes a folder, or takes the one that is there, but no link to one unless it is the root. */
  makeFolder(path: string, bits: number | null, place: "root" | "inside"): Promise<void>;
  /** Gives a folder its attributes, when all that is in it is done. */
  finishFolder(path: string, info: SftpFileInfo): Promise<void>;
  source(path: string, info: SftpFileInfo | null): Promise<TransferSource>;
  target(request: TargetRequest): Promise<TransferTarget>;
}

/** What the two stores of a transfer are given. */
export interface StoreSettings {
  readonly options: SftpTransferOptions;
  /** The signal and the time-out of every request. */
  readonly limits: SftpOptions;
  /** Bytes that one file may have in flight. */
  readonly inFlight: number;
}
