/** Local files with replaced functions, to test failures in transfers. */
import { assert } from "@std/assert";
import type { Files, OpenFile, PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import type { SftpBackendOpen } from "../../lib/sftp/mod.ts";
import { replaced } from "../support/replaced.ts";

/** OPEN for reading only. */
export const READING: SftpBackendOpen = {
  read: true,
  write: false,
  append: false,
  create: false,
  createNew: false,
  truncate: false,
  mode: null,
};

/** System calls with some of them replaced, until the result is disposed. */
export function replacedPosix(changes: Partial<Record<keyof PosixFiles, unknown>>): Disposable {
  return replaced(runtime, "posix", { ...runtime.posix, ...changes } as PosixFiles);
}

/** System calls for {@linkcode replacedPosix} that note which descriptors are open. */
export function notedDescriptors() {
  const open = new Set<number>();
  const { openSync, closeSync } = runtime.posix;
  return {
    open,
    calls: {
      openSync(path: string, flags: number, mode?: number) {
        const fd = openSync(path, flags, mode);
        open.add(fd);
        return fd;
      },
      closeSync(fd: number) {
        assert(open.delete(fd), "closed twice, or never opened");
        closeSync(fd);
      },
    },
  };
}

/** Local files with some functions replaced, until the result is disposed. */
export function replacedFiles(changes: Partial<Files>): Disposable {
  return replaced(runtime, "files", Object.assign(Object.create(Deno), changes));
}

/** Open local files with some methods replaced, until the result is disposed. */
export function replacedOpenFiles(change: (file: OpenFile) => Partial<OpenFile>): Disposable {
  const wrap = (file: OpenFile): OpenFile => {
    const changed = change(file) as Record<PropertyKey, unknown>;
    return new Proxy(file, {
      get(file, name) {
        if (name in changed) return changed[name];
        const value = Reflect.get(file, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => value.apply(file, args); // Deno 2.4 takes no bound function for `using`
      },
    });
  };
  return replacedFiles({
    open: async (path, options) => wrap(await Deno.open(path, options)),
    openSync: (path, options) => wrap(Deno.openSync(path, options)),
  });
}
