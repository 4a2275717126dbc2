import { SFTP_FILES_AT_ONCE, SFTP_MAX_DEPTH } from "../../defaults.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import { baseName, isHiddenBeside, isHiddenPart, stepProblem } from "../protocol/paths.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { ListedBytes } from "../remote/listed.ts";
import type { ListedEntry } from "../remote/remote_file_system.ts";
import type { FileStore } from "./file_store.ts";
import { isResumablePart } from "./old_parts.ts";
import type { Progress } from "./progress.ts";
import type { Selection } from "./selection.ts";

/** The entries of a folder by name. */
export type Entries = ReadonlyMap<string, SftpFileInfo>;

/** Whether the path of a folder is its real one, is a symbolic link, or has another real path. */
type Place = "real" | "link" | "elsewhere";

/** Finds and removes files of the target that the source does not have. */
export class Leftovers {
  readonly #store: FileStore;
  readonly #root: string;
  readonly #selection: Selection | null;
  readonly #progress: Progress;
  readonly #paths: string[] = [];
  #realRoot: Promise<string> | null = null;
  /** The places of folders that were looked at, by their paths below the root. */
  readonly #places: Map<string, Promise<Place>> = new Map();

  constructor(store: FileStore, root: string, selection: Selection | null, progress: Progress) {
    this.#store = store;
    this.#root = root;
    this.#selection = selection;
    this.#progress = progress;
  }

