import { SFTP_MAX_DEPTH } from "../../defaults.ts";
import { platformError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { nameProblem } from "../protocol/paths.ts";
import { refuse, SftpStatus } from "../protocol/status.ts";
import { nullIfMissing } from "./local_stat.ts";
import {
  checkText,
  type Folders,
  type PinnedFolder,
  type ResolvedPath,
  type ServedTree,
} from "./served_tree.ts";

/** The most symbolic links in one path, as on Linux. */
const MAX_LINKS = 40;

/**
 * The most steps in one path, including those of its links: into the deepest folder and out again, about 4
 * ms.
 */
const MAX_STEPS = 2 * SFTP_MAX_DEPTH;

/** Checks after an open. A well-timed swap passes each check with a probability of one half. */
const SWAP_CHECKS = 32;

/**
 * Keeps paths below a folder, as after `chroot`: `/` is the folder, `..` stops there, and absolute symbolic
 * links start at the folder.
 */
export class Jail<F> implements ServedTree {
  readonly open = false;
  readonly openFlags: number = openFlags();
  readonly #folders: Folders<F>;
  readonly #home: string;

  /** @param home Where relative paths begin, as clients see it */
  constructor(folders: Folders<F>, home: string) {
    this.#folders = folders;
    this.#home = home;
  }

  /** Walks a path step by step. */
  resolve(path: string, last: "follow" | "keep"): ResolvedPath {
    checkText(path);
    const folders = this.#folders;
    const inside: F[] = [folders.root()];
    const names: string[] = [];
    const leave = (): void => {
      for (let folder; (folder = inside.pop()) !== undefined;) folders.leave(folder);
    };
    const at = (name: string, info: Deno.FileInfo | null): ResolvedPath => ({
      real: folders.path(inside.at(-1)!, name),
      virtual: `/${[...names, name].filter((step) => step !== ".").join("/")}`,
      info,
      [Symbol.dispose]: leave,
    });
    try {
      const steps = stepsOf(path);
      if (!path.startsWith("/")) steps.push(...stepsOf(this.#home));
      let links = 0;
      for (let step, taken = 0; (step = steps.pop()) !== undefined;) {
        // Count the remaining steps before looking any of them up.
        if (++taken + steps.length > MAX_STEPS) {
          refuse("Too many steps in the path", SftpStatus.BAD_MESSAGE);
        }
        if (step === "..") {
          if (names.pop() !== undefined) folders.leave(inside.pop()!);
          continue;
        }
        const found = at(step, look(folders.path(inside.at(-1)!, step), step));
        const { info, real } = found;
        if (info?.isSymlink && !(steps.length === 0 && last === "keep")) {
          if (++links > MAX_LINKS) refuse("Too many symbolic links", SftpStatus.NO_SUCH_FILE);
          const target = runtime.files.readLinkSync(real);
          if (target.startsWith("/")) {
            while (names.pop() !== undefined) folders.leave(inside.pop()!);
          }
          steps.push(...stepsOf(target));
        } else if (steps.length === 0) {
          return found;
        } else {
          if (!info?.isDirectory) throw platformError("NotFound");
          // Each folder takes a descriptor until the path is resolved.
          if (names.length >= SFTP_MAX_DEPTH) refuse("Too many folders in folders");
          inside.push(folders.enter(inside.at(-1)!, step));
          names.push(step);
        }
      }
      // The path ends at the current folder, which is looked up in its parent.
      const name = names.pop();
      if (name !== undefined) folders.leave(inside.pop()!);
      const own = name ?? ".";
      return at(own, look(folders.path(inside.at(-1)!, own), own));
    } catch (cause) {
      leave();
      throw cause;
    }
  }

  realPath(path: string): string {
    using found = this.resolve(path, "follow");
    return found.virtual;
  }

  pin(found: ResolvedPath): PinnedFolder {
    return this.#folders.pin(found);
  }

  holds(fd: number, found: ResolvedPath): boolean {
    return this.#folders.holds(fd, found);
  }
}

/**
 * Represents folders as paths, for systems without anything better. Another program may put a link in place
 * of a folder during an open, swap it back before the folder is checked, and again before the file is
 * checked. Therefore 32 checks follow, each of the folders or of the file, chosen at random: an attacker
 * must guess all 32 choices, two microseconds each.
 */
export class PathFolders implements Folders<string> {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  root(): string {
    return this.#root;
  }

  enter(folder: string, name: string): string {
    return this.path(folder, name);
  }

  leave(): void {}

  path(folder: string, name: string): string {
    return `${folder}/${name}`;
  }

  pin({ real, virtual, info }: ResolvedPath): PinnedFolder {
    const areFolders = this.#above(virtual);
    const isSame = (): boolean => {
      const { dev, ino } = runtime.files.lstatSync(real);
      return dev === info?.dev && ino === info?.ino && areFolders();
    };
    return { path: real, isThere: () => nullIfMissing(isSame) ?? false, [Symbol.dispose]() {} };
  }

  holds(fd: number, { real, virtual }: ResolvedPath): boolean {
    const opened = runtime.posix.fstatSync(fd);
    const isFile = (): boolean => {
      const { dev, ino } = runtime.files.lstatSync(real);
      return dev === opened.dev && ino === opened.ino;
    };
    const areFolders = this.#above(virtual);
    if (!areFolders() || !isFile()) return false;
    if (virtual.lastIndexOf("/") === 0) return true;
    const coins = crypto.getRandomValues(new Uint32Array(1))[0]!;
    for (let look = 0; look < SWAP_CHECKS; look++) {
      if (!(coins >>> look & 1 ? isFile() : areFolders())) return false;
    }
    return true;
  }

  /** Tells whether the folders above a path are folders, and not links. */
  #above(virtual: string): () => boolean {
    let path = this.#root;
    const folders = virtual.split("/").slice(1, -1).map((name) => path = this.path(path, name));
    return () => folders.every((path) => runtime.files.lstatSync(path).isDirectory);
  }
}

function look(path: string, name: string): Deno.FileInfo | null {
  if (runtime.os === "windows" && name !== "." && nameProblem(name)) {
    throw platformError("NotFound");
  }
  return nullIfMissing(() => runtime.files.lstatSync(path));
}

/** Prevents open(2) from following a link that was put in a file's place; not available on all systems. */
function openFlags(): number {
  const { O_NOFOLLOW = 0 } = runtime.posix.constants;
  return O_NOFOLLOW;
}

/** The steps of a path in reverse order. */
function stepsOf(path: string): string[] {
  return path.split("/").filter((step) => step !== "" && step !== ".").reverse();
}
