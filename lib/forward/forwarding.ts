import { closeQuietly } from "../runtime/connections.ts";
import { writeAll } from "../runtime/write_all.ts";
import { abortable, onAbort } from "../waiting.ts";
import type { Channel, IncomingOpen } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { ChannelOpenError, ClosedError, RequestDeniedError } from "../errors.ts";
import { tell } from "../listener.ts";
import { inSpan } from "../spans.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import {
  type AddrOf,
  addrOf,
  type BindAddress,
  bindOf,
  type BindPort,
  describe,
  type ForwardAddress,
  type ForwardTarget,
  targetOf,
} from "./address.ts";
import { type Binding, Bindings, type TakeForwarded } from "./bindings.ts";
import { type Forwarder, Tunnel } from "./forwarder.ts";
import { Arrivals, BindingListener, type RemoteListener } from "./listener.ts";
import { localTunnel, openDirect } from "./local.ts";
import { connectTo } from "./sockets.ts";
import { type HttpClientOptions, type HttpInit, HttpTunnel } from "./http_tunnel.ts";
import { type NodeSocket, nodeSocket } from "../runtime/node_socket.ts";
import { acceptSocks, type SocksCredentials, socksRouter } from "./socks.ts";
import { ChannelConn, type TunnelConn } from "./tunnel_conn.ts";
import { plainMessage } from "../error_messages.ts";

/** Options of a tunnel. */
export interface TunnelOptions {
  /** Aborts starting the tunnel. */
  readonly signal?: AbortSignal;
  /** Called with the error of a failed connection, such as a target that refuses; for logs. */
  readonly onError?: (error: unknown) => void;
}

/** A tunnel between two addresses. */
export interface ForwardOptions<A extends BindAddress> extends TunnelOptions {
  /** The start of the tunnel: a port, or the path of a unix socket. */
  readonly from: A;
  /** The target: `host:port`, or the path of a unix socket. */
  readonly to: ForwardTarget;
}

/** A SOCKS server on this side, whose clients connect from the server. */
export interface SocksTunnelOptions extends BindPort, TunnelOptions {
  /** The credentials that its clients must send; by default any program on this machine may use it. */
  readonly credentials?: SocksCredentials;
}

/** A SOCKS server on the server, whose clients connect from this side. */
export interface RemoteSocksOptions<A extends BindAddress> extends TunnelOptions {
  /** The address to listen on: a port, or the path of a unix socket. */
  readonly from: A;
  /** Whether a client may connect to an address; by default to any. */
  readonly permit?: (target: ForwardAddress) => boolean;
}

/** The SSH connection for tunnels, which may be replaced when it is lost. */
export interface TunnelConnection {
  /** The current connection, or the lost one. */
  readonly connection: Connection;
  /** Resolves with the error that finally ended it. */
  readonly over: Promise<unknown>;
  /** Runs a repeatable task; if the connection is lost, waits for a new one and repeats the task. */
  run<T>(task: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Calls `renew` with each new connection; `over` is aborted when that has ended. */
  onRenewed(renew: (connection: Connection, over: AbortSignal) => Promise<void>): void;
}

/** The tunnels of one client. */
export class Forwarding {
  readonly #through: TunnelConnection;
  #bindings: Bindings | null = null;
  #http: HttpTunnel | null = null;

  constructor(through: TunnelConnection) {
    this.#through = through;
  }

  /** Opens a channel to an address on the server's side for this program; waits while reconnecting. */
  readonly #open = (
    target: ForwardAddress,
    from: Deno.Addr | null,
    signal?: AbortSignal,
  ): Promise<Channel> =>
    this.#through.run((connection) => openDirect(connection, target, from, signal), signal);

  /** The same for other programs, whose connections fail while the SSH connection is lost. */
  #now(target: ForwardAddress, from: Deno.Addr | null, signal: AbortSignal): Promise<Channel> {
    return openDirect(this.#through.connection, target, from, signal);
  }

