import { SFTP_FILES_AT_ONCE, SFTP_FOLDERS_AT_ONCE, SFTP_MAX_DEPTH } from "../../defaults.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpWalkEntry } from "../remote/dir_entry.ts";
import type { TaskPool } from "./task_pool.ts";
import { type TransferContext, transferFile } from "./file_transfer.ts";
import { ListedBytes } from "../remote/listed.ts";
import type { FileStore } from "./file_store.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { isOfOneFile } from "./transfer_error.ts";

/** A folder of the transfer: its path in both stores. */
interface TransferFolder {
  readonly from: string;
  readonly to: string;
  readonly info: SftpFileInfo;
  readonly depth: number;
  /** The real paths of the folders above, if links are followed: a folder must not contain itself. */
  readonly above: readonly string[];
}

/** A listed file: its path in both stores. */
interface SourceEntry {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly info: SftpFileInfo;
}

/**
 * Transfers a folder with everything in it, many files and some folders in parallel. A server is not trusted:
 * names must be single steps, depth and size of folders are limited, links are made last, and local links
 * are not followed.
 */
export class FolderTransfer {
  readonly #from: FileStore;
  readonly #to: FileStore;
  readonly #context: TransferContext;
  readonly #pool: TaskPool;
  /** Folders to transfer, the latest first, so that few wait. */
  readonly #waiting: TransferFolder[] = [];
  readonly #made: TransferFolder[] = [];
  readonly #links: { entry: SourceEntry; text: string }[] = [];
  #root = "";

  constructor(from: FileStore, to: FileStore, context: TransferContext, pool: TaskPool) {
    this.#from = from;
    this.#to = to;
    this.#context = context;
    this.#pool = pool;
  }

