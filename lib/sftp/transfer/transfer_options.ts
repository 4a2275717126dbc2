import { SFTP_IN_FLIGHT } from "../../defaults.ts";
import { shown } from "../../option_checks.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { TransferProgress, TransferredFile } from "./progress.ts";
import type { SftpFilterEntry } from "./selection.ts";

/** How to transfer files. */
export interface SftpTransferOptions extends SftpOptions {
  /** Transfer a folder with everything in it. */
  readonly recursive?: boolean;
  /** The source is a pattern, as of `SftpClient.glob`; its matches go into the target folder. */
  readonly glob?: boolean;
  /** Keep modification times, access times and permission bits. */
  readonly preserve?: boolean;
  /** Keep owners and groups, by number; usually only the superuser may. */
  readonly owners?: boolean;
  /**
   * Symbolic links in a folder: `"skip"` leaves them out, `"follow"` transfers what they lead to, `"keep"`
   * makes links, on this machine only those that do not lead outside the folder. `"skip"` unless given.
   */
  readonly links?: "skip" | "follow" | "keep";
  /** Permission bits of the files written, instead of the source's. */
  readonly mode?: number;
  /**
   * Write under a hidden name and rename the file when it is complete, so that no reader sees a part of it.
   * Files on this machine are always written so. On a server it is done wherever the server allows it,
   * unless given; `false` writes the file in place, `true` fails where it is not possible.
   */
  readonly atomic?: boolean;
  /** Flush files to the disk before they get their names. */
  readonly sync?: boolean;
  /**
   * Resume where an earlier try with this option broke off; such a try leaves its part under a hidden name,
   * `.` and 32 hexadecimal digits and `.part`. A transfer with this option that succeeds removes parts that are
   * older than a week from the folder that it wrote to, if they are among its first thousand names.
   * A part is used if the source still has the same size and time, and these blocks of 32 KiB equal the
   * source's: the first, the last two, and 14 at random offsets between. A difference elsewhere is noticed with
   * `verify` only, which then transfers the whole file again. The beginning of a shorter file of the final
   * name is used likewise; that file keeps its name and content until the new one is complete, or, on a server
   * without copy-data, is extended in place.
   */
  readonly resume?: boolean;
  /**
   * Compare the SHA-256 of what was sent with the written file's, before it gets its name: as the server tells
   * it, if it has the extension check-file, otherwise by reading the file again; or with a function that asks
   * the server for it, such as by its `sha256sum`.
   */
  readonly verify?: boolean | SftpHash;
  /**
   * Leave out files that the target has already: `true` compares size and modification time, in seconds;
   * `"newer"` leaves out those that are not newer than the target's, `"size"` those of the same size, and
   * `"checksum"` those of the same content, by SHA-256. The server's file is hashed as with `verify`.
   */
  readonly update?: boolean | "newer" | "size" | "checksum";
  /**
   * Whether an entry of the folder takes part, and everything in it if it is a folder. Asked after `exclude`
   * and `include`, and with `delete` about entries of the target too.
   */
  readonly filter?: (entry: SftpFilterEntry) => boolean | Promise<boolean>;
  /**
   * Glob patterns, of which each file must match one; everything in a folder that matches does. A pattern
   * without a slash is about names in any folder; another about paths below the folder that is transferred,
   * where `**` stands for any number of folders. A slash at its end stands for folders alone. Folders are made
   * whether or not files in them match.
   */
  readonly include?: readonly string[];
  /** Glob patterns, as of `include`, of what takes no part, whatever else says so. */
  readonly exclude?: readonly string[];
  /**
   * Remove from the target folder what the source folder does not have, once everything else has succeeded.
   * What is left out by `exclude`, `include` or `filter` stays, and so does what symbolic links lead to, and a name
   * that differs in case alone, which the file system may take for the same file.
   */
  readonly delete?: boolean;
  /** Change nothing; the result and `onFile` tell what would be done. */
  readonly dryRun?: boolean;
  /** Make holes of long runs of zeros; local files with holes always keep them. */
  readonly sparse?: boolean;
  /** The most bytes a second, of all files together. */
  readonly rateLimit?: number;
  /** The most bytes in flight, of all files together: the memory of a transfer; 32 MiB unless given. */
  readonly inFlight?: number;
  /**
   * The SFTP channels that a large file is spread over, all on the same connection: a number, which a server
   * may have fewer of, or `"auto"`, as it is unless given. That is one, and more, up to ten, only where the
   * window of one is what limits a `put`, as it does on a path of a long round trip; a `get` has one then, since
   * this end's windows grow with the path. A channel ends once its place is needed for another session of the
   * connection. What is written in place has one channel.
   */
  readonly channels?: number | "auto";
  /**
   * Resolve even if some files of a folder could not be transferred: the result lists them. Otherwise the
   * rest is transferred, too, and an `SftpTransferError` with the result is thrown.
   */
  readonly partial?: boolean;
  /** Called with the progress, at most ten times a second and at the end of each file. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Called for each file, when it is done. */
  readonly onFile?: (file: TransferredFile) => void;
  /** Called with a line of text for each decision about channels, for logs. */
  readonly onNote?: (note: string) => void;
}

/** @throws {TypeError} If options do not go together */
export function checkTogether(options: SftpTransferOptions): void {
  if (options.delete && (!options.recursive || options.glob)) {
    throw new TypeError("delete is about whole folders: it needs recursive, and no glob");
  }
  const { update = false } = options;
  if (!UPDATES.has(update)) {
    throw new TypeError(
      `update must be true, false, "newer", "size" or "checksum", not ${shown(update)}`,
    );
  }
}

const UPDATES: ReadonlySet<unknown> = new Set([true, false, "newer", "size", "checksum"]);

/** @throws {RangeError} If there cannot be as many channels */
export function checkChannels({ channels = "auto" }: SftpTransferOptions): void {
  if (channels === "auto" || (Number.isInteger(channels) && channels >= 1)) return;
  throw new RangeError(`channels must be a whole number of 1 or more, or "auto", not ${channels}`);
}

/** Asks a server for the SHA-256 of the first `length` bytes of a file, in hexadecimal digits. */
export type SftpHash = (path: string, length: number) => Promise<string>;

/** The memory that a transfer may take, in bytes. */
export function inFlightOf({ inFlight = SFTP_IN_FLIGHT, rateLimit }: SftpTransferOptions): number {
  if (!(inFlight > 0)) throw new RangeError("inFlight must be above 0");
  if (rateLimit === undefined) return inFlight;
  if (!(rateLimit > 0)) throw new RangeError("rateLimit must be above 0");
  return Math.max(Math.min(inFlight, rateLimit / 2), 1); // half a second's worth
}

/** Permission bits for a file; undefined if unknown. */
export function bitsOf(
  info: { mode: number | null } | null,
  { mode }: SftpTransferOptions,
): number | undefined {
  return mode ?? (info === null || info.mode === null ? undefined : info.mode & 0o777);
}
