import { hostPort } from "../host_port.ts";
import type { ListenOptions, Server, Socket } from "node:net";
import { onAbort } from "../waiting.ts";
import { connectFrom } from "./bound_connection.ts";
import { builtin } from "./builtin.ts";
import { listenError, platformError } from "./errors.ts";
import type { Net } from "./net.ts";
import { endOf, NodeReader, webReadable, webWritable, writeTo } from "./node_streams.ts";

/** Sockets of Node, in the shape of Deno's. */
export const nodeNet: Net = {
  connect: async ({ hostname, port, signal }) => {
    const { Socket } = builtin("node:net");
    return await connected(new Socket({ allowHalfOpen: true }), { host: hostname, port }, signal);
  },
  connectFrom,
  connectUnix: async (path) => {
    const { Socket } = builtin("node:net");
    const conn = await connected(new Socket({ allowHalfOpen: true }), { path });
    return conn as unknown as Deno.UnixConn;
  },
  listen({ port, hostname = "0.0.0.0", reusePort }) {
    if (reusePort) {
      throw platformError("NotSupported", "Sharing a port between processes needs Deno");
    }
    const address = hostname === "localhost" ? "127.0.0.1" : hostname;
    const family = builtin("node:net").isIP(address);
    if (family === 0) {
      throw new TypeError(`Listening needs an address on this runtime, not the name "${hostname}"`);
    }
    return new NodeListener(listening({ host: address, port }, family)) as Deno.TcpListener;
  },
  listenUnix: (path) => {
    const listener = new NodeListener(listening({ path }, 0));
    return listener as unknown as Deno.UnixListener;
  },
  async lookup(hostname, family) {
    const found = await builtin("node:dns/promises").lookup(hostname, { all: true, family });
    return found.map(({ address }) => address);
  },
  async aliasOf(hostname) {
    try {
      return (await builtin("node:dns/promises").resolveCname(hostname))[0] ?? null;
    } catch {
      return null;
    }
  },
  createHttpClient(): never {
    throw platformError(
      "NotSupported",
      "fetch() through a connection needs Deno: use node:http with nodeSocket() of the connection",
    );
  },
  networkInterfaces: () =>
    Object.entries(builtin("node:os").networkInterfaces()).flatMap(([name, addresses = []]) =>
      addresses.map(({ address, family }) => ({ name, address, family }))
    ),
};

