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
  /** Open for reading; the default if nothing else is asked for. */
  readonly read?: boolean;
  /** Open for writing. */
  readonly write?: boolean;
  /** Write at the end of the file, wherever that is. */
  readonly append?: boolean;
  /** Create the file if there is none; needs `write` or `append`. */
  readonly create?: boolean;
  /** Create the file and fail if there is one; needs `write` or `append`. */
  readonly createNew?: boolean;
  /** Make the file empty; needs `write`. */
  readonly truncate?: boolean;
  /** Permission bits of a new file. */
  readonly mode?: number;
}

/** How to write a whole file. */
export interface SftpWriteOptions extends SftpOptions {
  /**
   * The channels that a large file is spread over, as of `put`; one unless given. A write that fails may leave
   * holes in the last 4 MiB of the file then.
   */
  readonly channels?: number | "auto";
  /** Add to the file's content. */
  readonly append?: boolean;
  /** Create the file if there is none; true unless said otherwise. */
  readonly create?: boolean;
  /** Refuse if the file is there. */
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
  if (!read && !writes) throw new TypeError("Open for reading, writing or appending");
  if ((create || createNew) && !writes) throw new TypeError("Creating needs write or append");
  if (truncate && !write) throw new TypeError("Truncating needs write");
  return (read ? FXF.READ : 0) | (writes ? FXF.WRITE : 0) | (append ? FXF.APPEND : 0) |
    (create || createNew ? FXF.CREAT : 0) | (createNew ? FXF.EXCL : 0) |
    (truncate ? FXF.TRUNC : 0);
}
