import { onAbort } from "../waiting.ts";
import { builtin } from "./builtin.ts";
import type { Net, SocketStreams } from "./net.ts";
import { webReadable, webWritable } from "./node_streams.ts";

/** See `Net.connectFrom`. Uses Node's sockets, because `Deno.connect` has no option for the local address. */
export async function connectFrom(
  ...[localAddress, { hostname, port, keepAlive, signal }]: Parameters<Net["connectFrom"]>
): Promise<SocketStreams> {
  const { connect } = builtin("node:net");
  signal.throwIfAborted();
  const socket = connect({ host: hostname, port, localAddress, noDelay: true, keepAlive });
  using _aborting = onAbort(signal, () => socket.destroy(new Error("Aborted")));
  try {
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return { readable: webReadable(socket), writable: webWritable(socket) };
}
