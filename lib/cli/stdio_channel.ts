import { concat } from "@std/bytes";
import type { SftpChannel } from "../sftp/channel.ts";

/** What one read of a pipe gives at most. */
const READ_BYTES = 64 * 1024;
/** Chunks that are put together, since a write costs more than a copy of this many bytes. */
const JOIN_BYTES = 256 * 1024;

/** Where bytes come from and go to, such as standard input and output. */
export interface ByteStreams {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the sending side. */
  closeWrite(): void;
  /** Ends both. */
  close(): void;
}

/** The standard streams of this process. */
export const STANDARD_STREAMS: ByteStreams = {
  read: (into) => Deno.stdin.read(into),
  write: (bytes) => Deno.stdout.write(bytes),
  closeWrite: () => Deno.stdout.close(),
  close: () => {},
};

/** A channel without streams in between: one read and one write of the system each. */
export function bytesChannel(streams: ByteStreams): SftpChannel {
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length;) at += await streams.write(bytes.subarray(at));
  };
  return {
    async readChunk() {
      const chunk = new Uint8Array(READ_BYTES);
      const count = await streams.read(chunk);
      return count === null ? null : chunk.subarray(0, count);
    },
    async writeAll(...chunks) {
      const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      if (chunks.length > 1 && length <= JOIN_BYTES) await write(concat(chunks));
      else for (const chunk of chunks) await write(chunk);
    },
    closeWrite: () => Promise.resolve(streams.closeWrite()),
    close: () => Promise.resolve(streams.close()),
  };
}

/**
 * The standard streams for a program that has nothing to do until more comes: it reads without a turn
 * through other threads.
 */
export function blockingChannel(): SftpChannel {
  const read = (into: Uint8Array) => Promise.resolve(Deno.stdin.readSync(into));
  return { ...bytesChannel({ ...STANDARD_STREAMS, read }), blocks: true };
}
