import { runtime } from "../runtime/runtime.ts";
import type { ForwardAddress } from "./address.ts";

/** Only its owner may connect to a unix socket of ours, as with OpenSSH's StreamLocalBindMask. */
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
