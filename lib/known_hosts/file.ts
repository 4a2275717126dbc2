import { isError } from "../runtime/errors.ts";
import type { OpenFile } from "../runtime/files.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";
import { KnownHosts } from "./known_hosts.ts";

/** Who may read a file that is made anew, as `ssh` makes it. */
const FRESH_MODE = 0o600;

/** Edits under way in this process, by path: each begins with the text that the last one has written. */
const edits = new Map<string, Promise<unknown>>();

/**
 * Reads a `known_hosts` file; one that does not exist is empty. Needs `--allow-read` for it.
 *
 * @param path The file
 * @returns What it says
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
 * Changes a `known_hosts` file: a program that reads it meanwhile sees all of the change or nothing, and
 * lines that other programs add meanwhile stay; `change` is called again then. What the change is not
 * about stays, comments, broken lines and the file's mode included.
 *
 * Needs `--allow-read` and `--allow-write` for the file, and for its folder unless lines are only
 * added.
 *
 * @param path The file; it is made if it does not exist
 * @param change Gives the new content
 * @returns Whether anything has changed
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
 * // The host was set up anew.
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

/** Other programs that edit the file are kept out by a lock, if they ask for it, and noticed otherwise. */
async function rewrite(
  path: string | URL,
  change: (known: KnownHosts) => KnownHosts,
): Promise<boolean> {
  for (;;) {
    using lock = await lockOf(path);
    // Another program may have put a new file in its place while this one waited.
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

/** The file, locked against editors that lock it, too; null if there is none. */
async function lockOf(path: string | URL): Promise<OpenFile | null> {
  // Locks of Windows would keep us out, too.
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
  // Not writeTextFile, whose mode is set for a file that is there, too.
  using file = await runtime.files.open(path, { append: true, create: true, mode: FRESH_MODE });
  await writeAll(file, new TextEncoder().encode(text));
}

/** Puts a new file in place of the old one; false if that has changed in the meantime. */
async function replace(path: string | URL, before: string, after: string): Promise<boolean> {
  const { files } = runtime;
  // A link to the file stays one.
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
