import { checkChunk } from "../option_checks.ts";
import type { ByteQueue } from "./byte_queue.ts";

/**
 * A byte stream over a queue. Nothing is read ahead, so the channel's window is the only buffer. Cancelling
 * discards later data but continues to grant window, so that the other stream of the channel does not
 * stall.
 *
 * @param cancel Discards the queue, and informs the peer if necessary
 */
export function readableOf(
  queue: ByteQueue,
  cancel: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller: ReadableByteStreamController) {
      const request = controller.byobRequest;
      if (request?.view) {
        const view = request.view;
        const n = await queue.read(
          new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength),
        );
        if (n === null) controller.close();
        request.respond(n ?? 0);
      } else {
        const chunk = await queue.readChunk();
        if (chunk === null) controller.close();
        else controller.enqueue(chunk);
      }
    },
    cancel,
  }, { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** The target of a writable stream's chunks. */
export interface Outlet {
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(reason: unknown): void;
}

/** A stream whose `write` resolves when the window and the socket have taken the chunk. */
export function writableOf(outlet: Outlet): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write(chunk) {
      checkChunk(chunk);
      return outlet.write(chunk);
    },
    close: () => outlet.close(),
    abort: (reason) => outlet.abort(reason),
  });
}
