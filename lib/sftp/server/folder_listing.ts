import type { SftpBackendEntry } from "./backend.ts";

/** Names to look up and hold at a time; it takes a fraction of a millisecond. */
const LIST_BATCH = 32;

/** A folder that is open. */
interface OpenFolder {
  /** Names in it, without `.` and `..`. */
  readonly names: AsyncIterator<{ readonly name: string }>;
  /** The entries of `.` and `..`. */
  first(): SftpBackendEntry[];
  /** The entries of these names, without missing ones. */
  entries(names: readonly string[]): SftpBackendEntry[];
  readonly close: Disposable;
}

/**
 * The entries of a folder, which is opened when the first one is asked for. One is asked for at a time. A generator
 * would do the same, but what its promises leave outlives V8's first collections: a flood of listings held
 * twice as much memory.
 */
export class FolderListing implements AsyncIterableIterator<SftpBackendEntry> {
  readonly #open: () => OpenFolder;
  #folder: OpenFolder | null = null;
  #entries: SftpBackendEntry[] = [];
  /** Where in the entries the next one is. */
  #at = 0;
  #isOver = false;

  constructor(open: () => OpenFolder) {
    this.#open = open;
  }

  next(): Promise<IteratorResult<SftpBackendEntry>> {
    if (this.#at === this.#entries.length) return this.#more();
    return Promise.resolve({ done: false, value: this.#entries[this.#at++]! });
  }

  async return(): Promise<IteratorResult<SftpBackendEntry>> {
    const folder = this.#folder;
    this.#folder = null;
    this.#entries = [];
    this.#at = 0;
    this.#isOver = true;
    using _closing = folder?.close;
    await folder?.names.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #more(): Promise<IteratorResult<SftpBackendEntry>> {
    if (this.#isOver) return { done: true, value: undefined };
    try {
      if (this.#folder === null) {
        this.#folder = this.#open();
        this.#entries = this.#folder.first();
      } else {
        const names = await this.#names(this.#folder.names);
        if (names.length === 0) return this.return();
        this.#entries = this.#folder.entries(names);
      }
    } catch (error) {
      await this.return();
      throw error;
    }
    this.#at = 0;
    return await this.next();
  }

  /** The next names; none at the end. */
  async #names(source: OpenFolder["names"]): Promise<string[]> {
    const names: string[] = [];
    while (names.length < LIST_BATCH) {
      const { done, value } = await source.next();
      if (done) break;
      names.push(value.name);
    }
    return names;
  }
}
