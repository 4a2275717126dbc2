/** A server that listens in memory: clients can have any address, and accept can fail. */
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { serve, type ServeOptions, type SessionHandler, type SshServer } from "@denossh/ssh/server";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { type ByteStreams, streamSocket } from "../../lib/transport/socket.ts";

/** A server of ours on a listener in memory. */
export interface MemoryServer extends AsyncDisposable {
  readonly server: SshServer;
  /** Connects to it from an IP address. */
  dial(from: string): ByteStreams;
  /** Makes the next accept fail. */
  failAccept(error: Error): void;
  /** Number of accepts that have settled. */
  readonly accepted: number;
  /** Whether the server has closed its listener. */
  readonly isClosed: boolean;
  /** The address that the server asked to listen on. */
  readonly listened: readonly unknown[];
  /** Whether TCP keepalives were enabled, for each connection. */
  readonly keepAlive: readonly boolean[];
}

/** Starts it; the options need no port. */
export function serveInMemory(
  options: ServeOptions,
  handler: SessionHandler | null = null,
): MemoryServer {
  const listener = new FakeListener();
  const { listen } = denoNet;
  const listened: unknown[] = [];
  denoNet.listen = (options) => {
    listened.push(options);
    return listener as unknown as Deno.TcpListener;
  };
  try {
    const server = serve(options, handler);
    return {
      server,
      listened,
      keepAlive: listener.keepAlive,
      dial: (from) => listener.dial(from),
      failAccept: (error) => listener.arrive(Promise.reject(error)),
      get accepted() {
        return listener.accepted;
      },
      get isClosed() {
        return listener.isClosed;
      },
      [Symbol.asyncDispose]: () => server.shutdown(),
    };
  } finally {
    denoNet.listen = listen;
  }
}

/** A listener in memory. */
export class FakeListener {
  readonly addr: Deno.NetAddr;
  accepted = 0;
  isClosed = false;
  readonly keepAlive: boolean[] = [];
  readonly #arrived: Promise<Deno.Conn>[] = [];
  #waiting: PromiseWithResolvers<Deno.Conn> | null = null;

  constructor(hostname = "192.0.2.250", port = 22) {
    this.addr = { transport: "tcp", hostname, port };
  }

  async accept(): Promise<Deno.Conn> {
    if (this.isClosed) throw new Deno.errors.BadResource("Listener has been closed");
    const next = this.#arrived.shift();
    const conn = await (next ?? (this.#waiting = Promise.withResolvers()).promise)
      .finally(() => this.accepted++);
    return conn;
  }

  close(): void {
    this.isClosed = true;
    this.#waiting?.reject(new Deno.errors.BadResource("Listener has been closed"));
  }

  arrive(conn: Promise<Deno.Conn>): void {
    conn.catch(() => {});
    if (this.#waiting === null) this.#arrived.push(conn);
    else this.#waiting.resolve(conn);
    this.#waiting = null;
  }

  dial(hostname: string): ByteStreams {
    const [near, far] = memoryPair();
    const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname, port: 50_000 };
    const conn = Object.assign(connOf(far, remoteAddr, this.addr), {
      setKeepAlive: (on: boolean) => void this.keepAlive.push(on),
    });
    this.arrive(Promise.resolve(conn));
    return near;
  }
}

/** The streams, shaped as a connection of Deno's. */
export function connOf(
  streams: ByteStreams,
  remoteAddr: Deno.Addr,
  localAddr: Deno.Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 },
): Deno.Conn {
  const socket = streamSocket(streams);
  const conn = {
    localAddr,
    remoteAddr,
    read: (into: Uint8Array) => socket.read(into),
    write: (bytes: Uint8Array) => socket.write(bytes).then(() => bytes.length),
    closeWrite: () => Promise.resolve(socket.closeWrite()),
    close: () => socket.close(),
    ref() {},
    unref() {},
  };
  return conn as unknown as Deno.Conn;
}
