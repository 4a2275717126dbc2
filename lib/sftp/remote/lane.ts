import type { SftpOptions } from "../protocol/options.ts";
import { isRefusal } from "../protocol/status.ts";
import type { RemoteFile } from "./remote_file.ts";

/** A file that is open in one of the sessions that its content is sent over. */
export class Lane {
  readonly file: RemoteFile;
  /** WRITEs that the channel has not sent yet. */
  unsent = 0;
  /** Whether more may be sent here. */
  usable = true;
  /** Whether a request had no answer. */
  isUnanswered = false;
  /** Bytes that the server has acknowledged. */
  written = 0;
  /** Bytes that the server has not acknowledged. */
  unanswered = 0;
  #closing: Promise<void> | null = null;
  /** Resolves if the file may be written here; null once it has. */
  #check: Promise<void> | null;

  /** @param check The result of a request that precedes the WRITEs, which count only if it resolves */
  constructor(file: RemoteFile, check: Promise<void> | null = null) {
    this.file = file;
    this.#check = check;
    check?.then(() => this.#check = null, (cause) => {
      this.#failed(cause);
      // At once: a server may publish what it has buffered for a handle, and the last one must be complete.
      this.#closing ??= this.file.close().catch(() => {});
    });
  }

  /** Sends a WRITE. `news` is called when the channel has taken all WRITEs of this lane, and at the answer. */
  write(
    bytes: Uint8Array,
    offset: number,
    limits: SftpOptions,
    news: () => void,
  ): Promise<void> {
    this.unsent++;
    this.unanswered += bytes.length;
    const sending = this.file.writePiece(bytes, offset, limits, () => {
      if (--this.unsent === 0) news();
    });
    const check = this.#check;
    const written = check === null ? sending : sending.then(() => check);
    const answered = () => {
      this.unanswered -= bytes.length;
      news();
    };
    written.then(() => {
      this.written += bytes.length;
      answered();
    }, (cause) => {
      this.#failed(cause);
      answered();
    });
    return written;
  }

  #failed(cause: unknown): void {
    this.usable = false;
    if (!isRefusal(cause)) this.isUnanswered = true;
  }

  /** Closes the file after all its WRITEs. */
  close(limits: SftpOptions): Promise<void> {
    this.usable = false;
    return this.#closing ??= this.#close(limits);
  }

  async #close(limits: SftpOptions): Promise<void> {
    try {
      await this.file.close(limits);
    } catch (cause) {
      this.#failed(cause);
      // The session may be lost; unanswered WRITEs are then sent in another one.
      if (isRefusal(cause) || limits.signal?.aborted) throw cause;
    }
  }
}
