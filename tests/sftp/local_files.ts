/** Local files with replaced functions, to test failures in transfers. */
import type { Files, OpenFile } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "../support/replaced.ts";

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
        return typeof value === "function" ? value.bind(file) : value;
      },
    });
  };
  return replacedFiles({
    open: async (path, options) => wrap(await Deno.open(path, options)),
    openSync: (path, options) => wrap(Deno.openSync(path, options)),
  });
}