  /** Transfers a folder; failures are collected in the progress. */
  async run(from: string, to: string, info: SftpFileInfo): Promise<void> {
    await this.#all(to, info, () => {
      this.#waiting.push({ from, to, info, depth: 0, above: [] });
      return Promise.resolve();
    });
  }

  /** Transfers what a pattern matched into a folder. */
  async some(found: readonly SftpWalkEntry[], to: string): Promise<void> {
    const names = new Set<string>();
    await this.#all(to, null, async () => {
      for (const { name, path, info: own } of found) {
        if (!this.#usable(path, name, names)) continue;
        const info = own.isSymlink ? await this.#from.stat(path) ?? own : own;
        const entry = { name, from: path, to: this.#to.join(to, name), info };
        if (info.isDirectory && !this.#context.options.recursive) {
          this.#context.progress.skipped.push(path);
        } else await this.#attempt(path, () => this.#entry(entry, 0, []));
      }
    });
  }

  async #all(to: string, info: SftpFileInfo | null, begin: () => Promise<void>): Promise<void> {
    this.#root = to;
    await this.#pool.work(async () => {
      await this.#to.makeFolder(to, info?.mode ?? null, "root");
      await begin();
      await this.#folders();
    });
    for (const { entry, text } of this.#links) {
      await this.#attempt(entry.from, async () => {
        await this.#to.symlink(text, entry.to, this.#root);
        this.#context.progress.finish(entry.from);
      });
    }
    await this.#finish();
  }

  /** Transfers all waiting folders, some in parallel. */
  async #folders(): Promise<void> {
    const { signal } = this.#pool;
    const under = new Set<Promise<void>>();
    while (under.size > 0 || (this.#waiting.length > 0 && !signal.aborted)) {
      while (this.#waiting.length > 0 && !signal.aborted && under.size < SFTP_FOLDERS_AT_ONCE) {
        const folder = this.#waiting.pop()!;
        const run = this.#attempt(folder.from, () => this.#folder(folder))
          .catch((cause) => this.#pool.fail(cause))
          .then(() => void under.delete(run));
        under.add(run);
      }
      await Promise.race(under);
    }
  }

  async #folder(folder: TransferFolder): Promise<void> {
    const { from, to, depth } = folder;
    const call = { operation: "transfer", path: from };
    if (depth > SFTP_MAX_DEPTH) {
      throw sftpError(SftpStatus.FAILURE, call, "folders without an end");
    }
    const following = this.#context.options.links === "follow";
    const above = following ? [...folder.above, await this.#from.realPath(from)] : [];
    if (following && folder.above.includes(above.at(-1)!)) return; // a link has led back
    if (depth > 0) await this.#to.makeFolder(to, folder.info.mode, "inside");
    this.#made.push(folder);
    const names = new Set<string>();
    const held = new ListedBytes(from);
    for await (const { name, info } of this.#from.list(from)) {
      held.add(name);
      if (!this.#usable(this.#from.join(from, name), name, names)) continue;
      const entry = { name, from: this.#from.join(from, name), to: this.#to.join(to, name), info };
      await this.#attempt(entry.from, () => this.#entry(entry, depth, above));
    }
  }

  /** Whether a name may become part of a path; if not, a failure is noted. */
  #usable(path: string, name: string, names: Set<string>): boolean {
    const problem = names.has(name)
      ? "it is listed twice"
      : this.#from.trusted
      ? null
      : this.#to.nameProblem(name);
    names.add(name);
    if (problem === null) return true;
    const reason = `cannot use the name "${name}": ${problem}`;
    const error = sftpError(SftpStatus.BAD_MESSAGE, { operation: "transfer", path }, reason);
    this.#context.progress.failures.push({ path, error });
    return false;
  }

  async #entry(entry: SourceEntry, depth: number, above: readonly string[]): Promise<void> {
    const { options: { links = "skip" }, progress } = this.#context;
    let { info } = entry;
    if (info.isSymlink && links === "follow") info = await this.#from.stat(entry.from) ?? info;
    if (info.isDirectory) {
      this.#waiting.push({ from: entry.from, to: entry.to, info, depth: depth + 1, above });
    } else if (info.isFile) {
      await this.#file({ ...entry, info });
    } else if (info.isSymlink && links === "keep") {
      await this.#pool.start(() =>
        this.#attempt(entry.from, async () => {
          this.#links.push({ entry, text: await this.#from.readLink(entry.from) });
        })
      );
    } else progress.skipped.push(entry.from);
  }

  async #file({ from, to, info }: SourceEntry): Promise<void> {
    await this.#pool.start((grow) =>
      this.#attempt(from, async () => {
        if (await unchanged(this.#to, to, info, this.#context)) return;
        const source = await this.#from.source(from, info);
        try {
          await grow(Math.min(source.size ?? 0, this.#context.inFlight));
        } catch (cause) {
          source.close();
          throw cause;
        }
        const request = { path: to, name: from, info: source.info ?? info, inside: true };
        await transferFile(from, source, () => this.#to.target(request), this.#context);
      })
    );
  }

  /**
   * Sets the folders' attributes, children first: new entries change a folder's times, and its mode may
   * forbid them.
   */
  async #finish(): Promise<void> {
    const { preserve = false, owners = false } = this.#context.options;
    if (!preserve && !owners) return;
    this.#made.sort((a, b) => b.depth - a.depth);
    for (let at = 0; at < this.#made.length;) {
      const { depth } = this.#made[at]!;
      const some = this.#made.slice(at, at + SFTP_FILES_AT_ONCE).filter((other) =>
        other.depth === depth
      );
      at += some.length;
      await Promise.all(
        some.map(({ from, to, info }) =>
          this.#attempt(from, () => this.#to.finishFolder(to, info))
        ),
      );
    }
  }

  /** Notes a failure that concerns one file only; throws any other. */
  async #attempt(path: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#context.signal.throwIfAborted();
      if (!isOfOneFile(error) || this.#context.over()) throw error;
      this.#context.progress.failures.push({ path, error });
    }
  }
}

/** Whether the target has the file already, by size and time; it is counted then. */
export async function unchanged(
  to: FileStore,
  path: string,
  info: SftpFileInfo,
  { options: { update = false }, progress }: TransferContext,
): Promise<boolean> {
  if (!update || info.mtime === null) return false;
  const there = await to.lstat(path);
  const same = there !== null && there.isFile && there.size === info.size &&
    there.mtime !== null && seconds(there.mtime) === seconds(info.mtime);
  if (same) progress.unchanged++;
  return same;
}

/** SFTP's times are in seconds. */
function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
