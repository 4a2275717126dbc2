import type { Channel } from "../connection/channel.ts";
import { closeQuietly } from "../runtime/connections.ts";
import { writeAll } from "../runtime/write_all.ts";
import { onAbort } from "../waiting.ts";

/**
 * What is read at a time: fewer, larger reads are what a fast tunnel needs, and little memory is what
 * thousands of short connections do. So it starts small, and grows as long as reads fill it.
 */
const FIRST_READ_BYTES = 16 * 1024;
const MAX_READ_BYTES = 256 * 1024;
const GROWTH = 4;

const NOTHING = new Uint8Array(0);

/** What has gone through a tunnel. */
export interface ByteCounts {
  /** Bytes that came out of channels. */
  bytesIn: number;
  /** Bytes that went into channels. */
  bytesOut: number;
}

/** What {@linkcode splice} may be told. */
export interface SpliceOptions {
  /** Counts the bytes. */
  readonly counts?: ByteCounts | undefined;
  /** Bytes of the connection that have been read already. */
  readonly early?: Uint8Array | undefined;
  /** Ends both. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Joins a channel and a connection until both directions have ended: the end of one is passed on
 * while the other continues, and an error of either closes both. Both are taken over.
 *
 * @throws If the connection, the channel or the SSH connection broke
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
    // When the peer has closed the channel, what the connection still sends has no receiver.
    const unread = channel.closed.then(() => inward);
    await Promise.race([Promise.all([inward, outward]), unread]);
  } catch (error) {
    channel.abort(error);
    throw error;
  } finally {
    closeQuietly(conn);
    await Promise.allSettled([inward, outward]);
  }
  // Not awaited: both ends are done, whenever the peer's CLOSE comes.
  void channel.close();
}

async function receive(channel: Channel, conn: Deno.Conn, counts: ByteCounts): Promise<void> {
  // Into a buffer of our own: what comes while we wait goes there straight from its packet.
  let buffer = new Uint8Array(FIRST_READ_BYTES);
  for (let n; (n = await channel.read(buffer)) !== null;) {
    const bytes = buffer.subarray(0, n);
    const written = await conn.write(bytes);
    if (written < n) await writeAll(conn, bytes.subarray(written));
    counts.bytesIn += n;
    buffer = roomFor(n, buffer);
  }
  // An end that has gone needs no EOF; the other direction reports the error, if there is one.
  await conn.closeWrite().catch(() => {});
}

async function send(
  conn: Deno.Conn,
  channel: Channel,
  counts: ByteCounts,
  early: Uint8Array,
): Promise<void> {
  let buffer = new Uint8Array(FIRST_READ_BYTES);
  let chunk: Uint8Array | null = early;
  while (chunk !== null) {
    // A peer that takes no more may still have sent what the other direction has to deliver.
    if (!await taken(channel, chunk)) return;
    counts.bytesOut += chunk.length;
    if (chunk !== early) buffer = roomFor(chunk.length, buffer);
    const n: number | null = await conn.read(buffer);
    chunk = n === null ? null : buffer.subarray(0, n);
  }
  await channel.closeWrite();
}

/** The buffer, or a larger one if the last read filled it. */
function roomFor(n: number, buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (n < buffer.length || n >= MAX_READ_BYTES) return buffer;
  return new Uint8Array(GROWTH * buffer.length);
}

function taken(channel: Channel, chunk: Uint8Array): Promise<boolean> {
  return channel.writeAll(chunk).then(() => true, () => false);
}
