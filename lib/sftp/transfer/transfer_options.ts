import { SFTP_IN_FLIGHT } from "../../defaults.ts";
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  count,
  either,
  flag,
  milliseconds,
  mustBe,
  oneOf,
  type OptionCheck,
  type OptionChecks,
  shown,
  texts,
} from "../../option_checks.ts";
import type { SftpOptions } from "../protocol/options.ts";
import type { TransferProgress, TransferredFile } from "./progress.ts";
import type { SftpFilterEntry } from "./selection.ts";

/** Options of a transfer. */
export interface SftpTransferOptions extends SftpOptions {
  /** Transfer a folder with everything in it. */
  readonly recursive?: boolean;
  /** The source is a pattern, as for `SftpClient.glob`; its matches are put into the target folder. */
  readonly glob?: boolean;
  /** Keep modification times, access times and permission bits. */
  readonly preserve?: boolean;
  /** Keep owners and groups, by number; usually only the superuser may do so. */
  readonly owners?: boolean;
  /**
   * Symbolic links in a folder: `"skip"` (the default) omits them, `"follow"` transfers their targets,
   * `"keep"` creates links; on this machine only links that stay within the folder.
   */
  readonly links?: "skip" | "follow" | "keep";
  /** Permission bits of the files written, instead of the source's. */
  readonly mode?: number;
  /**
   * Write under a hidden name and rename the file when it is complete, so that no reader sees an
   * incomplete file. Files on this machine are always written this way. On a server the default is to
   * do so if the server allows it; `false` writes the file in place, which excludes `resume`, and `true`
   * fails if it is not possible.
   */
  readonly atomic?: boolean;
  /** Flush files to the disk before they are renamed. */
  readonly sync?: boolean;
  /**
   * Resume an earlier attempt with this option that was interrupted; such an attempt leaves its part
   * under a hidden name,
   * `.` and 32 hexadecimal digits and `.part`. A successful transfer with this option removes parts
   * that are older than a week from its target folder, if they are among the first thousand names.
   * A part on a server is found if `inFlight` and `rateLimit` are the same again, because they determine how
   * many bytes may be missing before its end.
   * A part is used if the source still has the same size and time, and these blocks of 32 KiB equal the
   * source's: the first, the last two, and 14 at random offsets between. Only `verify` detects a
   * difference elsewhere, and then transfers the whole file again. A shorter file with the final name
   * is used in the same way; it keeps its name and content until the new one is complete, or, on a
   * server without copy-data, is extended in place, unless `atomic` is true.
   */
  readonly resume?: boolean;
  /**
   * Compare the SHA-256 of the sent data with that of the written file, before it is renamed: the
   * server computes it, if it has the extension check-file, otherwise the file is read again; or a
   * function gets it from the server, for example with `sha256sum`.
   */
  readonly verify?: boolean | SftpHash;
  /**
   * Skip files that the target has already: `true` compares size and modification time, in seconds;
   * `"newer"` skips files that are older than the target's, or of the same second and size, `"size"` those
   * of the same size, and `"checksum"` those of the same content, by SHA-256. The server's file is hashed
   * as with `verify`. With `preserve` or `owners`, a skipped file gets the attributes that differ, unless
   * the target's is newer.
   */
  readonly update?: boolean | "newer" | "size" | "checksum";
  /**
   * Whether to transfer an entry of the folder, and everything in it if it is a folder. Called after
   * `exclude` and `include`; with `delete` also for entries of the target.
   */
  readonly filter?: (entry: SftpFilterEntry) => boolean | Promise<boolean>;
  /**
   * Glob patterns, one of which each file must match; a matching folder includes everything in it. A
   * pattern without a slash is matched against names in any folder, others against paths below the
   * transferred folder, where `**` matches any number of folders. A pattern with a final slash matches
   * only folders. Folders are created even if no file in them matches.
   */
  readonly include?: readonly string[];
  /** Glob patterns, as for `include`, of entries to omit; they take precedence. */
  readonly exclude?: readonly string[];
  /**
   * Remove entries of the target folder that the source folder does not have, after everything else
   * has succeeded, and what is in the place of an entry of another kind. Entries omitted by `exclude`,
   * `include` or `filter` are kept, and so are the targets of symbolic links, and names that differ only
   * in case, which the file system may treat as the same file.
   */
  readonly delete?: boolean;
  /**
   * Change nothing; the result and `onFile` report what would be done. The target of a `get` stays unlocked
   * and open if it is a stream; the source of a `put` is cancelled.
   */
  readonly dryRun?: boolean;
  /** Write long runs of zeros as holes; local files with holes always keep them. */
  readonly sparse?: boolean;
  /**
   * Maximum bytes per second, over all files. What `verify`, `resume` and `update: "checksum"` read to compare
   * files is not limited.
   */
  readonly rateLimit?: number;
  /** Maximum bytes in flight, over all files: the memory of a transfer; 32 MiB by default. */
  readonly inFlight?: number;
  /**
   * The number of SFTP channels that a large file is spread over, 1 to 64; a server may allow fewer. `"auto"`
   * (the default) uses one channel, and up to ten only if the window of one limits a `put`, as on a path with a
   * long round trip; a `get` uses one, because this end's windows grow with the path. A channel is closed
   * when another session of the connection needs its place. A file that is written in place uses one
   * channel.
   */
  readonly channels?: number | "auto";
  /**
   * Resolve even if some files of a folder could not be transferred; the result lists them. By default
   * the other files are transferred, too, and then an `SftpTransferError` with the result is thrown.
   */
  readonly partial?: boolean;
  /**
   * Called with the progress, at most ten times a second and at the end of each file. If it throws, the
   * transfer fails with that error.
   */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Called for each file, when it is done. If it throws, the transfer fails with that error. */
  readonly onFile?: (file: TransferredFile) => void;
  /** Called with a line of text for each decision about channels, for logs. If it throws, that is ignored. */
  readonly onNote?: (note: string) => void;
}

