import { homeDirectory } from "./environment.ts";

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
