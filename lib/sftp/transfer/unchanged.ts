import { seconds, type SftpFileInfo } from "../protocol/attributes.ts";
import { feedPrefix } from "./content_digest.ts";
import type { FileStore, TransferSource } from "./file_store.ts";
import type { TransferContext } from "./file_transfer.ts";
import { runtime } from "../../runtime/runtime.ts";
import { isOfOneFile } from "./transfer_error.ts";
import { bitsOf, type SftpTransferOptions } from "./transfer_options.ts";

type Place = readonly [store: FileStore, path: string, info: SftpFileInfo];

/**
 * Whether the target has a file already, by the rule of `update`. If so, it gets the attributes that other
 * options keep.
 */
export async function unchanged(
  from: FileStore,
  path: string,
  to: FileStore,
  target: string,
  info: SftpFileInfo,
  { options }: TransferContext,
): Promise<boolean> {
  const { update = false } = options;
  if (!update || !info.isFile) return false;
  const there = await to.lstat(target);
  if (there === null || !there.isFile) return false;
  if (update === "newer" && isNewer(there, info)) return true; // another version: its attributes stay
  if (!await isSame(update, [from, path, info], [to, target, there])) return false;
  const wanted = { ...info, mode: bitsOf(info, options) ?? null };
  if (attributesDiffer(wanted, there, options)) await to.setAttributes(target, wanted);
  return true;
}

function isNewer({ mtime }: SftpFileInfo, than: SftpFileInfo): boolean {
  return mtime !== null && than.mtime !== null && seconds(mtime) > seconds(than.mtime);
}

async function isSame(
  update: NonNullable<SftpTransferOptions["update"]>,
  source: Place,
  target: Place,
): Promise<boolean> {
  const [info, there] = [source[2], target[2]];
  if (info.size !== there.size) return false;
  if (update === "checksum") return await sameContent(source, target);
  if (update !== "size") {
    if (info.mtime === null || there.mtime === null) return false;
    if (seconds(info.mtime) !== seconds(there.mtime)) return false;
  }
  // A server that does not report sizes seems to have only empty files.
  return info.size > 0 || update === "newer" || (await isEmpty(target) && await isEmpty(source));
}

/** Whether attributes of a file differ that the options keep; those that a side does not report are equal. */
function attributesDiffer(
  info: SftpFileInfo,
  there: SftpFileInfo,
  { preserve = false, owners = false }: SftpTransferOptions,
): boolean {
  const differ = (a: number | null, b: number | null) => a !== null && b !== null && a !== b;
  const bits = (mode: number | null) => mode === null ? null : mode & 0o777;
  const time = (date: Date | null) => date === null ? null : seconds(date);
  return preserve &&
      (differ(bits(info.mode), bits(there.mode)) || differ(time(info.mtime), time(there.mtime))) ||
    owners && (differ(info.uid, there.uid) || differ(info.gid, there.gid));
}

/** Whether a file has no bytes; false if it cannot be read. */
async function isEmpty([store, path, info]: Place): Promise<boolean> {
  try {
    const source = await store.source(path, info);
    try {
      return await source.readAt!(new Uint8Array(1), 0) === 0;
    } finally {
      source.close();
    }
  } catch (cause) {
    if (isOfOneFile(cause)) return false;
    throw cause;
  }
}

/** Whether two files of one size have the same SHA-256; they are read to their ends if the size is unknown. */
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
  if (source.digest && length > 0) return await source.digest(length);
  const hash = runtime.sha256();
  await feedPrefix(
    hash,
    { readAt: (into, offset) => source.readAt!(into, offset) },
    length || Infinity,
  );
  return hash.digest("hex");
}