  /**
   * The entries of a target folder, none if it does not exist; null if it is a link or in one, so that
   * nothing in it may be removed.
   *
   * @param below The path below the transferred folder, with a final slash
   */
  async read(folder: string, below: string): Promise<Entries | null> {
    const entries = new Map<string, SftpFileInfo>();
    // A server that refuses LSTAT may still know the folder.
    if (await this.#store.lstat(folder).catch(() => undefined) === null) return entries;
    if (!(await this.#store.stat(folder))?.isDirectory) return entries;
    if (await this.#place(folder, below) !== "real") return null;
    for await (const { name, info } of this.#list(folder)) entries.set(name, info);
    return entries;
  }

  /**
   * Finds the entries of a target folder to remove: those other than these names.
   *
   * @param below The path below the transferred folder, with a final slash
   */
  async find(
    folder: string,
    below: string,
    names: ReadonlySet<string>,
    entries: Entries,
  ): Promise<void> {
    const kept = new Set([...names].map(folded));
    const others = [...entries].filter(([name]) => !kept.has(folded(name)))
      .map(([name, info]) => ({ name, info }));
    await this.#choose(folder, below, others, 0, this.#paths);
  }

  /**
   * Removes what is in the way of an entry of another kind.
   *
   * @param shown The path below the transferred folder
   * @throws {SftpError} If that has to be kept
   */
  async clear(path: string, shown: string, info: SftpFileInfo): Promise<void> {
    const found = await this.#store.lstat(path);
    if (found === null) return;
    const there = await this.#store.isLink(path) ? { ...found, ...LINK } : found;
    if (there.isDirectory && info.isDirectory) return this.#warn(path, OTHER_PLACE);
    if (!isInTheWay(there, info)) return;
    const isRemovable = this.#selection === null ||
      await this.#selection.has(shown, baseName(shown), there) &&
        (!there.isDirectory || await this.#choose(path, `${shown}/`, this.#list(path), 0, []));
    if (!isRemovable) {
      const call = { operation: "transfer", path, here: this.#store.trusted };
      const problem =
        "a file, folder or link of another kind has its name, and is left out of the " +
        "transfer, or something in it is";
      throw sftpError(SftpStatus.FAILURE, call, problem);
    }
    await this.#store.remove(path);
    this.#progress.remove(path);
  }

  #warn(path: string, message: string): void {
    this.#progress.warnings.push({ path, message });
  }

  #place(folder: string, below: string): Promise<Place> {
    if (below === "") return Promise.resolve("real"); // the user named it
    const known = this.#places.get(below);
    if (known !== undefined) return known;
    const place = this.#look(folder, below);
    this.#places.set(below, place);
    return place;
  }

  /** Looks at all steps, and at the real path, too: servers differ in which of them show a link. */
  async #look(folder: string, below: string): Promise<Place> {
    const path = below.slice(0, -1);
    const above = path.slice(0, path.lastIndexOf("/") + 1);
    this.#realRoot ??= this.#store.realPath(this.#root);
    const [upper, root, real, isLink] = await Promise.all([
      this.#place(this.#store.folderOf(folder), above),
      this.#realRoot,
      this.#store.realPath(folder),
      this.#store.isLink(folder),
    ]);
    if (isLink) return "link";
    return upper === "real" && real === this.#store.join(root, path) ? "real" : "elsewhere";
  }

  /** Lists a target folder without the parts of transfers, and without names that lead out of it. */
  async *#list(folder: string): AsyncGenerator<ListedEntry, void> {
    const held = new ListedBytes(folder);
    for await (const entry of this.#store.list(folder)) {
      const { name } = entry;
      held.add(name);
      if (isHiddenPart(name) || isHiddenBeside(name, "old") || isResumablePart(name)) continue;
      if (this.#store.trusted || stepProblem(name) === null) yield entry;
    }
  }

  /**
   * Adds the entries to remove to `found`; resolves to whether that is everything.
   *
   * @param entries Entries of the folder that the source does not have
   */
  async #choose(
    folder: string,
    below: string,
    entries: Iterable<ListedEntry> | AsyncIterable<ListedEntry>,
    depth: number,
    found: string[],
  ): Promise<boolean> {
    if (depth > SFTP_MAX_DEPTH) {
      const call = { operation: "transfer", path: folder, here: this.#store.trusted };
      throw sftpError(SftpStatus.FAILURE, call, "folders are nested too deeply");
    }
    let everything = true;
    const folders: (() => Promise<boolean>)[] = [];
    for await (const { name, info } of entries) {
      const [path, shown] = [this.#store.join(folder, name), below + name];
      if (this.#selection === null) found.push(path);
      else if (!await this.#selection.has(shown, name, info)) everything = false;
      else if (!info.isDirectory) found.push(path);
      else {
        folders.push(async () => {
          const inside: string[] = [];
          const place = await this.#place(path, `${shown}/`);
          if (place === "elsewhere") {
            this.#warn(path, OTHER_PLACE);
            return false;
          }
          const whole = place === "link" || // the link itself is removed
            await this.#choose(path, `${shown}/`, this.#list(path), depth + 1, inside);
          if (whole) found.push(path);
          else found.push(...inside);
          return whole;
        });
      }
    }
    for (const look of folders) if (!await look()) everything = false;
    return everything;
  }

  /**
   * Removes the entries found, unless something has failed before.
   *
   * @param attempt Runs a function and records its failure
   */
  async remove(
    attempt: (path: string, run: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    if (this.#progress.failures.length > 0) {
      return this.#warn(
        this.#root,
        "nothing was deleted in it, because not everything was transferred",
      );
    }
    while (this.#paths.length > 0) {
      const some = this.#paths.splice(0, SFTP_FILES_AT_ONCE);
      await Promise.all(some.map((path) => attempt(path, () => this.#remove(path))));
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#store.remove(path);
    } catch (cause) {
      if (await this.#store.lstat(path) !== null) throw cause;
      return; // another program has removed it
    }
    this.#progress.remove(path);
  }
}

/** Whether an entry of the target keeps one of another kind from being made. */
export function isInTheWay(there: SftpFileInfo, wanted: SftpFileInfo): boolean {
  if (wanted.isDirectory) return there.isFile || there.isSymlink;
  if (wanted.isFile) return there.isDirectory;
  return there.isFile || there.isDirectory; // of a link
}

const LINK = { isFile: false, isDirectory: false, isSymlink: true };

const OTHER_PLACE = "nothing was deleted in it, because the server gives another real path for it";

/**
 * A name in lower case and composed form, because file systems of Windows and macOS ignore both
 * differences.
 */
function folded(name: string): string {
  return name.normalize().toLowerCase();
}
