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
  /** Entries that were looked up, the next one last: those that were read must not stay in memory. */
  #entries: SftpBackendEntry[] = [];
  #isOver = false;

  constructor(open: () => OpenFolder) {
    this.#open = open;
  }

  next(): Promise<IteratorResult<SftpBackendEntry>> {
    const value = this.#entries.pop();
    return value === undefined ? this.#more() : Promise.resolve({ done: false, value });
  }

  async return(): Promise<IteratorResult<SftpBackendEntry>> {
    const folder = this.#folder;
    this.#folder = null;
    this.#entries = [];
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
        this.#entries = this.#folder.first().reverse();
      } else {
        const names = await this.#names(this.#folder.names);
        if (names.length === 0) return this.return();
        this.#entries = this.#folder.entries(names).reverse();
      }
    } catch (error) {
      await this.return();
      throw error;
    }
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
