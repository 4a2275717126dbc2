/** Bytes in memory and streams as the source or target of a transfer. */
import { checkChunk, checkUnlocked, shown } from "../../option_checks.ts";
import type { TransferSource, TransferTarget } from "./file_store.ts";

/** Bytes to collect from a stream, because its chunks may have a single byte. */
const STREAM_BYTES = 255 * 1024;

/** Data that a file can be written from, besides another file. */
export type SftpData = Uint8Array | Blob | Response | ReadableStream<Uint8Array>;

/**
 * Data as a source.
 *
 * @throws {TypeError} If it is of another kind, a locked stream, or a response that has been read or whose
 * status is not that of a whole file
 */
export function dataSource(data: SftpData): TransferSource {
  if (data instanceof Uint8Array) return bytesSource(data);
  if (data instanceof Blob) return blobSource(data);
  return streamSource(dataStream(data));
}

/** Data as a stream; throws as `dataSource` does. */
export function dataStream(data: SftpData): ReadableStream<Uint8Array> {
  if (data instanceof Uint8Array) return streamOf(data);
  if (data instanceof Blob) return data.stream();
  if (data instanceof ReadableStream) return unlocked(data);
  if (!(data instanceof Response)) {
    const instead = typeof data === "string" ? ": use writeTextFile()" : "";
    throw new TypeError(
      `Data must be bytes, a Blob, a Response or a stream, not ${shown(data)}${instead}`,
    );
  }
  const problem = statusProblem(data);
  if (problem !== null) {
    data.body?.cancel().catch(() => {}); // the body is not read
    throw new TypeError(`The response has the status ${data.status}: ${problem}`);
  }
  if (data.bodyUsed) {
    throw new TypeError("The response has been read already: clone() it before it is read");
  }
  return data.body === null ? streamOf() : unlocked(data.body);
}

/** Why the body of a response is not a whole file; null if it is. */
function statusProblem({ ok, status }: Response): string | null {
  if (!ok) return "its body is an error page";
  return status === 206 ? "its body is a part of the file, to be passed as a stream" : null;
}

function unlocked(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  checkUnlocked(stream);
  return stream;
}

/** Browsers lack `ReadableStream.from`. */
function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** Bytes in memory as a source. */
function bytesSource(bytes: Uint8Array): TransferSource {
  let offset = 0;
  return {
    size: bytes.length,
    info: null,
    sparse: false,
    start: (from) => void (offset = from),
    next(unit) {
      const block = bytes.subarray(offset, offset + unit);
      offset += block.length;
      return Promise.resolve(block.length === 0 ? null : block);
    },
    release: () => {},
    readAt(into, from) {
      const piece = bytes.subarray(from, from + into.length);
      into.set(piece);
      return Promise.resolve(piece.length);
    },
    close: () => {},
  };
}

/** A blob, which may be a file, as a source. */
function blobSource(blob: Blob): TransferSource {
  let offset = 0;
  const bytesAt = async (from: number, length: number) =>
    new Uint8Array(await blob.slice(from, from + length).arrayBuffer());
  return {
    size: blob.size,
    info: null,
    sparse: false,
    start: (from) => void (offset = from),
    async next(unit) {
      const block = await bytesAt(offset, unit);
      offset += block.length;
      return block.length === 0 ? null : block;
    },
    release: () => {},
    async readAt(into, from) {
      const piece = await bytesAt(from, into.length);
      into.set(piece);
      return piece.length;
    },
    close: () => {},
  };
}

/** A stream as a source; it is cancelled unless it is read to its end. */
function streamSource(stream: ReadableStream<Uint8Array>): TransferSource {
  const reader = stream.getReader();
  let ended = false;
  let rest: Uint8Array = new Uint8Array(0);
  return {
    size: null,
    info: null,
    sparse: false,
    async next() {
      // Copied, because the stream may reuse its chunk long before the server has it.
      const block = new Uint8Array(STREAM_BYTES);
      let count = 0;
      while (count < block.length) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          ended = done;
          if (done) break;
          checkChunk(value);
          rest = value;
        }
        const piece = rest.subarray(0, block.length - count);
        block.set(piece, count);
        rest = rest.subarray(piece.length);
        count += piece.length;
      }
      return count === 0 ? null : block.subarray(0, count);
    },
    release: () => {},
    close() {
      if (!ended) reader.cancel().catch(() => {}); // the transfer has its result already
    },
  };
}

/** A stream as a target. */
export function streamTarget(stream: WritableStream<Uint8Array>): TransferTarget {
  const writer = stream.getWriter();
  return {
    held: 0,
    async write(block, release) {
      await writer.write(block.slice()); // a copy, because a stream may keep its chunks
      release();
    },
    flush: () => Promise.resolve(),
    commit: () => writer.close(),
    discard: (cause) => writer.abort(cause),
  };
}
