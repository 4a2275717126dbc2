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
  /** Create the file if it does not exist. */
  readonly create: boolean;
  /** With `create`: fail if the file exists. */
  readonly createNew: boolean;
  /** Truncate the file. */
  readonly truncate: boolean;
  /** Permission bits of a new file, after the umask; null if the client does not give them. */
  readonly mode: number | null;
}

/**
 * An open file of a backend. One operation runs at a time, unless `parallel` is true.
 *
 * @example
 * ```ts
 * import type { SftpBackendFile } from "@denossh/ssh/sftp";
 *
 * const empty: Partial<SftpBackendFile> = { read: () => Promise.resolve(0) };
 * ```
 */
export interface SftpBackendFile {
  /** Whether several reads, or several writes to different places, may run in parallel. */
  readonly parallel?: boolean;
  /** Reads into `into` from an offset; resolves to the number of bytes, 0 at the end. */
  read(into: Uint8Array, offset: number): Promise<number> | number;
  /** Writes all of `data` at an offset; its memory is reused once the promise has settled. */
  write(data: Uint8Array, offset: number): Promise<void> | void;
  /** The attributes of the file. */
  stat(): Promise<SftpFileInfo>;
  /** Changes attributes. */
  setStat(changes: SftpChanges): Promise<void>;
  /**
   * Whether another open file of the backend is the same file, possibly under another name. `copy-data`
   * refuses to copy a range of a file onto itself. Without it, two handles of one path count as the same
   * file.
   */
  isSame?(other: SftpBackendFile): boolean;
  /** Flushes written data to the disk. */
  sync?(): Promise<void>;
  /** The size and free space of the file system of the file. */
  statVfs?(): Promise<SftpFileSystem>;
  /** Closes the file; called once. */
  close(): Promise<void>;
  /**
   * Called in place of `close` when the session ends before the client has closed the file: discards an
   * incomplete upload, for example.
   */
  abort?(): Promise<void>;
}

/** One line of a listing. */
export interface SftpBackendEntry {
  /** The name, without its directory. */
  readonly name: string;
  /** Its attributes, links not followed. */
  readonly info: SftpFileInfo;
  /** The name of its owner for `ls -l`; the number unless given. */
  readonly owner?: string | null;
  /** The name of its group for `ls -l`; the number unless given. */
  readonly group?: string | null;
  /** The number of hard links; 1 unless given. */
  readonly links?: number | null;
}

/**
 * The files that {@linkcode serveSftp} serves: one method for each operation. Methods that a backend lacks
 * are answered with "operation not supported".
 *
 * Paths are as the client sent them: possibly relative (to `/`), with `..`, or empty, but without NUL.
 * Bytes that are not UTF-8 are lone surrogates, U+DC80 for 0x80 to U+DCFF for 0xff: keep them apart, or
 * refuse. To refuse, throw an `SftpError` whose status and message are sent to the client, or an error of
 * `Deno.errors`, of which only the kind is sent.
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
  /** The attributes of a file, following symbolic links. */
  stat?(path: string): Promise<SftpFileInfo>;
  /** The attributes of a file or of the symbolic link itself. */
  lstat?(path: string): Promise<SftpFileInfo>;
  /** Changes attributes. */
  setStat?(path: string, changes: SftpChanges): Promise<void>;
  /** Makes a directory; `mode` is null if the client gave none. */
  mkdir?(path: string, mode: number | null): Promise<void>;
  /** Removes an empty directory. */
  rmdir?(path: string): Promise<void>;
  /** Removes a file or a symbolic link. */
  remove?(path: string): Promise<void>;
  /** Renames; without `overwrite` it must fail if there is something at the new path. */
  rename?(from: string, to: string, options: { overwrite: boolean }): Promise<void>;
  /** Makes a path absolute. */
  realPath?(path: string): Promise<string>;
  /** Reads the target of a symbolic link. */
  readLink?(path: string): Promise<string>;
  /** Makes a symbolic link. */
  symlink?(target: string, path: string): Promise<void>;
  /** Makes a hard link. */
  link?(from: string, to: string): Promise<void>;
  /** Changes attributes, of a symbolic link itself if it is one. */
  lsetStat?(path: string, changes: SftpChanges): Promise<void>;
  /** The size and free space of the file system of a path. */
  statVfs?(path: string): Promise<SftpFileSystem>;
  /** The home directory of a user; an empty name means the client's own. */
  home?(user: string): Promise<string>;
  /** The names of users by their numbers; empty for unknown ones. */
  userNames?(ids: readonly number[]): Promise<readonly string[]>;
  /** The names of groups by their numbers; empty for unknown ones. */
  groupNames?(ids: readonly number[]): Promise<readonly string[]>;
}
