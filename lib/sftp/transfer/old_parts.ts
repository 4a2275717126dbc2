import { isHiddenPart } from "../protocol/paths.ts";
import type { FileStore } from "./file_store.ts";

/** A part is kept for so long: a week. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** Names of a folder that are looked at; a folder of a million costs too much. */
const LOOKED_AT = 1000;

/** Whether it is the hidden name of a part that can be resumed. */
export function isResumablePart(name: string): boolean {
  return /^\.[0-9a-f]{32}\.part$/.test(name);
}

/** Removes parts that no try has continued for a week. Failures are ignored: it is only litter. */
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
    // It cannot be listed, or what is there belongs to others.
  }
}
