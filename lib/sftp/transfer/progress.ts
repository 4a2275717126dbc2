/** The progress of a transfer. */
export interface TransferProgress {
  /** The source of the current file. */
  readonly path: string;
  /**
   * Bytes transferred so far, over all files, with those of an earlier attempt. It never decreases: bytes of
   * a file that fails or has to be transferred again still count.
   */
  readonly transferred: number;
  /**
   * Bytes of all files found so far. Those that have to be transferred again count again; of a file that
   * failed, only those that were transferred count.
   */
  readonly total: number;
  /** The recent rate, in bytes per second. */
  readonly rate: number;
  /** Seconds left at this rate; null if unknown. */
  readonly remaining: number | null;
}

/** A file that a transfer has finished. */
export interface TransferredFile {
  /** The source; for a deleted file, the target. */
  readonly path: string;
  /**
   * Whether it was sent, was in the target already, was skipped because it is not a file or folder, or was
   * deleted from the target.
   */
  readonly action: "sent" | "unchanged" | "skipped" | "deleted";
}

/** A file or folder that could not be transferred. */
export interface TransferFailure {
  /** The source; for a file that could not be deleted, the target. */
  readonly path: string;
  /** Why. */
  readonly error: Error;
}

/** A file that was transferred, but differs from what was requested. */
export interface TransferWarning {
  /** The target. */
  readonly path: string;
  /** The difference, and why. */
  readonly message: string;
}

/** The result of a transfer. */
export interface TransferResult {
  /** Bytes transferred, without those of an earlier attempt and of files that failed. */
  readonly bytes: number;
  /** Files transferred. */
  readonly files: number;
  /** Files and kept links that the target had already (`update`). */
  readonly unchanged: number;
  /** Sources skipped because they are not files or folders: symbolic links, devices. */
  readonly skipped: readonly string[];
  /** Files and folders removed from the target (`delete`); a folder removed with its content counts once. */
  readonly deleted: readonly string[];
  /** The duration in seconds. */
  readonly seconds: number;
  /** Files and folders that could not be transferred. */
  readonly failures: readonly TransferFailure[];
  /** Files that were transferred, but not as requested: written in place, or without their attributes. */
  readonly warnings: readonly TransferWarning[];
}

/** Milliseconds between two reports. */
const REPORT_MS = 100;

/** The time constant of the mean rate, in milliseconds. */
const RATE_MS = 3000;

/** Counts for the reports and for the result. */
export class Progress {
  readonly skipped: string[] = [];
  readonly deleted: string[] = [];
  readonly failures: TransferFailure[] = [];
  readonly warnings: TransferWarning[] = [];
  bytes = 0;
  files = 0;
  unchanged = 0;
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  readonly #tell: ((file: TransferredFile) => void) | undefined;
  readonly #started: number = performance.now();
  /** Bytes that an earlier attempt has transferred. */
  #held = 0;
  #total = 0;
  /** Transferred bytes of files that have failed. */
  #abandoned = 0;
  #rate = 0;
  #reported: number = this.#started - REPORT_MS;
  #reportedBytes = 0;
  /** The bytes of the last report, below which none may be. */
  #transferred = 0;

  constructor(
    report: ((progress: TransferProgress) => void) | undefined,
    tell: ((file: TransferredFile) => void) | undefined = undefined,
  ) {
    this.#report = report;
    this.#tell = tell;
  }

  /** Adds the size of a file that will be transferred; a negative number subtracts that of one that failed. */
  expect(size: number): void {
    this.#total += size;
  }

  /** Adds bytes that an earlier attempt has transferred; a negative number subtracts them. */
  held(bytes: number): void {
    this.#held += bytes;
  }

  /** Adds transferred bytes of a file. */
  advance(path: string, bytes: number): void {
    this.bytes += bytes;
    if (this.#report && performance.now() - this.#reported >= REPORT_MS) this.#send(path);
  }

  /**
   * Records that bytes were transferred in vain, because their file has failed. They stay in the progress,
   * which never goes back, but not in the result.
   */
  abandon(bytes: number): void {
    this.#abandoned += bytes;
    this.#total += bytes;
  }

  /** Records that a file is complete. */
  finish(path: string): void {
    this.files++;
    this.#send(path);
    this.#tell?.({ path, action: "sent" });
  }

  /** Records that the target has a file already. */
  same(path: string): void {
    this.unchanged++;
    this.#tell?.({ path, action: "unchanged" });
  }

  /** Records that something is skipped because it is not a file or folder. */
  skip(path: string): void {
    this.skipped.push(path);
    this.#tell?.({ path, action: "skipped" });
  }

  /** Records that something was removed from the target. */
  remove(path: string): void {
    this.deleted.push(path);
    this.#tell?.({ path, action: "deleted" });
  }

  #send(path: string): void {
    const now = performance.now();
    const elapsed = now - this.#started;
    const span = now - this.#reported;
    // At first the mean since the start, later an exponential mean of the last seconds.
    const weight = elapsed < RATE_MS ? 1 : 1 - Math.exp(-span / RATE_MS);
    const lately = elapsed < RATE_MS
      ? this.bytes / Math.max(elapsed, 1)
      : (this.bytes - this.#reportedBytes) / Math.max(span, 1);
    this.#rate += (lately * 1000 - this.#rate) * weight;
    this.#reported = now;
    this.#reportedBytes = this.bytes;
    const transferred = this.#transferred = Math.max(this.#transferred, this.bytes + this.#held);
    const total = Math.max(this.#total, transferred);
    const remaining = this.#rate > 0 && this.#total > 0 ? (total - transferred) / this.#rate : null;
    this.#report?.({ path, transferred, total, rate: this.#rate, remaining });
  }

  /** The result so far. */
  result(): TransferResult {
    const { files, unchanged, skipped, deleted, failures, warnings } = this;
    const bytes = this.bytes - this.#abandoned;
    const seconds = (performance.now() - this.#started) / 1000;
    return { bytes, files, unchanged, skipped, deleted, seconds, failures, warnings };
  }
}
