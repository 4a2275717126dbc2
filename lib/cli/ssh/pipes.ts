import type { Channel } from "../../connection/channel.ts";
import type { OpenFile } from "../../runtime/files.ts";

/** Bytes of one read: several packets, and more than a pipe holds. */
const BLOCK_BYTES = 256 * 1024;

/** Sends a source, and EOF at its end; reads the next block while one is sent. */
export async function feed(
  from: Pick<OpenFile, "read">,
  channel: Channel,
  filter: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<void> {
  let block = new Uint8Array(BLOCK_BYTES);
  let spare = new Uint8Array(BLOCK_BYTES);
  let reading = from.read(block);
  for (let n; (n = await reading) !== null;) {
    const bytes = block.subarray(0, n);
    [block, spare] = [spare, block];
    reading = from.read(block);
    reading.catch(() => {}); // awaited above, unless the channel fails first
    await channel.writeAll(filter(bytes));
  }
  await channel.closeWrite();
}
