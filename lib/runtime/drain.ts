import { firstBuffer, roomFor } from "./read_buffer.ts";
import { writeAll } from "./write_all.ts";

/** An output for bytes, such as a file; the bytes may change once `write` has resolved. */
export interface ByteWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Copies a source to its end in memory that is reused; reads the next block while one is written. */
export async function drain(
  from: (into: Uint8Array) => Promise<number | null>,
  to: ByteWriter,
): Promise<void> {
  let block = firstBuffer();
  let spare = firstBuffer();
  let reading = from(block);
  for (let n; (n = await reading) !== null;) {
    const bytes = block.subarray(0, n);
    [block, spare] = [roomFor(n, spare), block];
    reading = from(block);
    reading.catch(() => {}); // awaited above, unless writing fails first
    await writeAll(to, bytes);
  }
}
