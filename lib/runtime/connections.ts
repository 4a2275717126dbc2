import { onAbort, sleep } from "../waiting.ts";

/** How long accepting pauses after an error, such as too many open files, in milliseconds. */
const ACCEPT_PAUSE_MS = 10;

/**
 * Accepts connections until the signal is aborted, which closes the listener. An error of one connection
 * does not end it.
 *
 * @param take Called with each connection; if it returns a promise, accepting waits for it
 * @param failed Called with errors of accepting and of `take`
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
      // With Nagle's algorithm, a small packet would wait for the peer's delayed acknowledgement.
      if ("setNoDelay" in conn) (conn as Deno.Conn as Deno.TcpConn).setNoDelay(true);
      await take(conn);
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
      await sleep(ACCEPT_PAUSE_MS); // do not spin, for example after too many open files
    }
  }
}

/** Closing twice throws, and creating that error costs more than all the rest of a short connection. */
const closed = new WeakSet<Deno.Conn>();

/** Closes a connection, which may be closed already. */
export function closeQuietly(conn: Deno.Conn): void {
  if (closed.has(conn)) return;
  closed.add(conn);
  try {
    conn.close();
  } catch {
    // It was closed already.
  }
}
