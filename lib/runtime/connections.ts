import { onAbort, sleep } from "../waiting.ts";

/** How long accepting pauses after an error, such as too many open files, in milliseconds. */
const ACCEPT_PAUSE_MS = 10;

/**
 * Accepts connections until the signal is aborted, which closes the listener. An error of one connection
 * does not end it.
 *
 * @param take Gets each connection; accepting waits for its promise, if it returns one
 * @param failed Told of errors in accepting and taking
 */
export async function acceptEach<C extends Deno.Conn>(
  listener: { accept(): Promise<C>; close(): void },
  signal: AbortSignal,
  take: (conn: C) => void | Promise<unknown>,
  failed: (error: unknown) => void = () => {},
): Promise<void> {
  onAbort(signal, () => listener.close());
  while (!signal.aborted) {
    try {
      const conn = await listener.accept();
      if (signal.aborted) return closeQuietly(conn);
      // With Nagle's algorithm on, a small packet waits for the peer's delayed acknowledgement.
      if ("setNoDelay" in conn) (conn as Deno.Conn as Deno.TcpConn).setNoDelay(true);
      await take(conn);
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
      await sleep(ACCEPT_PAUSE_MS); // too many open files: do not spin
    }
  }
}

/** Closing once more is an error, and to make that costs more than all else of a short connection. */
const closed = new WeakSet<Deno.Conn>();

/** Closes a connection that may be closed already. */
export function closeQuietly(conn: Deno.Conn): void {
  if (closed.has(conn)) return;
  closed.add(conn);
  try {
    conn.close();
  } catch {
    // It is closed: that is what was wanted.
  }
}
