import { FXF } from "./numbers.ts";

/** Options of every operation. */
export interface SftpOptions {
  /** Cancels the operation, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the answer to each request, instead of the session's. */
  readonly timeout?: number | undefined;
}

/** How to open a remote file, in the shape of `Deno.OpenOptions`. */
export interface SftpOpenOptions extends SftpOptions {
  /** Open for reading; the default without other flags. */
  readonly read?: boolean;
  /** Open for writing. */
  readonly write?: boolean;
  /** Always write at the current end of the file. */
  readonly append?: boolean;
  /** Create the file if it does not exist; needs `write` or `append`. */
  readonly create?: boolean;
  /** Create the file and fail if it exists; needs `write` or `append`. */
  readonly createNew?: boolean;
  /** Truncate the file; needs `write`. */
  readonly truncate?: boolean;
  /** Permission bits of a new file. */
  readonly mode?: number;
}

/** Options for writing a whole file. */
export interface SftpWriteOptions extends SftpOptions {
  /**
   * The channels that a large file is spread over, as for `put`; one unless given. With more than one, a
   * write that fails may leave holes in the last 4 MiB of the file.
   */
  readonly channels?: number | "auto";
  /** Add to the file's content. */
  readonly append?: boolean;
  /** Create the file if it does not exist; true by default. */
  readonly create?: boolean;
  /** Fail if the file exists. */
  readonly createNew?: boolean;
  /** Permission bits of a new file. */
  readonly mode?: number;
}

/**
 * The flags of an OPEN.
 *
 * @throws {TypeError} If the options contradict each other
 */
export function flagsOf(options: SftpOpenOptions): number {
  const { write = false, append = false, create = false, createNew = false } = options;
  const { truncate = false, read = !(write || append) } = options;
  const writes = write || append;
  if (!read && !writes) throw new TypeError("open() needs read, write or append");
  if ((create || createNew) && !writes) {
    throw new TypeError("open() with create or createNew needs write or append");
  }
  if (truncate && !write) throw new TypeError("open() with truncate needs write");
  return (read ? FXF.READ : 0) | (writes ? FXF.WRITE : 0) | (append ? FXF.APPEND : 0) |
    (create || createNew ? FXF.CREAT : 0) | (createNew ? FXF.EXCL : 0) |
    (truncate ? FXF.TRUNC : 0);
}
