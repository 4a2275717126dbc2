import type { Socket } from "node:net";
import { SOCKET_READ_BYTES } from "../defaults.ts";
import { onAbort } from "../waiting.ts";
import { builtin } from "./builtin.ts";
import { isBefore } from "./deno_version.ts";
import type { Net, SocketStreams } from "./net.ts";

/** Deno's sockets. */
export const denoNet: Net = {
  connect: (options) => Deno.connect(options),
  connectFrom,
  connectUnix: (path) => Deno.connect({ transport: "unix", path }),
  listen(options) {
    // Without the flag Deno would end the process; with it there are datagrams, too.
    if (options.reusePort && !("listenDatagram" in Deno)) {
      throw new TypeError("Sharing a port between processes needs `deno run --unstable-net`");
    }
    return Deno.listen(options);
  },
  listenUnix,
  async lookup(hostname, family) {
    const found = await builtin("node:dns/promises").lookup(hostname, { all: true, family });
    return found.map(({ address }) => address);
  },
  async aliasOf(hostname) {
    try {
      return (await Deno.resolveDns(hostname, "CNAME"))[0] ?? null;
    } catch {
      return null;
    }
  },
  createHttpClient,
  networkInterfaces: () => Deno.networkInterfaces(),
};

/**
 * Deno leads requests to hosts in NO_PROXY past the proxy of a client, too. It reads the variable when the
 * client is made.
 */
function createHttpClient(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  using restoring = new DisposableStack();
  for (const name of ["NO_PROXY", "no_proxy"]) {
    const value = Deno.env.get(name);
    if (value === undefined) continue;
    Deno.env.delete(name);
    restoring.defer(() => Deno.env.set(name, value));
  }
  return Deno.createHttpClient(options);
}

/** Deno 2.5 and older leave the file of the socket when its listener is closed. */
function listenUnix(path: string): Deno.UnixListener {
  const listener = Deno.listen({ transport: "unix", path });
  if (!isBefore(2, 7, 0)) return listener;
  const { close } = listener;
  let closed = false;
  listener.close = () => {
    close.call(listener);
    closed = true;
    try {
      Deno.removeSync(path);
    } catch { /* something else has removed it */ }
  };
  listener[Symbol.dispose] = () => {
    if (!closed) listener.close();
  };
  return listener;
}

/** `Deno.connect` leaves the local address to the system; Node's sockets can be bound to one. */
async function connectFrom(
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
  return streamsOf(socket);
}

/** The streams of a Node socket. Its own web streams detach buffers that the socket still uses. */
function streamsOf(socket: Socket): SocketStreams {
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.on("data", (chunk: Uint8Array) => {
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) socket.pause();
      });
      socket.once("end", () => controller.close());
      socket.once("error", (error) => controller.error(error));
    },
    pull: () => void socket.resume(),
    cancel: () => void socket.destroy(),
  }, { highWaterMark: SOCKET_READ_BYTES, size: ({ length }) => length });
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) =>
      new Promise((resolve, reject) => {
        socket.write(chunk, (error) => error ? reject(error) : resolve());
      }),
    close: () => void socket.end(),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}
