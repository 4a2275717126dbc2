import { isRefusal } from "../protocol/status.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import { replace } from "../remote/rename.ts";
import { WriteBehind } from "../remote/write_behind.ts";
import type { StoreSettings } from "./file_store.ts";
import { isOwn } from "./remote_target.ts";

/**
 * Makes a part that was written over several channels one of a single channel. Such parts have a name for
 * themselves, since more bytes before their end may be missing: those are cut off here, and the rest gets the
 * other name.
 *
 * @param wide The name of a part that was written over several channels
 * @param part That of one that was not
 * @param settings With the most bytes that were in flight over several channels
 */
export async function narrowed(
  remote: RemoteFileSystem,
  wide: string,
  part: string,
  { limits, inFlight }: StoreSettings,
): Promise<void> {
  try {
    if (!(await remote.lstatOrNull(wide, limits))?.isFile) return;
    const file = await remote.file(wide, { ...limits, write: true });
    try {
      if (!await isOwn(remote, file, wide, limits)) return;
      const { size } = await file.stat(limits);
      const { window } = new WriteBehind(file, { inFlight });
      await file.setStat({ size: Math.max(size - window, 0) }, limits);
    } finally {
      await file.close(limits);
    }
    await replace(remote, wide, part, limits);
  } catch (cause) {
    if (!isRefusal(cause)) throw cause; // refused: the file is sent from its beginning
  }
}
