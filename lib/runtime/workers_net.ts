import { SOCKET_READ_BYTES } from "../defaults.ts";
import { abortable } from "../waiting.ts";
import { platformError } from "./errors.ts";
import type { Net, TcpAddress } from "./net.ts";

/** The part of `cloudflare:sockets` that is used. */
export interface SocketsModule {
  connect(address: TcpAddress, options: { allowHalfOpen: boolean }): WorkersSocket;
}

/** A socket of that module. */
export interface WorkersSocket {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the connection is open. */
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;
  close(): Promise<void>;
}

/** Connections over TCP with `cloudflare:sockets`, its only feature. */
export function workersNet(load: () => Promise<SocketsModule>): Net {
  return {
    async connect({ hostname, port, signal }) {
      signal?.throwIfAborted();
      const { connect } = await load();
      const socket = connect({ hostname, port }, { allowHalfOpen: true });
      socket.closed.catch(() => {}); // reported by reads and writes
      try {
        await abortable(socket.opened, signal);
      } catch (error) {
        socket.close().catch(() => {});
        throw error;
      }
      return new WorkersConn(socket, { hostname, port });
    },
    connectFrom: () => refuse("connect from a chosen address: leave localAddress out"),
    connectUnix: () => refuse("connect to unix sockets"),
    listen: () => lack("listen on ports: use host.dial() and the streams of its connection"),
    listenUnix: () => lack("listen on unix sockets"),
    lookup: () => refuse("look up addresses: leave the family out"),
    aliasOf: () => Promise.resolve(null),
    createHttpClient: () => lack("send requests of fetch() through a proxy: use host.dial()"),
    networkInterfaces: () => [],
  };
}

function lack(what: string): never {
  throw platformError("NotSupported", `Cloudflare Workers cannot ${what}`);
}

async function refuse(what: string): Promise<never> {
  return await lack(what);
}

/** A connection in Deno's shape. */
class WorkersConn implements Deno.TcpConn {
  readonly localAddr: Deno.NetAddr = { transport: "tcp", hostname: "", port: 0 };
  readonly remoteAddr: Deno.NetAddr;
  readonly #socket: WorkersSocket;
  #reader: ReadableStreamBYOBReader | null = null;
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  /** Passed to the stream with each read, and returned with the data. */
  #buffer = new ArrayBuffer(0);

  constructor(socket: WorkersSocket, { hostname, port }: TcpAddress) {
    this.#socket = socket;
    this.remoteAddr = { transport: "tcp", hostname, port };
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#socket.readable;
  }

  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    return this.#socket.writable;
  }

  async read(into: Uint8Array): Promise<number | null> {
    // Without a buffer from here workerd reads 4 KiB at a time.
    this.#reader ??= this.#socket.readable.getReader({ mode: "byob" });
    if (this.#buffer.byteLength === 0) this.#buffer = new ArrayBuffer(SOCKET_READ_BYTES);
    const wanted = Math.min(into.length, this.#buffer.byteLength);
    const { done, value } = await this.#reader.read(new Uint8Array(this.#buffer, 0, wanted));
    if (done) return null;
    this.#buffer = value.buffer;
    into.set(value);
    return value.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.#writer ??= this.#socket.writable.getWriter();
    await this.#writer.write(bytes);
    return bytes.length;
  }

  async closeWrite(): Promise<void> {
    this.#writer ??= this.#socket.writable.getWriter();
    await this.#writer.close();
  }

  close(): void {
    this.#socket.close().catch(() => {});
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The platform does not allow setting these. */
  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}
}
