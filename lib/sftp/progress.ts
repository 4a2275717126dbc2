/**
 * How far a transfer is.
 *
 * @example
 * ```ts
 * import type { TransferProgress } from "@denossh/ssh/sftp";
 *
 * function bar({ path, transferred, total, rate }: TransferProgress): string {
 *   const percent = total === 0 ? 100 : Math.floor(100 * transferred / total);
 *   return `${path} ${percent} % ${(rate / 1e6).toFixed(1)} MB/s`;
 * }
 * ```
 */
export interface TransferProgress {
  /** The source of the file that moved just now. */
  readonly path: string;
  /** Bytes transferred so far, of all files together. */
  readonly transferred: number;
  /** Bytes that are known to be needed, of all files found so far. */
  readonly total: number;
  /** Bytes a second since the start. */
  readonly rate: number;
}

/**
 * What a transfer did.
 *
 * @example
 * ```ts
 * import type { TransferResult } from "@denossh/ssh/sftp";
 *
 * function summary({ files, bytes, skipped }: TransferResult): string {
 *   return `${files} files, ${bytes} bytes, ${skipped.length} left out`;
 * }
 * ```
 */
export interface TransferResult {
  /** Bytes of content transferred. */
  readonly bytes: number;
  /** Files transferred. */
  readonly files: number;
  /** Sources left out, since they are neither files nor folders: symbolic links, devices. */
  readonly skipped: readonly string[];
}

/** Between two reports, in milliseconds: often enough for the eye. */
const REPORT_MS = 100;

/** Counts for the reports and for the result. */
export class Progress implements TransferResult {
  bytes = 0;
  files = 0;
  readonly skipped: string[] = [];
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  readonly #started: number = performance.now();
  #total = 0;
  #reported = -Infinity;

  constructor(report: ((progress: TransferProgress) => void) | undefined) {
    this.#report = report;
  }

  /** A file of a size will be transferred. */
  expect(size: number): void {
    this.#total += size;
  }

  /** Some of a file is through. */
  advance(path: string, bytes: number): void {
    this.bytes += bytes;
    if (performance.now() - this.#reported >= REPORT_MS) this.#tell(path);
  }

  /** A file is through. */
  finish(path: string): void {
    this.files++;
    this.#tell(path);
  }

  #tell(path: string): void {
    if (!this.#report) return;
    this.#reported = performance.now();
    const elapsed = Math.max(this.#reported - this.#started, 1);
    const total = Math.max(this.#total, this.bytes);
    this.#report({ path, transferred: this.bytes, total, rate: this.bytes / elapsed * 1000 });
  }

  /** The bare result. */
  result(): TransferResult {
    return { bytes: this.bytes, files: this.files, skipped: this.skipped };
  }
}
