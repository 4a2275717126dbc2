import type { TransferTarget } from "./file_store.ts";

/** A stream as a target. */
export function streamTarget(stream: WritableStream<Uint8Array>): TransferTarget {
  const writer = stream.getWriter();
  return {
    held: 0,
    async write(block, release) {
      await writer.write(block.slice()); // a stream may hold on to it long after
      release();
    },
    flush: () => Promise.resolve(),
    commit: () => writer.close(),
    discard: (cause) => writer.abort(cause),
  };
}
