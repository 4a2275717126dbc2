import { runtime } from "../../runtime/runtime.ts";
import { nullIfMissing } from "./local_stat.ts";
import { checkText, type PinnedFolder, type ResolvedPath, type ServedTree } from "./served_tree.ts";

/** All files of this machine, without a jail: the system resolves paths and checks permissions. */
export class UnrestrictedTree implements ServedTree {
  readonly open = true;
  readonly openFlags = 0;
  readonly #home: string;

  /** @param home Where relative paths begin */
  constructor(home: string) {
    this.#home = home;
  }

  resolve(path: string, last: "follow" | "keep"): ResolvedPath {
    let real = this.#absolute(path);
    let info = lookAt(real);
    if (info?.isSymlink && last === "follow") {
      const target = realPathOrNull(real);
      // A file may be created through a dangling link.
      info = target === null ? null : lookAt(target);
      real = target ?? real;
    }
    return { real, virtual: real, info, [Symbol.dispose]() {} };
  }

  realPath(path: string): string {
    const absolute = this.#absolute(path);
    const real = realPathOrNull(absolute);
    if (real !== null) return real;
    const names = absolute.split("/").filter((name) => name !== "");
    const name = names.pop() ?? "";
    const folder = runtime.files.realPathSync(`/${names.join("/")}`);
    return folder === "/" ? `/${name}` : `${folder}/${name}`;
  }

  pin({ real }: ResolvedPath): PinnedFolder {
    return { path: real, isThere: () => true, [Symbol.dispose]() {} };
  }

  holds(): boolean {
    return true;
  }

  #absolute(path: string): string {
    checkText(path);
    if (path.startsWith("/")) return path;
    return path === "" ? this.#home : `${this.#home}/${path}`;
  }
}

function lookAt(path: string): Deno.FileInfo | null {
  return nullIfMissing(() => runtime.files.lstatSync(path));
}

function realPathOrNull(path: string): string | null {
  return nullIfMissing(() => runtime.files.realPathSync(path));
}
