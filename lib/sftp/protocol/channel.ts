import { concat } from "@std/bytes";

/**
 * A two-way byte stream that SFTP runs on. A session channel is one; `streamChannel` makes one of
 * any pair of streams.
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
   * Whether `readChunk` blocks the thread: then a server calls it only when no request is running, and it may
   * reuse the memory of the last chunk.
   */
  readonly blocks?: boolean;
  /**
   * Whether neither side has closed the channel. Once it is false, a server stops the request that it is
   * working on, and does not begin with the others that have arrived.
   */
  readonly isOpen?: boolean;
  /**
   * How the other end limits what is sent, if it does. From it a client decides whether a large file is spread
   * over further channels.
   */
  readonly state?: SftpChannelState;
  /** Waits for the next piece of data, of any size, which then belongs to the caller; null at EOF. */
  readChunk(): Promise<Uint8Array | null>;
  /**
   * Passes data to `take` as it arrives, borrowed until `take` returns; resolves at EOF, and rejects with
   * what `take` throws. It saves a client a wait and a copy for each chunk.
   *
   * @param options `borrowed`, if what is passed may be gone once `take` sends anything
   */
  consume?(
    take: (bytes: Uint8Array) => void,
    options?: { readonly borrowed?: boolean },
  ): Promise<void>;
  /**
   * Reads what has arrived on standard error, without waiting; may throw if nothing has. It is quoted in the
   * error of a session that does not begin.
   */
  tryReadStderr?(into: Uint8Array): number | null;
  /** Sends the chunks in order; resolves when their memory may be reused. */
  writeAll(...chunks: Uint8Array[]): Promise<void>;
  /** Sends EOF. */
  closeWrite(): Promise<void>;
  /** Ends both directions; a waiting `readChunk` resolves to null or rejects. */
  close(): Promise<void>;
}

/** How the other end of a channel limits what is sent. */
export interface SftpChannelState {
  /** Bytes sent so far. */
  readonly bytesSent: number;
  /** The most bytes that could be sent at once so far. */
  readonly largestSendWindow: number;
  /** Milliseconds that writes have waited until more could be sent. */
  readonly waitedForWindow: number;
}

/**
 * Makes a channel of two streams: a child process, a Unix socket, a pair in memory.
 *
 * @param readable What the other side sends
 * @param writable What is sent to the other side
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
