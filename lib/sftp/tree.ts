/** Operations on whole trees: made, removed, walked. */
import { SFTP_MAX_DEPTH } from "../defaults.ts";
import { SftpError } from "../errors.ts";
import { dirEntry, type SftpWalkEntry, type SftpWalkOptions } from "./entries.ts";
import * as msg from "./messages.ts";
import type { SftpOptions } from "./options.ts";
import { baseName, join, parent } from "./paths.ts";
import type { Remote, RemoteEntry } from "./remote.ts";
import { callOf, sftpError, SftpStatus } from "./status.ts";

/** Makes a directory and those above it that are missing; content if it is there. */
export async function makeFolders(
  remote: Remote,
  path: string,
  mode: number | null,
  options: SftpOptions,
): Promise<void> {
  try {
    await remote.mkdir(path, mode, options);
  } catch (cause) {
    if (!(cause instanceof SftpError)) throw cause;
    const above = parent(path);
    if (cause.status === SftpStatus.NO_SUCH_FILE && above !== null) {
      await makeFolders(remote, above, mode, options);
      await remote.mkdir(path, mode, options);
    } else if (!(await remote.statOrNull(path, options))?.isDirectory) {
      throw cause;
    }
  }
}

/** Removes a file, a link, or a directory, on request with everything in it. */
export async function removeTree(
  remote: Remote,
  path: string,
  options: SftpOptions & { recursive?: boolean },
): Promise<void> {
  const { isDirectory } = await remote.lstat(path, options);
  await remove(remote, path, isDirectory, options, 0);
}

async function remove(
  remote: Remote,
  path: string,
  isDirectory: boolean,
  options: SftpOptions & { recursive?: boolean },
  depth: number,
): Promise<void> {
  const call = callOf("remove", path, options);
  if (!isDirectory) return await remote.command(msg.Remove, { path }, call);
  if (options.recursive) {
    checkDepth(path, depth);
    const folders: string[] = [];
    const files: Promise<void>[] = [];
    try {
      for (const { name, info } of await remote.all(path, options)) {
        if (info.isDirectory) folders.push(name);
        else files.push(remove(remote, join(path, name), false, options, depth));
        if (files.length >= TOGETHER) await Promise.all(files.splice(0));
      }
    } finally {
      await Promise.allSettled(files); // none may be left behind unheard
    }
    await Promise.all(files);
    for (const name of folders) await remove(remote, join(path, name), true, options, depth + 1);
  }
  await remote.command(msg.Rmdir, { path }, call);
}

/** Files that are removed at once. */
const TOGETHER = 64;

/** Everything below a path, and the path itself; folders before what is in them. */
export async function* walk(
  remote: Remote,
  root: string,
  options: SftpWalkOptions,
): AsyncGenerator<SftpWalkEntry, void> {
  const info = await remote.stat(root, options);
  const name = baseName(root);
  if (info.isDirectory) {
    if (options.includeDirs ?? true) yield { path: root, ...dirEntry(name, info) };
    yield* below(remote, root, options, 1, []);
  } else if (options.includeFiles ?? true) yield { path: root, ...dirEntry(name, info) };
}

async function* below(
  remote: Remote,
  folder: string,
  options: SftpWalkOptions,
  depth: number,
  above: readonly string[],
): AsyncGenerator<SftpWalkEntry, void> {
  const { includeFiles = true, includeDirs = true, includeSymlinks = true } = options;
  const { followSymlinks = false, maxDepth = Infinity } = options;
  if (depth > maxDepth) return;
  checkDepth(folder, depth);
  const real = followSymlinks ? await remote.realPath(folder, options) : folder;
  if (above.includes(real)) return; // a link has led back
  const folders: SftpWalkEntry[] = [];
  for await (const entry of remote.list(folder, options)) {
    const found = await walked(remote, folder, entry, options);
    if (found.isDirectory) folders.push(found);
    else if (found.isSymlink ? includeSymlinks : includeFiles) yield found;
  }
  for (const entry of folders) {
    if (includeDirs) yield entry;
    yield* below(remote, entry.path, options, depth + 1, [...above, real]);
  }
}

async function walked(
  remote: Remote,
  folder: string,
  { name, info }: RemoteEntry,
  options: SftpWalkOptions,
): Promise<SftpWalkEntry> {
  const path = join(folder, name);
  if (!info.isSymlink || !options.followSymlinks) return { path, ...dirEntry(name, info) };
  // A link to nowhere stays a link.
  return { path, ...dirEntry(name, await remote.statOrNull(path, options) ?? info) };
}

/** Refuses folders in folders without an end, which only a hostile server has. */
export function checkDepth(path: string, depth: number): void {
  if (depth <= SFTP_MAX_DEPTH) return;
  throw sftpError(SftpStatus.FAILURE, { operation: "readDir", path }, "folders without an end");
}
