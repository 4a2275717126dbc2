import type { SftpChanges, SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";

/** How a client wants a file opened. */
export interface SftpBackendOpen {
  /** For reading. */
  readonly read: boolean;
  /** For writing. */
  readonly write: boolean;
  /** Every write goes to the end of the file. */
  readonly append: boolean;
  /** Create the file if there is none. */
  readonly create: boolean;
  /** With `create`: fail if there is one. */
  readonly createNew: boolean;
  /** Make the file empty. */
  readonly truncate: boolean;
  /** Permission bits of a new file, the umask taken off; null if the client does not say. */
  readonly mode: number | null;
}

/**
 * An open file of a backend. One operation runs at a time, unless the file says that it is `parallel`.
 *
 * @example
 * ```ts
 * import type { SftpBackendFile } from "@denossh/ssh/sftp";
 *
 * const empty: Partial<SftpBackendFile> = { read: () => Promise.resolve(0) };
 * ```
 */
export interface SftpBackendFile {
  /** Whether several reads, or several writes to different places, may be under way at once. */
  readonly parallel?: boolean;
  /** Reads into `into` from an offset; gives the number of bytes, 0 at the end. */
  read(into: Uint8Array, offset: number): Promise<number> | number;
  /** Writes all of `data` at an offset; the bytes are gone when the promise has settled. */
  write(data: Uint8Array, offset: number): Promise<void> | void;
  /** What is known of the file. */
  stat(): Promise<SftpFileInfo>;
  /** Changes attributes. */
  setStat(changes: SftpChanges): Promise<void>;
  /**
   * Whether another open file of the backend is this one, perhaps by another name. `copy-data` refuses to copy
   * a range of a file onto itself. Without it, two handles of one path count as the same file.
   */
  isSame?(other: SftpBackendFile): boolean;
  /** Puts what was written on the disk. */
  sync?(): Promise<void>;
  /** How full the file system is that the file is on. */
  statVfs?(): Promise<SftpFileSystem>;
  /** Closes the file; called once. */
  close(): Promise<void>;
  /**
   * Called in place of `close` when the session ends before the client has closed the file: gives up what is
   * not complete, such as an upload.
   */
  abort?(): Promise<void>;
}

/** One line of a listing. */
export interface SftpBackendEntry {
  /** The name, without its directory. */
  readonly name: string;
  /** What is known of it, links not followed. */
  readonly info: SftpFileInfo;
  /** How `ls -l` would name its owner; the number unless given. */
  readonly owner?: string | null;
  /** How `ls -l` would name its group; the number unless given. */
  readonly group?: string | null;
  /** How many names the file has; 1 unless given. */
  readonly links?: number | null;
}

/**
 * What {@linkcode serveSftp} serves: one method for each operation. What a backend leaves out is
 * answered with "operation not supported".
 *
 * Paths are as the client sent them: perhaps relative (to `/`), with `..`, empty; never with a NUL. Bytes that
 * are not UTF-8 are lone surrogates, U+DC80 for 0x80 to U+DCFF for 0xff: keep them apart, or refuse. To
 * refuse, throw an `SftpError` with a status and a message that the client may read, or an error of
 * `Deno.errors`, of which only the kind is told.
 *
 * @example
 * ```ts
 * import { type SftpBackend, SftpError, SftpStatus } from "@denossh/ssh/sftp";
 *
 * // A file system with one directory and nothing in it.
 * const nothing: SftpBackend = {
 *   realPath: () => Promise.resolve("/"),
 *   stat: (path) =>
 *     Promise.reject(
 *       new SftpError(SftpStatus.NO_SUCH_FILE, "stat", path, "Nothing here"),
 *     ),
 *   async *readDir() {},
 * };
 * ```
 */
export interface SftpBackend {
  /** Opens a file. */
  open?(path: string, options: SftpBackendOpen): Promise<SftpBackendFile>;
  /** Lists a directory; `.` and `..` may be left out. */
  readDir?(path: string): AsyncIterable<SftpBackendEntry>;
  /** What is known of a file, following symbolic links. */
  stat?(path: string): Promise<SftpFileInfo>;
  /** What is known of a file or of the symbolic link itself. */
  lstat?(path: string): Promise<SftpFileInfo>;
  /** Changes attributes. */
  setStat?(path: string, changes: SftpChanges): Promise<void>;
  /** Makes a directory, whose permission bits may be null. */
  mkdir?(path: string, mode: number | null): Promise<void>;
  /** Removes an empty directory. */
  rmdir?(path: string): Promise<void>;
  /** Removes a file or a symbolic link. */
  remove?(path: string): Promise<void>;
  /** Renames; without `overwrite` it must fail if there is something at the new path. */
  rename?(from: string, to: string, options: { overwrite: boolean }): Promise<void>;
  /** Makes a path absolute. */
  realPath?(path: string): Promise<string>;
  /** Reads where a symbolic link leads. */
  readLink?(path: string): Promise<string>;
  /** Makes a symbolic link. */
  symlink?(target: string, path: string): Promise<void>;
  /** Gives a file a second name. */
  link?(from: string, to: string): Promise<void>;
  /** Changes attributes, of a symbolic link itself if it is one. */
  lsetStat?(path: string, changes: SftpChanges): Promise<void>;
  /** How full the file system is that a path is on. */
  statVfs?(path: string): Promise<SftpFileSystem>;
  /** The home directory of a user, of the client itself if the name is empty. */
  home?(user: string): Promise<string>;
  /** The names of users by their numbers; empty where there is none. */
  userNames?(ids: readonly number[]): Promise<readonly string[]>;
  /** The names of groups by their numbers; empty where there is none. */
  groupNames?(ids: readonly number[]): Promise<readonly string[]>;
}