/** The most channels: as many as there may be connections. */
const MAX_CHANNELS = 64;

const number: OptionCheck = mustBe("a number", (value) => typeof value === "number");

const OPTIONS: OptionChecks<SftpTransferOptions> = {
  signal: abortSignal,
  timeout: milliseconds,
  recursive: flag,
  glob: flag,
  preserve: flag,
  owners: flag,
  links: oneOf("skip", "follow", "keep"),
  mode: count,
  atomic: flag,
  sync: flag,
  resume: flag,
  verify: either(flag, callback),
  update: either(flag, oneOf("newer", "size", "checksum")),
  filter: callback,
  include: texts,
  exclude: texts,
  delete: flag,
  dryRun: flag,
  sparse: flag,
  rateLimit: number, // the range has a separate message
  inFlight: number,
  channels: anything,
  partial: flag,
  onProgress: callback,
  onFile: callback,
  onNote: callback,
};

/** @throws {TypeError} If an option is unknown or invalid, or options contradict each other */
export function checkTransferOptions(options: SftpTransferOptions): void {
  checkOptions("A transfer", options, OPTIONS);
  if (options.delete && (!options.recursive || options.glob)) {
    throw new TypeError("delete needs recursive, and cannot be used with glob");
  }
  if (options.resume && options.atomic === false) {
    throw new TypeError(
      "resume cannot be used with atomic: false, because it continues a hidden part: omit one of them",
    );
  }
}

/** @throws {RangeError} If the number of channels is out of range */
export function checkChannels({ channels = "auto" }: SftpTransferOptions): void {
  if (channels === "auto") return;
  if (Number.isInteger(channels) && channels >= 1 && channels <= MAX_CHANNELS) return;
  throw new RangeError(
    `channels must be a whole number of 1 to ${MAX_CHANNELS}, or "auto", not ${shown(channels)}`,
  );
}

/** Asks a server for the SHA-256 of the first `length` bytes of a file, in hexadecimal digits. */
export type SftpHash = (path: string, length: number) => Promise<string>;

/** The memory limit of a transfer, in bytes. */
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
