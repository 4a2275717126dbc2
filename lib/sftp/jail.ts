import { nameProblem } from "./paths.ts";
import { refuse } from "./status.ts";

/** Symbolic links that one path may lead through, as Linux has it. */
const MAX_LINKS = 40;

/** Looks at a path after an open: what deceives one of them half of the time deceives none of all. */
const LOOKS = 32;

/** Where a client's path leads. */
export interface Place {
  /** The path on this machine, with no symbolic link between the root and its last step. */
  readonly real: string;
  /** The path as the client should see it, absolute. */
  readonly virtual: string;
  /** What is there; null if nothing is. */
  readonly info: Deno.FileInfo | null;
}

/**
 * Keeps paths below a folder: `/` is the folder, `..` stops there, and symbolic links are read as
 * they would be after `chroot`, an absolute one starting at the folder again.
 */
export class Jail {
  readonly #root: string;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @throws {Deno.errors.NotFound} If there is no such folder
   * @throws {Deno.errors.NotADirectory} If it is none
   */
  constructor(root: string) {
    const real = Deno.realPathSync(root);
    if (!Deno.statSync(real).isDirectory) {
      throw new Deno.errors.NotADirectory(`Cannot serve "${root}": it is not a directory`);
    }
    this.#root = real.replace(/[/\\]$/, "");
  }

  /** One at a time: between the look at a path and its use, no other client changes it. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Walks a path step by step; `last` says whether a symbolic link at its end is followed. */
  async resolve(path: string, last: "follow" | "keep"): Promise<Place> {
    const steps = stepsOf(path);
    const walked: Place[] = [];
    let links = 0;
    for (let step; (step = steps.pop()) !== undefined;) {
      const here = walked.at(-1);
      if (here !== undefined && !here.info?.isDirectory) throw new Deno.errors.NotFound();
      if (step === "..") {
        walked.pop();
        continue;
      }
      const place = await this.#step(here?.virtual ?? "", step);
      if (!place.info?.isSymlink || (steps.length === 0 && last === "keep")) {
        walked.push(place);
        continue;
      }
      if (++links > MAX_LINKS) refuse("Too many symbolic links");
      const target = await Deno.readLink(place.real);
      if (target.startsWith("/")) walked.length = 0;
      steps.push(...stepsOf(target));
    }
    return walked.at(-1) ??
      { real: this.#root || "/", virtual: "/", info: await Deno.lstat(this.#root || "/") };
  }

  /**
   * Whether an open file is what a place leads to, through folders alone. Deno has no `openat`, so
   * another program may have had a link in the way during the open, and swap it for the folder before
   * the look at the folder and back before the look at the file. Hence a coin says which to look at,
   * again and again: who swaps them must guess 32 coins, two microseconds each.
   */
  holds(file: Deno.FsFile, { real, virtual }: Place): boolean {
    const opened = file.statSync();
    if (!opened.isFile) return false;
    const folders: string[] = [];
    for (let at = virtual.indexOf("/", 1); at !== -1; at = virtual.indexOf("/", at + 1)) {
      folders.push(this.#root + virtual.slice(0, at));
    }
    const isFile = (): boolean => {
      const { dev, ino } = Deno.lstatSync(real);
      return dev === opened.dev && ino === opened.ino;
    };
    const areFolders = (): boolean => folders.every((path) => Deno.lstatSync(path).isDirectory);
    if (!areFolders() || !isFile()) return false;
    if (folders.length === 0) return true;
    const [coins = 0] = crypto.getRandomValues(new Uint32Array(1));
    for (let look = 0; look < LOOKS; look++) {
      if (!(coins >>> look & 1 ? isFile() : areFolders())) return false;
    }
    return true;
  }

  async #step(folder: string, name: string): Promise<Place> {
    if (Deno.build.os === "windows" && nameProblem(name)) throw new Deno.errors.NotFound();
    const virtual = `${folder}/${name}`;
    const real = this.#root + virtual;
    try {
      return { real, virtual, info: await Deno.lstat(real) };
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return { real, virtual, info: null };
      throw cause;
    }
  }
}

/** The steps of a path, the first one last. */
function stepsOf(path: string): string[] {
  return path.split("/").filter((step) => step !== "" && step !== ".").reverse();
}
