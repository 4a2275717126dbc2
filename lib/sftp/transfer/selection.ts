/** Selects the entries of a folder that are transferred. */
import { globMatcher } from "../../patterns.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";

/** An entry of a folder that is transferred, as a filter sees it. */
export interface SftpFilterEntry {
  /** The path below the transferred folder, with `/` between its steps. */
  readonly path: string;
  /** The last step of the path. */
  readonly name: string;
  /** Whether it is a regular file. */
  readonly isFile: boolean;
  /** Whether it is a folder. */
  readonly isDirectory: boolean;
  /** Whether it is a symbolic link. */
  readonly isSymlink: boolean;
  /** The size in bytes; null if the server does not tell. */
  readonly size: number | null;
  /** When the content was changed; null if the server does not tell. */
  readonly mtime: Date | null;
}

/** The options of a transfer that select entries. */
interface Choice {
  readonly filter?: (entry: SftpFilterEntry) => boolean | Promise<boolean>;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** Applies these options to the entries of a folder. */
export class Selection {
  readonly #filter: Choice["filter"];
  readonly #include: readonly PathPattern[] | null;
  readonly #exclude: readonly PathPattern[];

  private constructor({ filter, include, exclude = [] }: Choice) {
    this.#filter = filter;
    this.#include = include?.map((pattern) => new PathPattern(pattern)) ?? null;
    this.#exclude = exclude.map((pattern) => new PathPattern(pattern));
  }

  /** Null if the options select everything. */
  static of(options: Choice): Selection | null {
    const { filter, include, exclude } = options;
    return filter || include || exclude ? new Selection(options) : null;
  }

  /** Whether an entry is transferred; folders that are not are not listed. */
  async has(path: string, name: string, info: SftpFileInfo): Promise<boolean> {
    const { isFile, isDirectory, isSymlink, size, mtime } = info;
    const steps = path.split("/");
    if (this.#exclude.some((pattern) => pattern.matches(steps, isDirectory))) return false;
    if (this.#include && !isDirectory && !this.#isIncluded(steps)) return false;
    if (!this.#filter) return true;
    return await this.#filter({ path, name, isFile, isDirectory, isSymlink, size, mtime });
  }

  /** Whether a pattern matches the file, or a folder that it is in. */
  #isIncluded(steps: readonly string[]): boolean {
    return steps.some((_, at) => {
      const [above, isFolder] = [steps.slice(0, at + 1), at < steps.length - 1];
      return this.#include!.some((pattern) => pattern.matches(above, isFolder));
    });
  }
}

/**
 * A pattern of `include` or `exclude`. Matching takes at most time proportional to the product of both
 * lengths, so a hostile server's names cannot stall it.
 */
class PathPattern {
  readonly #onlyFolders: boolean;
  /** One test per step; null for `**`. */
  readonly #steps: readonly (((name: string) => boolean) | null)[];

  constructor(pattern: string) {
    const steps = pattern.split("/").filter((step) => step !== "" && step !== ".");
    if (steps.length === 0 || steps.includes("..")) {
      throw new TypeError(`The pattern "${pattern}" names nothing inside the folder`);
    }
    this.#onlyFolders = pattern.endsWith("/");
    const anywhere = !pattern.replace(/\/$/, "").includes("/");
    const tests = steps.map((step) => step === "**" ? null : globMatcher(step, { dots: true }));
    this.#steps = anywhere ? [null, ...tests] : tests;
  }

  matches(path: readonly string[], isFolder: boolean): boolean {
    if (this.#onlyFolders && !isFolder) return false;
    const steps = this.#steps;
    let [at, step, run, resume] = [0, 0, -1, 0];
    while (at < path.length) {
      const test = steps[step];
      if (test === null) {
        run = step++;
        resume = at;
      } else if (test?.(path[at]!)) {
        at++;
        step++;
      } else if (run !== -1) { // `**` takes one step more
        step = run + 1;
        at = ++resume;
      } else return false;
    }
    return step === steps.length; // `a/**` matches the content of `a`, not `a` itself
  }
}
