import { SFTP_FILES_AT_ONCE, SFTP_FOLDERS_AT_ONCE, SFTP_MAX_DEPTH } from "../../defaults.ts";
import type { SftpError } from "../../errors.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpWalkEntry } from "../remote/dir_entry.ts";
import type { Grow, TaskPool } from "./task_pool.ts";
import { type TransferContext, transferFile } from "./file_transfer.ts";
import { ListedBytes } from "../remote/listed.ts";
import type { FileStore } from "./file_store.ts";
import { baseName } from "../protocol/paths.ts";
import { isRefusal, nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";
import { isOfOneFile } from "./transfer_error.ts";
import { unchanged } from "./unchanged.ts";
import { type Entries, isInTheWay, Leftovers } from "./leftovers.ts";
import { Selection } from "./selection.ts";

/** What holds for everything in a folder. */
interface Inside {
  readonly depth: number;
  /** The real paths of the folders above, if links are followed, to detect a folder that contains itself. */
  readonly above: readonly string[];
  /** Whether the target is known to have nothing in it. */
  readonly isNew: boolean;
}

/** A folder of the transfer: its path in both stores. */
interface TransferFolder extends Inside {
  readonly from: string;
  readonly to: string;
  /** The path below the transferred folder, with a final slash; empty for the folder itself. */
  readonly below: string;
  readonly info: SftpFileInfo;
  /** Whether the source is a link to a folder. */
  readonly isLink: boolean;
}

/** A listed file: its path in both stores. */
interface SourceEntry {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** The path below the transferred folder. */
  readonly path: string;
  /** Of a link's target, if links are followed. */
  readonly info: SftpFileInfo;
  readonly isLink: boolean;
}

/** An entry that cannot be made because the target has one of another kind. */
interface Obstructed {
  readonly entry: Pick<SourceEntry, "from" | "to" | "path" | "info">;
  run(): void | Promise<void>;
}

const NOTHING: Entries = new Map();
const ROOT: Inside = { depth: 0, above: [], isNew: false };

/** A file or folder that a server refused to open. */
interface Refused {
  readonly path: string;
  readonly error: SftpError;
  run(): Promise<void>;
}

/**
 * After this many repeated failures the remaining ones are not tried: the number of handles is not the
 * reason.
 */
const TRIES_IN_VAIN = 3;

/** The most links from one to the next; more of them are a circle. */
const MAX_LINKS = 40;

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
  /** Folders to transfer; the last is taken first, so that few wait. */
  readonly #waiting: TransferFolder[] = [];
  readonly #made: TransferFolder[] = [];
  readonly #links: { entry: SourceEntry; text: string }[] = [];
  /** Files and folders that could not be opened while others were open. */
  readonly #again: Refused[] = [];
  /** Whether only one file or folder is open at a time. */
  #alone = false;
  #root = "";
  readonly #selection: Selection | null;
  #leftovers: Leftovers | null = null;
  readonly #obstructed: Obstructed[] = [];

  constructor(from: FileStore, to: FileStore, context: TransferContext, pool: TaskPool) {
    this.#from = from;
    this.#to = to;
    this.#context = context;
    this.#pool = pool;
    this.#selection = Selection.of(context.options);
  }

  #selected(path: string, name: string, info: SftpFileInfo): boolean | Promise<boolean> {
    return this.#selection === null || this.#selection.has(path, name, info);
  }

  /** Transfers a folder; failures are collected in the progress. */
  async run(from: string, to: string, info: SftpFileInfo): Promise<void> {
    await this.#all(to, info, () => {
      this.#waiting.push({ from, to, below: "", info, isLink: false, ...ROOT });
      return Promise.resolve();
    });
  }

  /** Transfers the matches of a pattern into a folder. */
  async some(found: readonly SftpWalkEntry[], to: string): Promise<void> {
    const names = new Set<string>();
    await this.#all(to, null, async () => {
      for (const { name, path, info: own } of found) {
        if (!this.#usable(path, name, names, "another match has the same name")) continue;
        await this.#attempt(path, async () => {
          const info = own.isSymlink ? await this.#from.stat(path) ?? own : own;
          if (!(await this.#selected(name, name, info))) return;
          const isLink = own.isSymlink;
          const entry = { name, from: path, to: this.#to.join(to, name), path: name, info, isLink };
          if (info.isDirectory && !this.#context.options.recursive) {
            this.#context.progress.skip(path);
          } else await this.#entry(entry, { ...ROOT, depth: 1 });
        });
      }
    });
  }

  async #all(to: string, info: SftpFileInfo | null, begin: () => Promise<void>): Promise<void> {
    this.#root = to;
    if (this.#context.options.delete) {
      this.#leftovers = new Leftovers(this.#to, to, this.#selection, this.#context.progress);
    }
    await this.#pool.work(async () => {
      await this.#to.makeFolder(to, info?.mode ?? null, "root");
      await begin();
      await this.#folders();
    });
    await this.#pool.work(() => this.#oneByOne());
    await this.#pool.work(() => this.#replace());
    for (const { entry, text } of this.#links) {
      await this.#attempt(entry.from, async () => {
        if (await this.#hasLink(entry.to, text)) return this.#context.progress.same(entry.from);
        await this.#to.symlink(text, entry.to, this.#root);
        this.#context.progress.finish(entry.from);
      });
    }
    await this.#leftovers?.remove((path, run) => this.#attempt(path, run));
    await this.#finish();
  }

  /** Whether the target has a link already, with `update`. */
  async #hasLink(path: string, text: string): Promise<boolean> {
    if (!this.#context.options.update) return false;
    if (!(await this.#to.lstat(path))?.isSymlink) return false;
    return await nullIfRefused(this.#to.readLink(path)) === text;
  }

  /**
   * Tries again the files and folders that a server refused to open without a reason, one at a time: some
   * servers allow only a few handles, and do not announce how many.
   */
  async #oneByOne(): Promise<void> {
    this.#alone = true;
    const { failures } = this.#context.progress;
    let failed = 0;
    for (const { path, error, run } of this.#again.splice(0)) {
      if (failed === TRIES_IN_VAIN) {
        failures.push({ path, error });
        continue;
      }
      const before = failures.length;
      await this.#attempt(path, run);
      await this.#folders();
      failed = failures.length > before ? failed + 1 : 0;
    }
  }

  /** Replaces entries of another kind in the target, if everything else has succeeded. */
  async #replace(): Promise<void> {
    const { failures } = this.#context.progress;
    for (const { entry: { from, to, path, info }, run } of this.#obstructed.splice(0)) {
      await this.#attempt(from, async () => {
        if (failures.length > 0) {
          const problem =
            "a file, folder or link of another kind has its name, and is removed only if " +
            "everything else was transferred";
          const call = { operation: "transfer", path: to, here: this.#to.trusted };
          throw sftpError(SftpStatus.FAILURE, call, problem);
        }
        await this.#leftovers!.clear(to, path, info);
        await run();
      });
      await this.#folders();
    }
  }

  /** Transfers all waiting folders, some in parallel. */
  async #folders(): Promise<void> {
    const { signal } = this.#pool;
    const most = this.#alone ? 1 : SFTP_FOLDERS_AT_ONCE;
    const under = new Set<Promise<void>>();
    while (under.size > 0 || (this.#waiting.length > 0 && !signal.aborted)) {
      while (this.#waiting.length > 0 && !signal.aborted && under.size < most) {
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
    const call = { operation: "transfer", path: from, here: this.#from.trusted };
    if (depth > SFTP_MAX_DEPTH) {
      throw sftpError(SftpStatus.FAILURE, call, "folders are nested too deeply");
    }
    const above = this.#follows ? [...folder.above, await this.#realPath(folder)] : [];
    if (this.#follows && folder.above.includes(above.at(-1)!)) {
      return this.#context.progress.skip(from); // a link that leads back
    }
    const there = this.#leftovers && !folder.isNew
      ? await this.#leftovers.read(to, folder.below)
      : NOTHING;
    if (there === null) {
      const run = () => void this.#waiting.push({ ...folder, isNew: true });
      return void this.#obstructed.push({
        entry: { ...folder, path: folder.below.slice(0, -1) },
        run,
      });
    }
    if (depth > 0) await this.#to.makeFolder(to, folder.info.mode, "inside");
    if (!this.#alone || !this.#made.includes(folder)) this.#made.push(folder);
    const names = new Set<string>();
    const held = new ListedBytes(from);
    const listed: SourceEntry[] = [];
    const inside = { depth: depth + 1, above, isNew: folder.isNew };
    const each = (entry: SourceEntry) =>
      this.#attempt(entry.from, () => this.#entry(entry, inside, there.get(entry.name)));
    try {
      for await (const { name, info: own } of this.#from.list(from)) {
        held.add(name);
        if (!this.#usable(this.#from.join(from, name), name, names)) continue;
        const [source, target] = [this.#from.join(from, name), this.#to.join(to, name)];
        const info = await this.#infoOf(source, own);
        const path = folder.below + name;
        if (info === null || !(await this.#selected(path, name, info))) continue;
        const isLink = own.isSymlink;
        const entry = { name, from: source, to: target, path, info, isLink };
        if (this.#alone) listed.push(entry);
        else await each(entry);
      }
    } catch (error) {
      if (names.size > 0 || !this.#mayBeHandles(error)) throw error;
      this.#again.push({ path: from, error, run: () => this.#folder(folder) });
      return;
    }
    for (const entry of listed) await each(entry);
    await this.#leftovers?.find(to, folder.below, names, there);
  }

  get #follows(): boolean {
    return this.#context.options.links === "follow";
  }

  /** The real path of a folder, by READLINK, too, because REALPATH of some servers does not follow links. */
  async #realPath({ from, below, above, isLink }: TransferFolder): Promise<string> {
    const upper = above.at(-1);
    if (upper === undefined) return await this.#from.realPath(from);
    let real = await this.#from.realPath(this.#from.join(upper, baseName(below)));
    for (let links = 0; isLink && links < MAX_LINKS; links++) {
      const text = await this.#from.readLink(real).catch(() => null);
      if (text === null) break; // no link is left
      const isAbsolute = text.startsWith("/");
      const target = isAbsolute ? text : this.#from.join(this.#from.folderOf(real), text);
      real = await this.#from.realPath(target);
    }
    return real;
  }

  /** The attributes of a listed entry, of its target if it is a link to follow; null if that failed. */
  async #infoOf(path: string, own: SftpFileInfo): Promise<SftpFileInfo | null> {
    if (!own.isSymlink || !this.#follows) return own;
    let info = null as SftpFileInfo | null;
    await this.#attempt(path, async () => void (info = await this.#from.stat(path) ?? own));
    return info;
  }

  /** Whether a name may become part of a path; records a failure if not. */
  #usable(
    path: string,
    name: string,
    names: Set<string>,
    repeated = "it is listed twice",
  ): boolean {
    const here = this.#from.trusted;
    const isStep = name !== "" && name !== "." && name !== ".."; // a pattern may end otherwise
    const problem = names.has(name) ? repeated : here && isStep ? null : this.#to.nameProblem(name);
    names.add(name);
    if (problem === null) return true;
    const reason = `cannot use the name "${name}": ${problem}`;
    const error = sftpError(SftpStatus.BAD_MESSAGE, { operation: "transfer", path, here }, reason);
    this.#context.progress.failures.push({ path, error });
    return false;
  }

  /** @param there What the target has under this name, if that may be removed */
  async #entry(entry: SourceEntry, inside: Inside, there?: SftpFileInfo): Promise<void> {
    const { options: { links = "skip" }, progress } = this.#context;
    const { info } = entry;
    const isKept = info.isSymlink && links === "keep";
    if (!info.isDirectory && !info.isFile && !isKept) return progress.skip(entry.from);
    if (there !== undefined && isInTheWay(there, info)) {
      const run = () => this.#make(entry, { ...inside, isNew: true });
      return void this.#obstructed.push({ entry, run });
    }
    await this.#make(entry, inside);
  }

  /** Begins a folder, a file, or a link that is kept. */
  async #make(entry: SourceEntry, inside: Inside): Promise<void> {
    const { from, to, path, info, isLink } = entry;
    if (info.isDirectory) {
      this.#waiting.push({ from, to, below: `${path}/`, info, isLink, ...inside });
    } else if (info.isFile) {
      await this.#file(entry);
    } else {
      await this.#pool.start(() =>
        this.#attempt(from, async () => {
          this.#links.push({ entry, text: await this.#from.readLink(from) });
        })
      );
    }
  }

  async #file(entry: SourceEntry): Promise<void> {
    if (this.#alone) return await this.#opened(entry, () => Promise.resolve());
    await this.#pool.start((grow) =>
      this.#attempt(entry.from, async () => {
        try {
          await this.#carried(entry, grow);
        } catch (error) {
          if (!this.#mayBeHandles(error) || error.operation !== "open") throw error;
          const run = () => this.#opened(entry, () => Promise.resolve());
          this.#again.push({ path: entry.from, error, run });
        }
      })
    );
  }

  /** Transfers a file; tries again if one of the further connections was lost. */
  async #carried(entry: SourceEntry, grow: Grow): Promise<void> {
    const context = this.#context;
    for (;;) {
      const before = context.lost();
      try {
        return await this.#opened(entry, grow);
      } catch (error) {
        if (isOfOneFile(error) || context.lost() === before || context.over()) throw error;
        context.signal.throwIfAborted();
      }
    }
  }

  async #opened({ from, to, info }: SourceEntry, grow: Grow): Promise<void> {
    if (await unchanged(this.#from, from, this.#to, to, info, this.#context)) {
      return this.#context.progress.same(from);
    }
    const source = await this.#from.source(from, info);
    try {
      await grow(source.size ?? 0);
    } catch (cause) {
      source.close();
      throw cause;
    }
    const { size } = source;
    const request = { path: to, name: from, info: source.info ?? info, size, inside: true };
    await transferFile(from, source, () => this.#to.target(request), this.#context);
  }

  /** Whether an error may be due to too many open handles. */
  #mayBeHandles(error: unknown): error is SftpError {
    if (this.#alone || this.#context.over()) return false;
    return isRefusal(error) && error.status === SftpStatus.FAILURE;
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
          this.#attempt(from, () => this.#to.setAttributes(to, info))
        ),
      );
    }
  }

  /** Records a failure that concerns only one file; throws any other. */
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
