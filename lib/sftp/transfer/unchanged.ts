import type { SftpFileInfo } from "../protocol/attributes.ts";
import { feedPrefix } from "./content_digest.ts";
import type { FileStore, TransferSource } from "./file_store.ts";
import type { TransferContext } from "./file_transfer.ts";
import { runtime } from "../../runtime/runtime.ts";

/** Whether the target has a file already, by the rule of `update`. */
export async function unchanged(
  from: FileStore,
  path: string,
  to: FileStore,
  target: string,
  info: SftpFileInfo,
  { options: { update = false } }: TransferContext,
): Promise<boolean> {
  if (!update) return false;
  const there = await to.lstat(target);
  if (there === null || !there.isFile) return false;
  const sameSize = there.size === info.size;
  if (update === "size") return sameSize;
  if (update === "checksum") {
    return sameSize && sameContent([from, path, info], [to, target, there]);
  }
  if (there.mtime === null || info.mtime === null) return false;
  const [ours, theirs] = [seconds(info.mtime), seconds(there.mtime)];
  return update === "newer" ? ours <= theirs : sameSize && ours === theirs;
}

/** SFTP's times are in seconds. */
function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

type Place = readonly [store: FileStore, path: string, info: SftpFileInfo];

/** Whether two files of one size have the same SHA-256. */
async function sameContent(...places: [Place, Place]): Promise<boolean> {
  const digests = await Promise.allSettled(places.map(async ([store, path, info]) => {
    const source = await store.source(path, info);
    try {
      return await digestOf(source, info.size);
    } finally {
      source.close();
    }
  }));
  const [a, b] = digests.map((digest) => {
    if (digest.status === "rejected") throw digest.reason;
    return digest.value;
  });
  return a === b;
}

async function digestOf(source: TransferSource, length: number): Promise<string> {
  if (source.digest) return await source.digest(length);
  const hash = runtime.sha256();
  await feedPrefix(hash, { readAt: (into, offset) => source.readAt!(into, offset) }, length);
  return hash.digest("hex");
}
