import { hostPort } from "../host_port.ts";
import { connectFrom } from "./bound_connection.ts";
import { builtin } from "./builtin.ts";
import { isBefore } from "./deno_version.ts";
import { PIPES } from "./named_pipes.ts";
import { listenError } from "./errors.ts";
import type { Net } from "./net.ts";

/** Deno's sockets. */
export const denoNet: Net = {
  connect: (options) => Deno.connect(options),
  connectFrom,
  connectUnix: (path) =>
    path.startsWith(PIPES) ? connectPipe(path) : Deno.connect({ transport: "unix", path }),
  listen(options) {
    // Without the flag Deno would end the process. Datagrams show whether it is set.
    if (options.reusePort && !("listenDatagram" in Deno)) {
      throw new TypeError("Sharing a port between processes needs `deno run --unstable-net`");
    }
    const at = hostPort(options.hostname ?? "0.0.0.0", options.port);
    return listening(at, () => Deno.listen(options));
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

/** Connects to a named pipe of Windows with `node:net`, because `Deno.connect` cannot. */
export async function connectPipe(path: string): Promise<Deno.UnixConn> {
  const { nodeNet } = await import("./node_net.ts");
  return await nodeNet.connectUnix(path);
}

/**
 * Deno applies NO_PROXY to the proxy of a client, too. It reads the variable when the client is made.
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

/** Listens; an error names the address, and says what to do. */
function listening<L>(at: string, listen: () => L): L {
  try {
    return listen();
  } catch (error) {
    throw listenError(at, error);
  }
}

/** Removes the socket's file on closing, which older versions of Deno do not. */
function listenUnix(path: string): Deno.UnixListener {
  const listener = listening(path, () => Deno.listen({ transport: "unix", path }));
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
