import { sftpError, SftpStatus } from "../protocol/status.ts";

/** The most memory for the entries of one folder: a million of the usual length. */
const MAX_LISTED_BYTES = 256 * 1024 * 1024;

/** The memory of an entry besides its name. */
const ENTRY_BYTES = 192;

/** Limits the memory for one folder's entries, because the listing of a hostile server may be endless. */
export class ListedBytes {
  readonly #folder: string;
  #bytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Counts an entry that is kept.
   *
   * @throws {SftpError} If the entries take too much memory
   */
  add(name: string): void {
    this.#bytes += ENTRY_BYTES + 2 * name.length;
    if (this.#bytes <= MAX_LISTED_BYTES) return;
    const call = { operation: "readDir", path: this.#folder };
    throw sftpError(SftpStatus.FAILURE, call, "the folder has too many entries");
  }
}

/**
 * All entries of a folder.
 *
 * @throws {SftpError} If there are too many
 */
export async function allListed<E extends { readonly name: string }>(
  folder: string,
  listing: AsyncIterable<E>,
): Promise<E[]> {
  const [held, entries]: [ListedBytes, E[]] = [new ListedBytes(folder), []];
  for await (const entry of listing) {
    held.add(entry.name);
    entries.push(entry);
  }
  return entries;
}
