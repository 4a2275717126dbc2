import { ReadAhead } from "./read_ahead.ts";
import type { RemoteFile } from "./remote_file.ts";
import { WriteBehind } from "./write_behind.ts";

/** A file from an offset on, read ahead as soon as somebody reads; ends with the file closed. */
export function readableOf(file: RemoteFile, start: number): ReadableStream<Uint8Array> {
  let ahead: ReadAhead | null = null;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      ahead ??= new ReadAhead(file, { start, size: (await file.stat()).size });
      const block = await ahead.next();
      if (block !== null) return controller.enqueue(block);
      await file.close();
      controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

/** A file from an offset on, to be written; ends with every write acknowledged and the file closed. */
export function writableOf(file: RemoteFile, start: number): WritableStream<Uint8Array> {
  const behind = new WriteBehind(file, { start });
  return new WritableStream<Uint8Array>({
    // A copy, since the write is acknowledged to the writer long before the server has it.
    write: (chunk) => behind.write(chunk.slice(), () => {}),
    async close() {
      await behind.finish();
      await file.close();
    },
    abort: () => file.close(),
  });
}
