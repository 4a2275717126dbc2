import { isHiddenPart } from "../protocol/paths.ts";
import type { FileStore } from "./file_store.ts";

/** How long a part is kept: a week. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** The most names of a folder to examine, because a folder may have a million. */
const LOOKED_AT = 1000;

/** Whether a name is the hidden name of a part that can be resumed. */
export function isResumablePart(name: string): boolean {
  return /^\.[0-9a-f]{32}\.part$/.test(name);
}

/** Removes parts that are older than a week. Failures are ignored. */
export async function removeOldParts(
  store: FileStore,
  folder: string,
  now: number = Date.now(),
): Promise<void> {
  try {
    let seen = 0;
    for await (const { name } of store.list(folder)) {
      if (++seen > LOOKED_AT) return;
      if (!isResumablePart(name) && !isHiddenPart(name)) continue;
      const path = store.join(folder, name);
      const info = await store.lstat(path);
      const isOld = info?.isFile && info.mtime !== null && now - info.mtime.getTime() > KEPT_MS;
      if (isOld) await store.remove(path);
    }
  } catch {
    // The folder cannot be listed, or the parts belong to another user.
  }
}
