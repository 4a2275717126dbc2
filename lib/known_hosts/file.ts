import { isError } from "../runtime/errors.ts";
import type { OpenFile } from "../runtime/files.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";
import { KnownHosts } from "./known_hosts.ts";

/** The mode of a new file, as `ssh` creates it. */
const FRESH_MODE = 0o600;

/** Pending edits in this process, by path: each starts with the text that the previous one has written. */
const edits = new Map<string, Promise<unknown>>();

/**
 * Reads a `known_hosts` file; a missing file counts as empty. Needs `--allow-read` for it.
 *
 * @param path The file
 * @returns Its content
 *
 * @example
 * ```ts
 * import { readKnownHosts } from "@denossh/ssh/known-hosts";
 * import { assertEquals } from "@std/assert";
 *
 * const known = await readKnownHosts("/nonexistent/known_hosts");
 * assertEquals(known.find("db1", 22), []);
 * ```
 */
export async function readKnownHosts(path: string | URL): Promise<KnownHosts> {
  return KnownHosts.parse(await readText(path));
}

/**
 * Changes a `known_hosts` file atomically. If another program changes the file in the meantime,
 * `change` is called again with the new content. Comments, broken lines and the file's mode are kept.
 *
 * Needs `--allow-read` and `--allow-write` for the file, and for its folder unless lines are only
 * added.
 *
 * @param path The file; created if it does not exist
 * @param change Returns the new content
 * @returns Whether the content has changed
 *
 * @example
 * ```ts
 * import { generateKey } from "@denossh/ssh/keys";
 * import { editKnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const folder = await mkdtemp(`${tmpdir()}/hosts-`);
 * const path = `${folder}/known_hosts`;
 * using old = await generateKey();
 * using key = await generateKey();
 * await editKnownHosts(path, (known) => known.with("db1", 22, old.publicKey));
 * // The host was reinstalled.
 * await editKnownHosts(
 *   path,
 *   (known) => known.without("db1", 22).with("db1", 22, key.publicKey),
 * );
 * const known = await readKnownHosts(path);
 * assertEquals(known.check("db1", 22, key.publicKey).verdict, "trusted");
 * await rm(folder, { recursive: true });
 * ```
 */
export function editKnownHosts(
  path: string | URL,
  change: (known: KnownHosts) => KnownHosts,
): Promise<boolean> {
  const name = String(path);
  const edit = (edits.get(name) ?? Promise.resolve()).then(() => rewrite(path, change));
  const settled = edit.catch(() => {}).then(() => {
    if (edits.get(name) === settled) edits.delete(name);
  });
  edits.set(name, settled);
  return edit;
}

/** A lock keeps out other programs that use it; changes by the rest are detected. */
async function rewrite(
  path: string | URL,
  change: (known: KnownHosts) => KnownHosts,
): Promise<boolean> {
  for (;;) {
    using lock = await lockOf(path);
    // Another program may have replaced the file during the wait.
    if (lock !== null && !await isAt(lock, path)) continue;
    const before = await readText(path);
    const after = change(KnownHosts.parse(before)).toString();
    if (after === before) return false;
    if (after.startsWith(before)) {
      await append(path, after.slice(before.length));
      return true;
    }
    if (await replace(path, before, after)) return true;
  }
}

/** The file, locked against other programs that lock it; null if it does not exist. */
async function lockOf(path: string | URL): Promise<OpenFile | null> {
  // On Windows the lock would exclude this program, too.
  if (runtime.os === "windows") return null;
  let file: OpenFile;
  try {
    file = await runtime.files.open(path, { read: true });
  } catch (error) {
    if (isError(error, "NotFound")) return null;
    throw error;
  }
  try {
    await file.lock?.(true);
  } catch {
    // Not every file system has locks.
  }
  return file;
}

async function isAt(file: OpenFile, path: string | URL): Promise<boolean> {
  const { files } = runtime;
  try {
    const [open, named] = await Promise.all([file.stat(), files.stat(await files.realPath(path))]);
    return open.ino === named.ino && open.dev === named.dev;
  } catch (error) {
    if (isError(error, "NotFound")) return false;
    throw error;
  }
}

async function append(path: string | URL, text: string): Promise<void> {
  // Not writeTextFile, which sets the mode of an existing file, too.
  using file = await runtime.files.open(path, { append: true, create: true, mode: FRESH_MODE });
  await writeAll(file, new TextEncoder().encode(text));
}

/** Replaces the old file by a new one; false if the old one has changed in the meantime. */
async function replace(path: string | URL, before: string, after: string): Promise<boolean> {
  const { files } = runtime;
  // A symbolic link is kept.
  const target = await files.realPath(path);
  const mode = (await files.stat(target)).mode ?? FRESH_MODE;
  const fresh = `${target}.${crypto.randomUUID()}`;
  try {
    using file = await files.open(fresh, { write: true, createNew: true, mode: FRESH_MODE });
    await writeAll(file, new TextEncoder().encode(after));
    await file.sync();
    if (runtime.os !== "windows") await files.chmod(fresh, mode & 0o777);
    const isSame = await readText(target) === before;
    await (isSame ? files.rename(fresh, target) : files.remove(fresh));
    return isSame;
  } catch (error) {
    await files.remove(fresh).catch(() => {});
    throw error;
  }
}

async function readText(path: string | URL): Promise<string> {
  try {
    return await runtime.files.readTextFile(path);
  } catch (error) {
    if (isError(error, "NotFound")) return "";
    throw error;
  }
}
