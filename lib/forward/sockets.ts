import { runtime } from "../runtime/runtime.ts";
import { onAbort, sleep } from "../waiting.ts";
import type { ForwardAddress } from "./address.ts";
import { closeQuietly } from "./splice.ts";

/** How long accepting pauses after an error, such as too many open files, in milliseconds. */
const ACCEPT_PAUSE_MS = 10;

/** Who may connect to a unix socket of ours: its owner, as with OpenSSH's StreamLocalBindMask. */
const SOCKET_MODE = 0o600;

/** Connects to an address of this side's. */
export async function connectTo(address: ForwardAddress, signal: AbortSignal): Promise<Deno.Conn> {
  signal.throwIfAborted();
  if ("path" in address) return await runtime.net.connectUnix(address.path);
  const { hostname, port } = address;
  const conn = await runtime.net.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  return conn;
}

/** Listens on an address of this side's; a unix socket is its owner's only. */
export function listenOn(address: ForwardAddress): Deno.Listener {
  if (!("path" in address)) return runtime.net.listen(address);
  const listener = runtime.net.listenUnix(address.path);
  try {
    if (runtime.os !== "windows") runtime.files.chmodSync(address.path, SOCKET_MODE);
    return listener;
  } catch (error) {
    listener.close();
    throw error;
  }
}

/** Hands on every connection until the signal is aborted, which closes the listener. */
export async function acceptEach(
  listener: Deno.Listener,
  signal: AbortSignal,
  take: (conn: Deno.Conn) => void,
): Promise<void> {
  onAbort(signal, () => listener.close());
  while (!signal.aborted) {
    try {
      const conn = await listener.accept();
      if (signal.aborted) return closeQuietly(conn);
      if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
      take(conn);
    } catch {
      // A connection that breaks while it is accepted, or too many open files, must not end the
      // tunnel; but nor may it spin.
      if (signal.aborted) return;
      await sleep(ACCEPT_PAUSE_MS);
    }
  }
}
