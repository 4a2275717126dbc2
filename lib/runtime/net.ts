/** Sockets and name resolution. */
export interface Net {
  /** Connects over TCP, with IPv4 or IPv6. */
  connect(options: TcpAddress & { signal?: AbortSignal }): Promise<Deno.TcpConn>;
  /**
   * Connects over TCP from an address of this machine, with Nagle's algorithm off.
   *
   * @param hostname An address, not a name
   */
  connectFrom(
    localAddress: string,
    options: TcpAddress & { signal: AbortSignal; keepAlive: boolean },
  ): Promise<SocketStreams>;
  /** Connects to a unix socket, or to a named pipe of Windows. */
  connectUnix(path: string): Promise<Deno.UnixConn>;
  /** Listens on a port; on all addresses unless one is given. */
  listen(options: { port: number; hostname?: string; reusePort?: boolean }): Deno.TcpListener;
  /** Listens on a unix socket. */
  listenUnix(path: string): Deno.UnixListener;
  /**
   * Looks up addresses with the system's resolver.
   *
   * @param family 4 or 6; 0 for both
   */
  lookup(hostname: string, family: 0 | 4 | 6): Promise<string[]>;
  /** The name that the DNS has an alias for; null if the name is not an alias. */
  aliasOf(hostname: string): Promise<string | null>;
  /** A client for `fetch` that sends all requests through the proxy, regardless of NO_PROXY. */
  createHttpClient(
    options: Deno.CreateHttpClientOptions & { readonly proxy: Deno.Proxy },
  ): Deno.HttpClient;
  /** The addresses of this machine. */
  networkInterfaces(): { name: string; address: string; family: "IPv4" | "IPv6" }[];
}

/** The host and port to connect to. */
export interface TcpAddress {
  hostname: string;
  port: number;
}

/** A connection as streams. */
export interface SocketStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}
