import { sftpError, SftpStatus } from "../protocol/status.ts";

/** What the entries of one folder may take while they are held: a million of the usual length. */
const MAX_LISTED_BYTES = 256 * 1024 * 1024;

/** What an entry takes besides its name. */
const ENTRY_BYTES = 192;

/** Bounds what is held of one folder's entries: a hostile server's listing does not end, nor do its names. */
export class ListedBytes {
  readonly #folder: string;
  #bytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Counts an entry that is held.
   *
   * @throws {SftpError} If that is too much
   */
  add(name: string): void {
    this.#bytes += ENTRY_BYTES + 2 * name.length;
    if (this.#bytes <= MAX_LISTED_BYTES) return;
    const call = { operation: "readDir", path: this.#folder };
    throw sftpError(SftpStatus.FAILURE, call, "a folder without an end");
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