  async dial(to: ForwardTarget, options: { signal?: AbortSignal } = {}): Promise<TunnelConn> {
    const target = targetOf(to);
    const open = () =>
      this.#open(target, null, options.signal).catch((cause) => {
        if (!(cause instanceof ChannelOpenError)) throw cause;
        const isForbidden = cause.reason === OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED;
        const advice = isForbidden ? "; AllowTcpForwarding or PermitOpen there decides" : "";
        const message = `Cannot reach ${describe(target)} from the server: ${
          plainMessage(cause)
        }${advice}`;
        throw new ChannelOpenError(cause.reason, message, { cause });
      });
    const channel = await inSpan("ssh.dial", "client", {}, open);
    return new ChannelConn(channel, addrOf(target), addrOf(target));
  }

  /** Makes a Node socket to an address in the server's network. */
  nodeSocket(to: ForwardTarget): NodeSocket {
    const target = targetOf(to);
    return nodeSocket((signal) => this.#open(target, null, signal), addrOf(target));
  }

  httpClient(options?: HttpClientOptions): Deno.HttpClient {
    return this.#web().client(options);
  }

  // deno-lint-ignore require-await -- what cannot be done is a rejection
  async fetch(input: string | URL | Request, init?: HttpInit): Promise<Response> {
    return this.#web().fetch(input, init);
  }

  /** Ends everything that was opened implicitly. */
  async close(): Promise<void> {
    await this.#http?.close();
  }

  #web(): HttpTunnel {
    return this.#http ??= new HttpTunnel(this.#open, this.#through.over);
  }

  async listen<A extends BindAddress>(
    on: A,
    options: { signal?: AbortSignal } = {},
  ): Promise<RemoteListener<AddrOf<A>>> {
    const arrivals = new Arrivals();
    const binding = await this.#bind(on, (open, from) => arrivals.add(open, from), options.signal);
    return new BindingListener(binding, arrivals, this.#through.over);
  }

  // deno-lint-ignore require-await -- what is wrong with the options is a rejection too
  async local<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    const target = targetOf(options.to);
    options.signal?.throwIfAborted();
    return localTunnel(
      options.from,
      async (conn, signal) => ({ channel: await this.#now(target, conn.remoteAddr, signal) }),
      {
        over: this.#through.over,
        onError: options.onError,
        probe: async (signal) => (await this.#now(target, null, signal)).abort(),
      },
    );
  }

  // deno-lint-ignore require-await -- what is wrong with the options is a rejection too
  async socks(options: SocksTunnelOptions): Promise<Forwarder<Deno.NetAddr>> {
    const { port, hostname, credentials, onError, signal } = options;
    for (const [name, value] of Object.entries(credentials ?? {})) {
      const { length } = new TextEncoder().encode(value);
      if (length < 1 || length > 255) throw new RangeError(`The ${name} must be 1 to 255 bytes`);
    }
    signal?.throwIfAborted();
    const router = socksRouter((target, from, signal) => this.#now(target, from, signal), {
      credentials,
    });
    return localTunnel({ port, ...(hostname !== undefined && { hostname }) }, router, {
      over: this.#through.over,
      onError,
      probe: (signal) => this.#alive(signal),
    });
  }

  // deno-lint-ignore require-await -- what is wrong with the options is a rejection too
  async remote<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    const target = targetOf(options.to);
    return this.#remoteTunnel(options, {
      serve: async (open, _from, tunnel) => {
        let conn;
        try {
          conn = await connectTo(target, tunnel.signal);
        } catch (error) {
          open.reject(OPEN_FAILURE.CONNECT_FAILED, "Cannot connect");
          throw error;
        }
        try {
          await tunnel.carry(open.accept(), conn);
        } finally {
          closeQuietly(conn);
        }
      },
      probe: async (signal) => closeQuietly(await connectTo(target, signal)),
    });
  }

  remoteSocks<A extends BindAddress>(
    options: RemoteSocksOptions<A>,
  ): Promise<Forwarder<AddrOf<A>>> {
    const { permit = () => true } = options;
    return this.#remoteTunnel(options, {
      serve: async (open, from, tunnel) => {
        const channel = open.accept();
        using _ending = onAbort(tunnel.signal, (reason) => channel.abort(reason));
        try {
          const { opened: conn, early } = await acceptSocks(new ChannelConn(channel, from, from), {
            dial: (target) => {
              if (permit(target) === true) return connectTo(target, tunnel.signal);
              const { ADMINISTRATIVELY_PROHIBITED } = OPEN_FAILURE;
              throw new ChannelOpenError(
                ADMINISTRATIVELY_PROHIBITED,
                "The target is not permitted",
              );
            },
            undo: closeQuietly,
          });
          await writeAll(conn, early);
          await tunnel.carry(channel, conn);
        } catch (error) {
          channel.abort(error);
          throw error;
        }
      },
      probe: () => Promise.resolve(),
    });
  }

  /** A tunnel from the server; serves each channel that the server opens for it. */
  async #remoteTunnel<A extends BindAddress>(
    { from, signal, onError }: TunnelOptions & { readonly from: A },
    { serve, probe }: {
      serve: (open: IncomingOpen, from: Deno.Addr, tunnel: Tunnel<AddrOf<A>>) => Promise<void>;
      probe: (signal: AbortSignal) => Promise<void>;
    },
  ): Promise<Forwarder<AddrOf<A>>> {
    const ready = Promise.withResolvers<Tunnel<AddrOf<A>>>();
    ready.promise.catch(() => {}); // for connections that arrive before the tunnel is ready
    const binding = await this.#bind(
      from,
      async (open, from) => {
        const tunnel = await ready.promise;
        await tunnel.run(() => serve(open, from, tunnel));
      },
      signal,
      (error) => tell(onError, error),
    ).catch((error) => {
      ready.reject(error);
      throw error;
    });
    const tunnel = new Tunnel({
      addr: binding.addr as AddrOf<A>,
      over: this.#through.over,
      onError,
      stop: () => binding.cancel(),
      probe: async (signal) => {
        await probe(signal);
        if (!binding.isUp) throw new ClosedError("The server does not listen yet");
        await this.#alive(signal);
      },
    });
    ready.resolve(tunnel);
    return tunnel;
  }

  #bind(
    on: BindAddress,
    take: TakeForwarded,
    signal: AbortSignal | undefined,
    refused?: (error: unknown) => void,
  ): Promise<Binding> {
    const address = bindOf(on, "localhost");
    return this.#through.run((connection) => {
      if (this.#bindings === null) {
        const bindings = this.#bindings = new Bindings(connection);
        this.#through.onRenewed((connection, over) => bindings.renew(connection, over));
      }
      return this.#bindings.bind(address, take, signal, refused);
    }, signal);
  }

  /** Any answer shows that the server is alive. */
  async #alive(signal: AbortSignal): Promise<void> {
    try {
      await abortable(this.#through.connection.request("keepalive@openssh.com"), signal);
    } catch (error) {
      if (!(error instanceof RequestDeniedError)) throw error;
    }
  }
}
