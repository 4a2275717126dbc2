import { runtime } from "../runtime/runtime.ts";
import type { ForwardAddress } from "./address.ts";

/** Only the owner may connect to our Unix sockets, as with OpenSSH's StreamLocalBindMask. */
const SOCKET_MODE = 0o600;

/** Connects to an address on this side. */
export async function connectTo(address: ForwardAddress, signal: AbortSignal): Promise<Deno.Conn> {
  signal.throwIfAborted();
  if ("path" in address) return await runtime.net.connectUnix(address.path);
  const { hostname, port } = address;
  const conn = await runtime.net.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  return conn;
}

/** Listens on an address on this side; a Unix socket is only for its owner. */
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
