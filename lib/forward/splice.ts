import type { Channel } from "../connection/channel.ts";
import { closeQuietly } from "../runtime/connections.ts";
import { firstBuffer, roomFor } from "../runtime/read_buffer.ts";
import { writeAll } from "../runtime/write_all.ts";
import { onAbort } from "../waiting.ts";

const NOTHING = new Uint8Array(0);

/** Counters of the bytes through a tunnel. */
export interface ByteCounts {
  /** Bytes received from channels. */
  bytesIn: number;
  /** Bytes sent to channels. */
  bytesOut: number;
}

/** Options of {@linkcode splice}. */
export interface SpliceOptions {
  /** Counts the bytes. */
  readonly counts?: ByteCounts | undefined;
  /** Data of the connection that was read already. */
  readonly early?: Uint8Array | undefined;
  /** Ends both when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects a channel and a connection until both directions have ended. The end of one direction is passed
 * on while the other continues; an error of either closes both. Takes over both.
 *
 * @throws If the connection, the channel or the SSH connection fails
 */
export async function splice(
  channel: Channel,
  conn: Deno.Conn,
  options: SpliceOptions = {},
): Promise<void> {
  const { signal, counts = { bytesIn: 0, bytesOut: 0 }, early = NOTHING } = options;
  using _aborting = onAbort(signal, (reason) => {
    channel.abort(reason);
    closeQuietly(conn);
  });
  if (signal?.aborted) return;
  const inward = receive(channel, conn, counts);
  const outward = send(conn, channel, counts, early);
  try {
    // After the peer has closed the channel, later data of the connection has no receiver.
    const unread = channel.closed.then(() => inward);
    await Promise.race([Promise.all([inward, outward]), unread]);
  } catch (error) {
    channel.abort(error);
    throw error;
  } finally {
    closeQuietly(conn);
    await Promise.allSettled([inward, outward]);
  }
  // Not awaited: both directions are done, and the peer's CLOSE may come late.
  void channel.close();
}

async function receive(channel: Channel, conn: Deno.Conn, counts: ByteCounts): Promise<void> {
  // Into a buffer from here, so that data that arrives during the wait is copied there directly from its
  // packet.
  let buffer = firstBuffer();
  for (let n; (n = await channel.read(buffer)) !== null;) {
    const bytes = buffer.subarray(0, n);
    const written = await conn.write(bytes);
    if (written < n) await writeAll(conn, bytes.subarray(written));
    counts.bytesIn += n;
    buffer = roomFor(n, buffer);
  }
  // An end that is closed needs no EOF; the other direction reports an error, if any.
  await conn.closeWrite().catch(() => {});
}

async function send(
  conn: Deno.Conn,
  channel: Channel,
  counts: ByteCounts,
  early: Uint8Array,
): Promise<void> {
  let buffer = firstBuffer();
  let chunk: Uint8Array | null = early;
  while (chunk !== null) {
    // The peer may have stopped reading, but sent data that the other direction must still deliver.
    if (!await taken(channel, chunk)) return;
    counts.bytesOut += chunk.length;
    if (chunk !== early) buffer = roomFor(chunk.length, buffer);
    const n: number | null = await conn.read(buffer);
    chunk = n === null ? null : buffer.subarray(0, n);
  }
  await channel.closeWrite();
}

function taken(channel: Channel, chunk: Uint8Array): Promise<boolean> {
  return channel.writeAll(chunk).then(() => true, () => false);
}
