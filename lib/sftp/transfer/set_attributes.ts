import type { SftpChanges } from "../protocol/attributes.ts";
import { isRefusal, statusText } from "../protocol/status.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { StoreSettings } from "./file_store.ts";

/**
 * Sets the attributes of a complete file. If the server refuses, the transfer does not fail: each kind is
 * tried alone, and a warning names those that could not be set.
 */
export async function setAttributes(
  remote: RemoteFileSystem,
  path: string,
  changes: SftpChanges,
  { limits, warn }: StoreSettings,
): Promise<void> {
  const { mode, uid, gid, atime, mtime } = changes;
  const kinds: (readonly [what: string, changes: SftpChanges])[] = [
    ...(mode === undefined ? [] : [["permissions", { mode }] as const]),
    ...(atime && mtime ? [["times", { atime, mtime }] as const] : []),
    ...(uid === undefined || gid === undefined ? [] : [["owner", { uid, gid }] as const]),
  ];
  if (kinds.length > 1) {
    try {
      return await remote.setStat(path, changes, limits);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
    }
  }
  for (const [what, some] of kinds) {
    try {
      await remote.setStat(path, some, limits);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      warn(path, `The server refused to set the ${what} of "${path}": ${statusText(cause.status)}`);
    }
  }
}
