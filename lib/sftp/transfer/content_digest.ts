/** Hashes files in pieces, because `crypto.subtle` takes only whole messages. */
import type { StreamingHash } from "../../runtime/parts.ts";
import { runtime } from "../../runtime/runtime.ts";
import { ReadAhead } from "../remote/read_ahead.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { StoreSettings, TransferSource } from "./file_store.ts";

/** Bytes of one read. */
const BLOCK_BYTES = 256 * 1024;

/** The digest of a server's file: by the user's function, by the server, or by reading the file. */
export async function digestOf(
  remote: RemoteFileSystem,
  path: string,
  length: number,
  { options: { verify }, limits, inFlight }: StoreSettings,
): Promise<string> {
  if (typeof verify === "function") return (await verify(path, length)).trim().toLowerCase();
  const told = await remote.checkFile(path, length, limits);
  if (told !== null) return told;
  const file = await remote.file(path, { ...limits, read: true });
  try {
    const hash = runtime.sha256();
    const ahead = new ReadAhead(file, { ...limits, size: length, inFlight });
    let left = length;
    for (let block; left > 0 && (block = await ahead.next()) !== null;) {
      hash.update(block.subarray(0, left));
      left -= block.length;
      ahead.release(block);
    }
    return hash.digest("hex");
  } finally {
    file.close().catch(() => {});
  }
}

/** Adds the first bytes of a file to a hash. */
export async function feedPrefix(
  hash: StreamingHash,
  from: Pick<Required<TransferSource>, "readAt">,
  length: number,
): Promise<void> {
  const block = new Uint8Array(Math.min(BLOCK_BYTES, length));
  for (let at = 0; at < length;) {
    const count = await from.readAt(block.subarray(0, length - at), at);
    if (count === 0) return;
    hash.update(block.subarray(0, count));
    at += count;
  }
}
