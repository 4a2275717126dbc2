/** How far a transfer is. */
export interface TransferProgress {
  /** The source of the file that moved just now. */
  readonly path: string;
  /** Bytes that are there so far, of all files together. */
  readonly transferred: number;
  /** Bytes that are known to be needed, of all files found so far. */
  readonly total: number;
  /** Bytes a second, lately. */
  readonly rate: number;
  /** Seconds that the rest will take at this rate; null if nobody can know. */
  readonly remaining: number | null;
}

/** A file or folder that could not be transferred. */
export interface TransferFailure {
  /** The source. */
  readonly path: string;
  /** Why. */
  readonly error: Error;
}

/** What a transfer did. */
export interface TransferResult {
  /** Bytes of content transferred; what an earlier try had brought is not among them. */
  readonly bytes: number;
  /** Files transferred. */
  readonly files: number;
  /** Files that were there already, with `update`. */
  readonly unchanged: number;
  /** Sources left out, since they are neither files nor folders: symbolic links, devices. */
  readonly skipped: readonly string[];
  /** Files and folders that could not be transferred. */
  readonly failures: readonly TransferFailure[];
}

/** Between two reports, in milliseconds: often enough for the eye. */
const REPORT_MS = 100;

/** The rate forgets in about this many milliseconds. */
const RATE_MS = 3000;

/** Counts for the reports and for the result. */
export class Progress {
  readonly skipped: string[] = [];
  readonly failures: TransferFailure[] = [];
  bytes = 0;
  files = 0;
  unchanged = 0;
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  readonly #started: number = performance.now();
  /** Bytes that need not be transferred, since an earlier try has. */
  #held = 0;
  #total = 0;
  #rate = 0;
  #reported: number = this.#started - REPORT_MS;
  #reportedBytes = 0;

  constructor(report: ((progress: TransferProgress) => void) | undefined) {
    this.#report = report;
  }

  /** A file of a size will be transferred. */
  expect(size: number): void {
    this.#total += size;
  }

  /** So many bytes of a file are there from an earlier try; fewer than nothing if not after all. */
  held(bytes: number): void {
    this.#held += bytes;
  }

  /** Some of a file is through. */
  advance(path: string, bytes: number): void {
    this.bytes += bytes;
    if (this.#report && performance.now() - this.#reported >= REPORT_MS) this.#tell(path);
  }

  /** A file is through. */
  finish(path: string): void {
    this.files++;
    if (this.#report) this.#tell(path);
  }

  #tell(path: string): void {
    const now = performance.now();
    const elapsed = now - this.#started;
    const span = now - this.#reported;
    // The mean to begin with, then the past seconds more and more.
    const weight = elapsed < RATE_MS ? 1 : 1 - Math.exp(-span / RATE_MS);
    const lately = elapsed < RATE_MS
      ? this.bytes / Math.max(elapsed, 1)
      : (this.bytes - this.#reportedBytes) / Math.max(span, 1);
    this.#rate += (lately * 1000 - this.#rate) * weight;
    this.#reported = now;
    this.#reportedBytes = this.bytes;
    const transferred = this.bytes + this.#held;
    const total = Math.max(this.#total, transferred);
    const remaining = this.#rate > 0 && this.#total > 0 ? (total - transferred) / this.#rate : null;
    this.#report?.({ path, transferred, total, rate: this.#rate, remaining });
  }

  /** The bare result. */
  result(): TransferResult {
    const { bytes, files, unchanged, skipped, failures } = this;
    return { bytes, files, unchanged, skipped, failures };
  }
}
