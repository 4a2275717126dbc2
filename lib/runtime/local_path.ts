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
 * Joins a folder of this machine and a name. The runtime's `join` shortens `link/..` to the folder of the link,
 * but a system with POSIX paths takes it as the folder above the link's target.
 */
export function joinLocal(folder: string, name: string): string {
  const { join, sep } = runtime.paths;
  if (sep !== "/" || !folder.split("/").includes("..")) return join(folder, name);
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/**
 * The path of a file on this machine, from a path or URL of the caller; `~` is the home directory.
 *
 * @throws {TypeError} If it is not the URL of a file on this machine, or is encoded wrongly
 */
export function localPath(file: string | URL): string {
  if (!(file instanceof URL)) return expandHome(file);
  if (file.protocol !== "file:" || file.host !== "") {
    throw new TypeError(`"${file}" is not a file on this machine; use fetch() to get its content`);
  }
  const isWindows = runtime.paths.sep !== "/";
  // Decoded, it would separate two names, while it is a part of one in the URL.
  const separator = (isWindows ? /%2f|%5c/i : /%2f/i).exec(file.pathname)?.[0];
  if (separator !== undefined) {
    throw new TypeError(`"${file}" has ${separator} in it, which cannot be part of a file's name`);
  }
  const path = decoded(file);
  return isWindows ? path.replace(/^\/(?=[A-Za-z]:)/, "") : path;
}

function decoded(file: URL): string {
  try {
    return decodeURIComponent(file.pathname);
  } catch (cause) {
    const fix = `use pathToFileURL() of "node:url", or pass the path as text`;
    throw new TypeError(`"${file}" is not percent-encoded UTF-8: ${fix}`, { cause });
  }
}
