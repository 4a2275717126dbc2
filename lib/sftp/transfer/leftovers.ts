import { SFTP_FILES_AT_ONCE, SFTP_MAX_DEPTH } from "../../defaults.ts";
import { isHiddenPart } from "../protocol/paths.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { ListedBytes } from "../remote/listed.ts";
import type { FileStore } from "./file_store.ts";
import { isResumablePart } from "./old_parts.ts";
import type { Progress } from "./progress.ts";
import type { Selection } from "./selection.ts";

/** Finds and removes files of the target that the source does not have. */
export class Leftovers {
  readonly #store: FileStore;
  readonly #root: string;
  readonly #selection: Selection | null;
  readonly #progress: Progress;
  readonly #paths: string[] = [];
  #realRoot: Promise<string> | null = null;

  constructor(store: FileStore, root: string, selection: Selection | null, progress: Progress) {
    this.#store = store;
    this.#root = root;
    this.#selection = selection;
    this.#progress = progress;
  }

  /**
   * Finds the entries of a target folder other than these names.
   *
   * @param below The path below the transferred folder, with a final slash
   */
  async find(folder: string, below: string, names: ReadonlySet<string>): Promise<void> {
    if (!(await this.#store.stat(folder))?.isDirectory) return; // a dry run does not make it
    if (await this.#leadsElsewhere(folder, below)) {
      const message = "nothing was deleted in it, because it is a symbolic link, or in one";
      return void this.#progress.warnings.push({ path: folder, message });
    }
    await this.#list(folder, below, new Set([...names].map(folded)), 0, this.#paths);
  }

  /**
   * Whether a folder of the target, or one above it, is a link. Compares real paths, because LSTAT of some
   * servers follows links.
   */
  async #leadsElsewhere(folder: string, below: string): Promise<boolean> {
    if (below === "") return false; // the user named it
    this.#realRoot ??= this.#store.realPath(this.#root);
    const expected = this.#store.join(await this.#realRoot, below.replace(/\/$/, ""));
    return await this.#store.realPath(folder) !== expected;
  }

  /**
   * Adds the entries to remove to `found`; resolves to whether that is the whole content of the folder.
   *
   * @param names Names to keep, folded
   */
  async #list(
    folder: string,
    below: string,
    names: ReadonlySet<string>,
    depth: number,
    found: string[],
  ): Promise<boolean> {
    if (depth > SFTP_MAX_DEPTH) {
      const call = { operation: "transfer", path: folder, here: this.#store.trusted };
      throw sftpError(SftpStatus.FAILURE, call, "folders are nested too deeply");
    }
    let everything = true;
    const held = new ListedBytes(folder);
    const folders: (() => Promise<boolean>)[] = [];
    for await (const { name, info } of this.#store.list(folder)) {
      held.add(name);
      if (names.has(folded(name)) || isHiddenPart(name) || isResumablePart(name)) continue;
      if (!this.#store.trusted && this.#store.nameProblem(name) !== null) continue;
      const [path, shown] = [this.#store.join(folder, name), below + name];
      if (this.#selection === null) found.push(path);
      else if (!await this.#selection.has(shown, name, info)) everything = false;
      else if (!info.isDirectory) found.push(path);
      else {
        folders.push(async () => {
          const inside: string[] = [];
          if (await this.#leadsElsewhere(path, `${shown}/`)) {
            found.push(path); // the link itself
            return true;
          }
          const whole = await this.#list(path, `${shown}/`, new Set(), depth + 1, inside);
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
      const message = "nothing was deleted in it, because not everything was transferred";
      return void this.#progress.warnings.push({ path: this.#root, message });
    }
    while (this.#paths.length > 0) {
      const some = this.#paths.splice(0, SFTP_FILES_AT_ONCE);
      await Promise.all(some.map((path) =>
        attempt(path, async () => {
          await this.#store.remove(path);
          this.#progress.remove(path);
        })
      ));
    }
  }
}

/**
 * A name in lower case and composed form, because file systems of Windows and macOS ignore both
 * differences.
 */
function folded(name: string): string {
  return name.normalize().toLowerCase();
}
