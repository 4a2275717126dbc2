import type { PosixFiles } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { Folders, PinnedFolder, ResolvedPath } from "./served_tree.ts";

/** open(2) with this flag only locates the file, and needs no permission to read it (Linux). */
const O_PATH = 0o10000000;

/**
 * Represents folders as descriptors. A path below `/proc/self/fd/N` starts at the open folder, as with
 * `openat`. Replacing a folder by a link changes its name, not the open descriptor.
 */
export class AnchoredFolders implements Folders<number> {
  readonly #fs: PosixFiles = runtime.posix;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  root(): number {
    return this.#fs.openSync(this.#root, O_PATH | this.#fs.constants.O_DIRECTORY);
  }

  enter(folder: number, name: string): number {
    const { constants, openSync } = this.#fs;
    // A link that has taken the place of the folder is refused with ENOTDIR.
    const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return openSync(this.path(folder, name), flags);
  }

  leave(folder: number): void {
    this.#fs.closeSync(folder);
  }

  path(folder: number, name: string): string {
    return `/proc/self/fd/${folder}/${name}`;
  }

  pin({ real }: ResolvedPath): PinnedFolder {
    const { closeSync, constants, openSync } = this.#fs;
    const fd = openSync(real, O_PATH | constants.O_NOFOLLOW);
    return {
      path: `/proc/self/fd/${fd}`,
      isThere: () => true,
      [Symbol.dispose]: () => closeSync(fd),
    };
  }

  /** It was opened without following a link, from a folder that cannot be swapped. */
  holds(): boolean {
    return true;
  }
}
