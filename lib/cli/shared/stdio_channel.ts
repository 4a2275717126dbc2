import { concat } from "@std/bytes";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll } from "../../runtime/write_all.ts";
import type { SftpChannel } from "../../sftp/protocol/channel.ts";

/** The most bytes of one read of a pipe. */
const READ_BYTES = 64 * 1024;
/** The most bytes of chunks to join, because a write costs more than copying them. */
const JOIN_BYTES = 256 * 1024;

/** A pair of byte streams, such as standard input and output. */
export interface ProcessStreams {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Closes the output. */
  closeWrite(): void;
  /** Closes both. */
  close(): void;
}

/** The standard streams of this process. */
export const STANDARD_STREAMS: ProcessStreams = {
  read: (into) => runtime.terminal.stdin.read(into),
  write: (bytes) => runtime.terminal.stdout.write(bytes),
  closeWrite: () => runtime.terminal.stdout.close(),
  close: () => {},
};

/** Makes a channel with one system call for each read and write. */
export function bytesChannel(streams: ProcessStreams): SftpChannel {
  return {
    async readChunk() {
      const chunk = new Uint8Array(READ_BYTES);
      const count = await streams.read(chunk);
      return count === null ? null : chunk.subarray(0, count);
    },
    async writeAll(...chunks) {
      const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      if (chunks.length > 1 && length <= JOIN_BYTES) await writeAll(streams, concat(chunks));
      else for (const chunk of chunks) await writeAll(streams, chunk);
    },
    closeWrite: () => Promise.resolve(streams.closeWrite()),
    close: () => Promise.resolve(streams.close()),
  };
}

/**
 * The standard streams of a program that only waits for input. It reads and writes synchronously, because
 * switching to another thread takes longer than most answers.
 */
export function blockingChannel(): SftpChannel {
  const buffer = new Uint8Array(JOIN_BYTES);
  return {
    ...bytesChannel({ ...STANDARD_STREAMS, write: writeNow }),
    blocks: true,
    // deno-lint-ignore require-await -- a throw becomes a rejection
    async readChunk() {
      const count = runtime.terminal.stdin.readSync(buffer);
      return count === null ? null : buffer.subarray(0, count);
    },
  };
}

/** Writes synchronously, unless the stream is non-blocking and full. */
async function writeNow(bytes: Uint8Array): Promise<number> {
  try {
    return runtime.terminal.stdout.writeSync(bytes);
  } catch (cause) {
    if (!isError(cause, "WouldBlock")) throw cause;
    return await runtime.terminal.stdout.write(bytes);
  }
}
