import { SFTP_IN_FLIGHT } from "../../defaults.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { TransferProgress } from "./progress.ts";

/** How to transfer files. */
export interface SftpTransferOptions extends SftpOptions {
  /** Transfer a folder with everything in it. */
  readonly recursive?: boolean;
  /** The source is a pattern, as of `SftpClient.glob`; what it stands for goes into the target folder. */
  readonly glob?: boolean;
  /** Keep modification times, access times and permission bits. */
  readonly preserve?: boolean;
  /** Keep owners and groups, by number; usually only the superuser may. */
  readonly owners?: boolean;
  /**
   * Symbolic links in a folder: `"skip"` leaves them out, `"follow"` takes them for what they lead to,
   * `"keep"` makes links, on this machine only such as lead nowhere outside the folder. `"skip"` unless
   * given.
   */
  readonly links?: "skip" | "follow" | "keep";
  /** Permission bits of the files written, instead of the source's. */
  readonly mode?: number;
  /**
   * Write to a hidden name, and give the file its own when it is whole, so that nobody ever sees a part.
   * Files on this machine always come so. On a server it is done wherever the server allows, if this is
   * not given; `false` writes the file in place, `true` fails where it cannot be done.
   */
  readonly atomic?: boolean;
  /** Have files put on the disk before they get their names. */
  readonly sync?: boolean;
  /**
   * Go on where an earlier try with this option broke off, which leaves its part behind under a hidden
   * name. A part is used if the source has still the same size and time, and the blocks at its end, at
   * its beginning and some between are what the source has; so is a shorter file of the final name.
   */
  readonly resume?: boolean;
  /**
   * Compare the SHA-256 of what was sent and what is there, before the file gets its name: by reading
   * it once more from the server, or by what a function of yours has the server compute.
   */
  readonly verify?: boolean | SftpHash;
  /** Leave out files that are there already with the same size and modification time. */
  readonly update?: boolean;
  /** Make holes of long runs of zeros; local files that have holes keep them anyway. */
  readonly sparse?: boolean;
  /** Bytes a second at most, of all files together. */
  readonly rateLimit?: number;
  /** Bytes under way at most, of all files together: the memory that a transfer takes; 32 MiB. */
  readonly inFlight?: number;
  /**
   * Resolve even if some files of a folder could not be transferred: the result lists them. Without it
   * the rest is transferred all the same, and then an `SftpTransferError` has the result.
   */
  readonly partial?: boolean;
  /** Hears how far the transfer is, ten times a second at most and at the end of each file. */
  readonly onProgress?: (progress: TransferProgress) => void;
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

/** Permission bits for a file; undefined if nobody says. */
export function bitsOf(
  info: { mode: number | null } | null,
  { mode }: SftpTransferOptions,
): number | undefined {
  return mode ?? (info === null || info.mode === null ? undefined : info.mode & 0o777);
}
