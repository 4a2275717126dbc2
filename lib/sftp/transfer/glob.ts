import { globMatcher, isGlob, unescapeGlob } from "../../patterns.ts";
import { dirEntry, type SftpWalkEntry } from "../remote/dir_entry.ts";
import { baseName } from "../protocol/paths.ts";
import { type ListedEntry, MAX_LISTED } from "../remote/remote_file_system.ts";
import type { FileStore } from "./file_store.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { checkDepth } from "../remote/tree.ts";

/** What patterns are looked up in. */
type Lister = Pick<FileStore, "stat" | "lstat" | "list" | "join">;

/**
 * What a pattern stands for, sorted within each folder. `*` and `?` match no slash and no dot in
 * front, `[a-z]` and `[!a-z]` one character, a step `**` any number of folders; `\` protects.
 */
export async function* glob(
  files: Lister,
  pattern: string,
): AsyncGenerator<SftpWalkEntry, void> {
  const root = /^\/*/.exec(pattern)![0] === "" ? "" : "/";
  const steps = pattern.split("/").filter((step, at, all) =>
    step !== "" && !(step === "**" && all[at - 1] === "**")
  );
  const seen = new Set<string>(); // two `**` find the same path in several ways
  const twice = steps.filter((step) => step === "**").length > 1;
  for await (const entry of expand(files, root, steps, 0)) {
    if (twice && seen.size === seen.add(entry.path).size) continue;
    yield entry;
  }
}

async function* expand(
  files: Lister,
  folder: string,
  steps: readonly string[],
  depth: number,
): AsyncGenerator<SftpWalkEntry, void> {
  const plain = steps.findIndex(isGlob);
  if (plain !== 0) {
    const literal = steps.slice(0, plain === -1 ? steps.length : plain).map(unescapeGlob);
    const path = literal.reduce((path, step) => files.join(path, step), folder);
    if (plain !== -1) return yield* expand(files, path, steps.slice(plain), depth);
    const info = path === "" ? null : await files.lstat(path);
    if (info !== null) yield { path, ...dirEntry(baseName(path), info) };
    return;
  }
  checkDepth(folder, depth);
  const [step = "", ...rest] = steps;
  const deep = step === "**";
  // `**` stands for no folder too, and at the end for everything.
  if (deep && rest.length > 0) yield* expand(files, folder, rest, depth);
  const matches = globMatcher(deep ? "*" : step);
  for (const { name, info } of await listed(files, folder)) {
    if (!matches(name)) continue;
    const path = files.join(folder, name);
    if (rest.length === 0) yield { path, ...dirEntry(name, info) };
    if (deep && info.isDirectory) yield* expand(files, path, steps, depth + 1);
    if (!deep && rest.length > 0 && await leadsOn(files, path, info)) {
      yield* expand(files, path, rest, depth);
    }
  }
}

/** A folder's entries in order; none if it is gone or no folder. */
async function listed(files: Lister, folder: string): Promise<ListedEntry[]> {
  const path = folder === "" ? "." : folder;
  if (!(await files.stat(path))?.isDirectory) return [];
  const entries: ListedEntry[] = [];
  for await (const entry of files.list(path)) {
    if (entries.push(entry) <= MAX_LISTED) continue;
    const call = { operation: "readDir", path };
    throw sftpError(SftpStatus.FAILURE, call, "a folder without an end");
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

async function leadsOn(
  files: Lister,
  path: string,
  info: { isDirectory: boolean; isSymlink: boolean },
): Promise<boolean> {
  if (!info.isSymlink) return info.isDirectory;
  return (await files.stat(path))?.isDirectory ?? false;
}
