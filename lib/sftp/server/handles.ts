import { SFTP_MAX_HANDLES } from "../../defaults.ts";
import type { SftpBackendEntry, SftpBackendFile } from "./backend.ts";
import { refuse } from "../protocol/status.ts";
import type { ConnectionShare } from "./share.ts";

/** A directory that is being listed. */
export type Listing = AsyncIterator<SftpBackendEntry>;

/** An open file or listing, and the path that it was opened by. */
type Opened =
  & {
    readonly path: string;
    /** Bytes read and written while it was open. */
    readonly traffic?: { read: number; written: number };
    /** Removes the file, if it is useless because the client left before closing it. */
    readonly remove?: (() => Promise<void>) | null;
  }
  & ({ readonly file: SftpBackendFile } | { readonly listing: Listing });

/** One client's open files and listings. Numbers are never reused, so a closed handle stays closed. */
export class Handles {
  readonly #opened: Map<number, Opened> = new Map();
  readonly #share: ConnectionShare;
  #next = 0;

  constructor(share: ConnectionShare) {
    this.#share = share;
  }

  /**
   * Opens a file or listing, unless too many are open.
   *
   * @throws {SftpError} If the limit is reached
   */
  async open(open: () => Promise<Opened>): Promise<Uint8Array> {
    if (this.#opened.size >= SFTP_MAX_HANDLES) refuse("Too many open handles");
    this.#share.takeHandle();
    try {
      return this.#add(await open());
    } catch (cause) {
      this.#share.returnHandle();
      throw cause;
    }
  }

  #add(opened: Opened): Uint8Array {
    const handle = new Uint8Array(4);
    new DataView(handle.buffer).setUint32(0, ++this.#next);
    this.#opened.set(this.#next, { ...opened, traffic: { read: 0, written: 0 } });
    return handle;
  }

  file(handle: Uint8Array): SftpBackendFile {
    const opened = this.#opened.get(numberOf(handle));
    if (opened === undefined || !("file" in opened)) refuse("No such file handle");
    return opened.file;
  }

  /** The file of a handle, if several requests for it may run in parallel; otherwise null. */
  parallel(handle: Uint8Array): SftpBackendFile | null {
    const opened = this.#opened.get(numberOf(handle));
    return opened && "file" in opened && opened.file.parallel ? opened.file : null;
  }

  /** The path that a handle was opened by; null if the handle is unknown. */
  path(handle: Uint8Array): string | null {
    return this.#opened.get(numberOf(handle))?.path ?? null;
  }

  /** The bytes read from and written to a file; null if the handle is not of a file. */
  traffic(handle: Uint8Array): { read: number; written: number } | null {
    const opened = this.#opened.get(numberOf(handle));
    return opened && "file" in opened ? opened.traffic! : null;
  }

  /** The open files, with the bytes read and written. */
  *files(): Iterable<{ path: string; traffic: { read: number; written: number } }> {
    for (const opened of this.#opened.values()) {
      if ("file" in opened) yield { path: opened.path, traffic: opened.traffic! };
    }
  }

  listing(handle: Uint8Array): Listing {
    const opened = this.#opened.get(numberOf(handle));
    if (opened === undefined || !("listing" in opened)) refuse("No such directory handle");
    return opened.listing;
  }

  async close(handle: Uint8Array): Promise<void> {
    const number = numberOf(handle);
    const opened = this.#opened.get(number);
    if (opened === undefined) refuse("No such handle");
    this.#opened.delete(number);
    this.#share.returnHandle();
    await close(opened);
  }

  /** Closes or aborts everything, removes files that are useless without their client, and ignores failures. */
  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#opened.values()].map(async (opened) => {
      try {
        if ("file" in opened && opened.file.abort) await opened.file.abort();
        else await close(opened);
      } finally {
        await opened.remove?.();
      }
    }));
    for (const _ of this.#opened) this.#share.returnHandle();
    this.#opened.clear();
  }
}

async function close(opened: Opened): Promise<void> {
  if ("file" in opened) await opened.file.close();
  else await opened.listing.return?.();
}

function numberOf(handle: Uint8Array): number {
  if (handle.length !== 4) return 0; // never given out
  return new DataView(handle.buffer, handle.byteOffset, 4).getUint32(0);
}
