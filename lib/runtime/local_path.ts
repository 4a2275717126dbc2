import { homeDirectory } from "./environment.ts";
import { runtime } from "./runtime.ts";

/**
 * Replaces `~` at the start of a path by the user's home directory.
 *
 * @throws {TypeError} If the home directory is not known
 */
export function expandHome(path: string): string {
  if (path !== "~" && !path.startsWith("~/")) return path;
  const home = homeDirectory();
  if (!home) throw new TypeError("Neither HOME nor USERPROFILE is set");
  return home + path.slice(1);
}

/**
 * The path of a file of this machine that a caller named: `~` is the home directory.
 *
 * @throws {TypeError} If it is the URL of something else than a file of this machine
 */
export function localPath(file: string | URL): string {
  if (!(file instanceof URL)) return expandHome(file);
  if (file.protocol !== "file:" || file.host !== "") {
    throw new TypeError(`"${file}" names no file of this machine; fetch() gets what it names`);
  }
  const path = decodeURIComponent(file.pathname);
  return runtime.paths.sep === "/" ? path : path.replace(/^\/(?=[A-Za-z]:)/, "");
}
