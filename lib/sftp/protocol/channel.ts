import { concat } from "@std/bytes";

/**
 * A two-way byte stream for SFTP: a session channel, or the result of `streamChannel` for any pair of
 * streams.
 *
 * @example
 * ```ts
 * import type { SftpChannel } from "@denossh/ssh/sftp";
 *
 * async function drain(channel: SftpChannel): Promise<number> {
 *   let bytes = 0;
 *   for (let chunk; (chunk = await channel.readChunk()) !== null;) {
 *     bytes += chunk.length;
 *   }
 *   return bytes;
 * }
 * ```
 */
export interface SftpChannel {
  /**
   * Whether `readChunk` blocks the thread. A server then calls it only when no request is running, and it
   * may reuse the memory of the last chunk.
   */
  readonly blocks?: boolean;
  /**
   * Whether neither side has closed the channel. Once it is false, a server stops the current request and
   * drops the others.
   */
  readonly isOpen?: boolean;
  /**
   * The limits of the other end, if any. A client uses them to decide whether to spread a large file over
   * further channels.
   */
  readonly state?: SftpChannelState;
  /** Waits for the next piece of data, of any size, which then belongs to the caller; null at EOF. */
  readChunk(): Promise<Uint8Array | null>;
  /**
   * Waits for data and copies it to `into`; returns its length, or null at EOF. A server uses it
   * instead of `readChunk` if it is there, which saves new memory for each chunk.
   */
  read?(into: Uint8Array): Promise<number | null>;
  /**
   * Passes data to `take` as it arrives, borrowed until `take` returns; resolves at EOF, and rejects with
   * the error of `take`. It saves an await and a copy for each chunk.
   *
   * @param options `borrowed`: the data may become invalid when `take` sends anything
   */
  consume?(
    take: (bytes: Uint8Array) => void,
    options?: { readonly borrowed?: boolean },
  ): Promise<void>;
  /**
   * Reads available standard error without waiting; may throw if there is none. It is quoted in the error
   * if a session cannot start.
   */
  tryReadStderr?(into: Uint8Array): number | null;
  /** Sends the chunks in order; resolves when their memory may be reused. */
  writeAll(...chunks: Uint8Array[]): Promise<void>;
  /** Sends EOF. */
  closeWrite(): Promise<void>;
  /** Ends both directions; a waiting `readChunk` resolves to null or rejects. */
  close(): Promise<void>;
}

/** The limits of the other end of a channel. */
export interface SftpChannelState {
  /** Bytes sent so far. */
  readonly bytesSent: number;
  /** The largest send window so far, in bytes. */
  readonly largestSendWindow: number;
  /** Milliseconds that writes have waited for the window. */
  readonly waitedForWindow: number;
}

/**
 * Makes a channel from two streams, for example of a child process, a Unix socket or a pair in memory.
 *
 * @param readable The data from the other side
 * @param writable The data to the other side
 * @returns The channel; it holds the locks of both streams
 *
 * @example
 * ```ts
 * import { streamChannel } from "@denossh/ssh/sftp";
 * import { assertEquals } from "@std/assert";
 *
 * const loop = new TransformStream<Uint8Array, Uint8Array>();
 * const channel = streamChannel(loop.readable, loop.writable);
 * const [, chunk] = await Promise.all([
 *   channel.writeAll(new Uint8Array([1, 2]), new Uint8Array([3])),
 *   channel.readChunk(),
 * ]);
 * assertEquals(chunk, new Uint8Array([1, 2, 3]));
 * ```
 */
export function streamChannel(
  readable: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): SftpChannel {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  return {
    async readChunk() {
      const { done, value } = await reader.read();
      return done ? null : value;
    },
    // Copied: a stream may keep a chunk long after the write has resolved.
    writeAll: (...chunks) => writer.write(concat(chunks)),
    closeWrite: () => writer.close(),
    async close() {
      await Promise.allSettled([reader.cancel(), writer.close()]);
    },
  };
}

/** Passes data to `take` as it arrives, up to EOF; it is borrowed until `take` returns or sends anything. */
export async function consume(
  channel: SftpChannel,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  if (channel.consume) return await channel.consume(take, { borrowed: true });
  for (let chunk; (chunk = await channel.readChunk()) !== null;) take(chunk);
}