async function connected(
  socket: Socket,
  to: { host: string; port: number } | { path: string },
  signal?: AbortSignal,
): Promise<NodeConn> {
  signal?.throwIfAborted();
  using _aborting = onAbort(signal, () => socket.destroy(new Error("Aborted")));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(to, () => {
        socket.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    // With several addresses, throw the first error, because the AggregateError has no message.
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
  return new NodeConn(socket, "path" in to ? to.path : "");
}

/** A Node socket in the shape of Deno's connections. */
class NodeConn implements Deno.TcpConn {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly #socket: Socket;
  readonly #reader: NodeReader;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** @param path The path of a unix socket */
  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#reader = new NodeReader(socket);
    this.localAddr = addressOf(socket.localAddress, socket.localPort, path);
    this.remoteAddr = addressOf(socket.remoteAddress, socket.remotePort, path);
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= webReadable(this.#socket, this.#reader);
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= webWritable(this.#socket);
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#reader.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return writeTo(this.#socket, bytes);
  }

  closeWrite(): Promise<void> {
    return endOf(this.#socket);
  }

  close(): void {
    this.#reader.fail(new Error("The connection has been closed"));
    this.#socket.destroy();
  }

  setNoDelay(on = true): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on = true): void {
    this.#socket.setKeepAlive(on);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** An address of a socket: of the network, or the path of a unix socket. */
function addressOf(
  hostname: string | undefined,
  port: number | undefined,
  path: string,
): Deno.NetAddr {
  if (hostname === undefined || port === undefined) {
    return { transport: "unix", path } as unknown as Deno.NetAddr;
  }
  return { transport: "tcp", hostname, port };
}

/** A connection that an `accept` waits for. */
type Acceptor = PromiseWithResolvers<Deno.TcpConn>;

/** A Node server in the shape of Deno's listeners. */
class NodeListener implements Deno.Listener<Deno.TcpConn, Deno.NetAddr> {
  readonly addr: Deno.NetAddr;
  readonly #server: Server;
  readonly #conns: NodeConn[] = [];
  readonly #acceptors: Acceptor[] = [];
  #closed = false;

  constructor(server: Server) {
    this.#server = server;
    const address = server.address();
    const path = typeof address === "string" ? address : "";
    this.addr = typeof address === "string" || address === null
      ? addressOf(undefined, undefined, path)
      : addressOf(address.address, address.port, "");
    server.on("connection", (socket) => {
      const conn = new NodeConn(socket, path);
      const acceptor = this.#acceptors.shift();
      if (acceptor) acceptor.resolve(conn);
      else this.#conns.push(conn);
    });
    server.on("error", (error) => this.#acceptors.shift()?.reject(error));
  }

  accept(): Promise<Deno.TcpConn> {
    const conn = this.#conns.shift();
    if (conn) return Promise.resolve(conn);
    if (this.#closed) return Promise.reject(new Error("The listener has been closed"));
    const acceptor = Promise.withResolvers<Deno.TcpConn>();
    this.#acceptors.push(acceptor);
    return acceptor.promise;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#server.close();
    for (const conn of this.#conns.splice(0)) conn.close();
    for (const { reject } of this.#acceptors.splice(0)) {
      reject(new Error("The listener has been closed"));
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Deno.TcpConn> {
    while (!this.#closed) yield await this.accept();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** An untyped export of `node:net`: returns a bound socket, or the number of an error. */
type CreateHandle = (
  address: string,
  port: number,
  family: number,
) => number | { listen(backlog: number): number; close(): void };

/** Connections that the system queues until they are accepted; Node's default. */
const BACKLOG = 511;

/**
 * Returns a server that is listening, as Deno's listeners are. Node's `listen` waits for a look-up even of
 * a numeric address, unless it is given a bound socket; the other runtimes listen immediately.
 *
 * @param family The family of the address, 4 or 6; 0 for a path
 */
function listening(options: ListenOptions, family: number): Server {
  const net = builtin("node:net");
  const { _createServerHandle: create } = net as unknown as { _createServerHandle?: CreateHandle };
  const server = net.createServer({ allowHalfOpen: true });
  // The error is thrown below.
  server.once("error", () => {});
  if (family === 0 || create === undefined) server.listen(options);
  else {
    const { host, port } = options as { host: string; port: number };
    const handle = create(host, port, family);
    if (typeof handle === "number") throw listenFailure(nameOf(handle), options);
    const failed = handle.listen(BACKLOG);
    if (failed !== 0) {
      handle.close();
      throw listenFailure(nameOf(failed), options);
    }
    server.listen(handle);
  }
  // The address does not tell: Node's server has a path even if it could not make the socket.
  if (!server.listening || server.address() === null) {
    throw listenFailure(refusal(options, create), options);
  }
  return server;
}

/** The error that Bun's own function throws immediately, and its `node:net` emits later. */
interface BunListen {
  listen(options: object): { stop(now: boolean): void };
}

/** The code of the error, found by binding once more; if that succeeds, the address was in use before. */
function refusal({ host, port, path }: ListenOptions, create: CreateHandle | undefined): string {
  const { Bun } = globalThis as { Bun?: BunListen };
  const address = path === undefined ? { hostname: host, port } : { unix: path };
  try {
    Bun?.listen({ ...address, socket: { data() {} } }).stop(true);
  } catch (error) {
    return `${(error as { code?: unknown }).code}`;
  }
  const handle = path === undefined ? undefined : create?.(path, -1, -1);
  if (typeof handle === "number") return nameOf(handle);
  handle?.close();
  return "EADDRINUSE";
}

function nameOf(number: number): string {
  return builtin("node:util").getSystemErrorName(number);
}

function listenFailure(code: string, { host, port, path }: ListenOptions): unknown {
  const at = path ?? hostPort(`${host}`, port!);
  return listenError(at, Object.assign(new Error(`Cannot listen on ${at}: ${code}`), { code }));
}
