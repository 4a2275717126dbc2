/** Makes, removes and walks directory trees. */
import { SFTP_MAX_DEPTH } from "../../defaults.ts";
import { dirEntry, type SftpWalkEntry, type SftpWalkOptions } from "./dir_entry.ts";
import * as msg from "../protocol/messages.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { baseName, join, parent } from "../protocol/paths.ts";
import { ListedBytes } from "./listed.ts";
import type { ListedEntry, RemoteFileSystem } from "./remote_file_system.ts";
import {
  callOf,
  isRefusal,
  nullIfNoSuchFile,
  nullIfRefused,
  sftpError,
  SftpStatus,
} from "../protocol/status.ts";

/** Makes a directory and the missing ones above it; succeeds if it exists. */
export async function makeFolders(
  remote: RemoteFileSystem,
  path: string,
  mode: number | null,
  options: SftpOptions,
): Promise<void> {
  try {
    await remote.mkdir(path, mode, options);
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    const above = parent(path);
    if (cause.status === SftpStatus.NO_SUCH_FILE && above !== null) {
      await makeFolders(remote, above, mode, options);
      try {
        return await remote.mkdir(path, mode, options);
      } catch (again) {
        if (!isRefusal(again)) throw again;
      }
    }
    // Version 3 has no status for an existing folder, and servers use various statuses for both cases.
    if (await isFolder(remote, path, options)) return;
    if (above === null || await isFolder(remote, above, options)) throw cause;
    await makeFolders(remote, above, mode, options);
    await remote.mkdir(path, mode, options);
  }
}

/** Whether a folder is there. */
async function isFolder(
  remote: RemoteFileSystem,
  folder: string,
  options: SftpOptions,
): Promise<boolean> {
  const info = await nullIfRefused(remote.stat(folder, options));
  return info?.isDirectory || await remote.isFolder(folder, options);
}

/** Whether something is there, and of the kind asked for. */
export async function exists(
  remote: RemoteFileSystem,
  path: string,
  options: SftpOptions & { isFile?: boolean; isDirectory?: boolean },
): Promise<boolean> {
  const info = await nullIfNoSuchFile(remote.stat(path, options));
  if (info === null) return false;
  return (!options.isFile || info.isFile) && (!options.isDirectory || info.isDirectory);
}

/** Makes a folder with a unique name. */
export async function makeTempFolder(
  remote: RemoteFileSystem,
  options: SftpOptions & { dir?: string; prefix?: string; suffix?: string },
): Promise<string> {
  const { prefix = "", suffix = "" } = options;
  const dir = options.dir ?? (await isFolder(remote, "/tmp", options) ? "/tmp" : ".");
  const id = crypto.randomUUID().replaceAll("-", "");
  const path = join(await remote.realPath(dir, options), `${prefix}${id}${suffix}`);
  await remote.mkdir(path, 0o700, options);
  return path;
}

/** Removes a file, a link, or a directory, on request with everything in it. */
export async function removeTree(
  remote: RemoteFileSystem,
  path: string,
  options: SftpOptions & { recursive?: boolean },
): Promise<void> {
  try {
    // REMOVE is tried first, because LSTAT of some servers (ProFTPD) follows links to folders.
    return await remote.remove(path, options);
  } catch (cause) {
    // Servers refuse a folder with various statuses, even that of a missing file.
    if (!isRefusal(cause)) throw cause;
    if (!(await nullIfRefused(remote.lstat(path, options)))?.isDirectory) throw cause;
    if (options.recursive && await remote.isLink(path, options)) throw cause;
  }
  // Level by level, so that the requests of one level run in parallel; the deepest is removed first.
  const levels = [[path]];
  for (let level = [path]; options.recursive && level.length > 0; levels.push(level)) {
    checkDepth(level[0]!, levels.length);
    level = (await together(LISTED_AT_ONCE, level, (path) => empty(remote, path, options))).flat();
  }
  for (const level of levels.reverse()) {
    await together(REMOVED_AT_ONCE, level, async (folder) => {
      const removing = remote.command(
        msg.Rmdir,
        { path: folder },
        callOf("remove", folder, options),
      );
      await (folder === path ? removing : nullIfNoSuchFile(removing)); // another program may remove it
    });
  }
}

/**
 * Removes everything in a folder except other folders; resolves to those. Listings of some servers follow
 * links, so each folder in one is looked at: the content of a link's target must stay.
 */
async function empty(
  remote: RemoteFileSystem,
  folder: string,
  options: SftpOptions,
): Promise<string[]> {
  const [folders, files]: [string[], string[]] = [[], []];
  for (const { name, info } of await remote.all(folder, options)) {
    (info.isDirectory ? folders : files).push(join(folder, name));
  }
  const links = await together(REMOVED_AT_ONCE, folders, (path) => remote.isLink(path, options));
  files.push(...folders.filter((_, at) => links[at]));
  await together(
    REMOVED_AT_ONCE,
    files,
    (path) => nullIfNoSuchFile(remote.remove(path, options)), // another program may remove it
  );
  return folders.filter((_, at) => !links[at]);
}

const LISTED_AT_ONCE = 32;
const REMOVED_AT_ONCE = 128;

/** Runs a function for each item, at most `most` in parallel; the first failure ends it. */
async function together<A, B>(
  most: number,
  list: readonly A[],
  run: (item: A) => Promise<B>,
): Promise<B[]> {
  const results: B[] = [];
  for (let at = 0; at < list.length; at += most) {
    results.push(...await Promise.all(list.slice(at, at + most).map(run)));
  }
  return results;
}

/** Yields a path and everything below it; folders before their entries. */
export async function* walk(
  remote: RemoteFileSystem,
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
  remote: RemoteFileSystem,
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
  if (above.includes(real)) return; // a link that leads back
  const folders: SftpWalkEntry[] = [];
  const held = new ListedBytes(folder);
  for await (const entry of remote.list(folder, options)) {
    const found = await walked(remote, folder, entry, options);
    if (found.isDirectory) {
      held.add(found.path);
      folders.push(found);
    } else if (found.isSymlink ? includeSymlinks : includeFiles) yield found;
  }
  for (const entry of folders) {
    if (includeDirs) yield entry;
    yield* below(remote, entry.path, options, depth + 1, [...above, real]);
  }
}

async function walked(
  remote: RemoteFileSystem,
  folder: string,
  { name, info }: ListedEntry,
  options: SftpWalkOptions,
): Promise<SftpWalkEntry> {
  const path = join(folder, name);
  if (!info.isSymlink || !options.followSymlinks) return { path, ...dirEntry(name, info) };
  // A dangling or circular link stays a link.
  return { path, ...dirEntry(name, await nullIfRefused(remote.stat(path, options)) ?? info) };
}

/** Refuses folders that are nested so deeply that the server must be hostile. */
export function checkDepth(path: string, depth: number): void {
  if (depth <= SFTP_MAX_DEPTH) return;
  throw sftpError(
    SftpStatus.FAILURE,
    { operation: "readDir", path },
    "folders are nested too deeply",
  );
}
