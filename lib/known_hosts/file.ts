import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";
import { KnownHosts } from "./known_hosts.ts";

/** Who may read a file that is made anew, as `ssh` makes it. */
const FRESH_MODE = 0o600;

/** Edits under way in this process, by path: each begins with what the one before has written. */
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
 * Changes a `known_hosts` file: who reads it meanwhile sees all of the change or nothing. What the
 * change is not about stays, comments, broken lines and the file's mode included.
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
 * await editKnownHosts(path, (known) => known.without("db1", 22).with("db1", 22, key.publicKey));
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

async function rewrite(
  path: string | URL,
  change: (known: KnownHosts) => KnownHosts,
): Promise<boolean> {
  const before = await readText(path);
  const after = change(KnownHosts.parse(before)).toString();
  if (after === before) return false;
  if (after.startsWith(before)) await append(path, after.slice(before.length));
  else await replace(path, after);
  return true;
}

async function append(path: string | URL, text: string): Promise<void> {
  // Not writeTextFile, whose mode is set for a file that is there, too.
  using file = await runtime.files.open(path, { append: true, create: true, mode: FRESH_MODE });
  await writeAll(file, new TextEncoder().encode(text));
}

async function replace(path: string | URL, text: string): Promise<void> {
  const { files } = runtime;
  // A link to the file stays one.
  const target = await files.realPath(path);
  const mode = (await files.stat(target)).mode ?? FRESH_MODE;
  const fresh = `${target}.${crypto.randomUUID()}`;
  try {
    using file = await files.open(fresh, { write: true, createNew: true, mode: FRESH_MODE });
    await writeAll(file, new TextEncoder().encode(text));
    await file.sync();
    if (runtime.os !== "windows") await files.chmod(fresh, mode & 0o777);
    await files.rename(fresh, target);
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
