import { listsAddress } from "../auth/address_list.ts";
import { checkPolicy } from "../auth/server.ts";
import { algorithmOptions, resolveSuite, type Suite } from "../crypto/suite.ts";
import { LOGIN_GRACE_MS } from "../defaults.ts";
import { ConnectError, DisconnectError } from "../errors.ts";
import { tell } from "../listener.ts";
import { canUse } from "../keys/parsed_key.ts";
import { acceptEach } from "../runtime/connections.ts";
import { runtime } from "../runtime/runtime.ts";
import type { SessionHandler } from "../session/session.ts";
import { type ByteStreams, connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import type { Transport } from "../transport/transport.ts";
import { onAbort, onTimeout } from "../waiting.ts";
import { DISCONNECT } from "../wire/numbers.ts";
import { serveSocket } from "./login.ts";
import { checkServeOptions } from "./checks.ts";
import type { ServeOptions } from "./options.ts";
import { Penalties } from "./penalties.ts";
import { readProxyHeader } from "./proxy_protocol.ts";
import { measure, type ServerMetrics } from "./server_metrics.ts";
import { Startups } from "./startups.ts";

/** A listening server, shaped like the result of `Deno.serve`. */
export interface SshServer extends AsyncDisposable {
  /** The address that it listens on. */
  readonly addr: Deno.NetAddr;
  /** Resolves when the server has stopped and every connection has ended. */
  readonly finished: Promise<void>;
  /** The current number of connections, before and after login. */
  readonly connections: number;
  /** Stops listening and disconnects every client. */
  shutdown(): Promise<void>;
}

/**
 * Serves SSH. Commands and shells go to the handler, SFTP to `options.sftp`, tunnels to
 * `options.forward`; everything else is refused.
 *
 * Needs `--allow-net` for the address.
 *
 * @param handler Runs for each command or shell; without one, they are refused
 * @throws {TypeError} If a host key or a login method is missing, or an algorithm is unknown
 *
 * @example
 * ```ts
 * import { serve } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 *
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [await generateKey("ed25519")],
 *   auth: {
 *     password: (user, secret) => user === "deploy" && secret === "hunter2",
 *   },
 * }, async (session) => {
 *   await session.print(`Hello ${session.user}\n`);
 *   return 0;
 * });
 * console.log(`Listening on port ${server.addr.port}`);
 * ```
 */
export function serve(options: ServeOptions, handler: SessionHandler | null = null): SshServer {
  checkServeOptions("serve()", options, handler);
  const suite = suiteOf(options);
  options.signal?.throwIfAborted();
  const listener = runtime.net.listen({
    port: options.port ?? 22,
    ...(options.hostname !== undefined && { hostname: options.hostname }),
    ...(options.reusePort && { reusePort: true }),
  });
  return new Server(listener, suite, options, handler);
}

/** The connection of {@linkcode serveStreams}. */
export interface ServedConnection extends AsyncDisposable {
  /** Resolves with the error that ended the connection; never rejects. */
  readonly closed: Promise<unknown>;
  /** Disconnects the client. */
  close(): Promise<void>;
}

/**
 * Serves one connection over any pair of byte streams, as `sshd -i` does.
 *
 * @param streams Taken over
 *
 * @example
 * ```ts
 * import { connect, none } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { serveStreams } from "@denossh/ssh/server";
 * import { memoryPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * const [near, far] = memoryPair();
 * await using _served = serveStreams(far, {
 *   hostKeys: [hostKey],
 *   auth: { none: () => true },
 * }, (session) => session.print("hello"));
 * await using host = await connect({
 *   transport: near,
 *   user: "me",
 *   auth: [none()],
 *   hostKeys: hostKey.publicKey,
 * });
 * assertEquals(await host.run("anything"), "hello");
 * ```
 */
export function serveStreams(
  streams: ByteStreams,
  options: ServeOptions,
  handler: SessionHandler | null = null,
): ServedConnection {
  checkServeOptions("serveStreams()", options, handler);
  const { transport } = serveSocket(streamSocket(streams), suiteOf(options), options, handler);
  const close = async () => {
    transport.disconnect();
    await transport.finished;
  };
  return { closed: transport.closed, close, [Symbol.asyncDispose]: close };
}

/** The offered algorithms; the key exchange omits host key algorithms without a key. */
function suiteOf(options: ServeOptions): Suite {
  const suite = resolveSuite(options.algorithms);
  if (options.hostKeys.length === 0) throw new TypeError("A server needs a host key");
  checkPolicy(options.auth);
  const able = options.hostKeys.flatMap((key) => key.publicKey.algorithms);
  // A type of key that is off by default is offered if such a key is given.
  const hostKey = algorithmOptions(options.algorithms).hostKey === undefined
    ? [...new Set([...suite.hostKey, ...able])]
    : suite.hostKey;
  const fits = (name: string) => options.hostKeys.some((key) => canUse(key.publicKey, name));
  if (!hostKey.some(fits)) throw new TypeError("No host key fits the host key algorithms");
  return { ...suite, hostKey };
}

class Server implements SshServer {
  readonly addr: Deno.NetAddr;
  readonly finished: Promise<void>;
  readonly #stopping = new AbortController();
  readonly #suite: Suite;
  readonly #options: ServeOptions;
  readonly #handler: SessionHandler | null;
  readonly #transports = new Set<Transport>();
  readonly #penalties: Penalties | null;
  readonly #metrics: ServerMetrics;
  readonly #startups: Startups;
  /** Disposed of when the server ends: its metrics and its abort listener. */
  readonly #running = new DisposableStack();

  constructor(
    listener: Deno.TcpListener,
    suite: Suite,
    options: ServeOptions,
    handler: SessionHandler | null,
  ) {
    this.#suite = suite;
    this.#options = options;
    this.#handler = handler;
    this.#startups = new Startups(options);
    this.#penalties = options.penalties === false ? null : new Penalties(options.penalties);
    this.#metrics = this.#running.use(measure(this));
    this.addr = listener.addr as Deno.NetAddr;
    this.#running.use(onAbort(options.signal, () => this.#stop()));
    try {
      options.onListen?.(this.addr);
    } catch (error) {
      listener.close();
      this.#running.dispose();
      throw error;
    }
    this.finished = this.#run(listener);
  }

  get connections(): number {
    return this.#transports.size;
  }

  /** Channels of all connections. */
  get channels(): number {
    let sum = 0;
    for (const { channelCount } of this.#transports) sum += channelCount;
    return sum;
  }

  async shutdown(): Promise<void> {
    this.#stop();
    await this.finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #run(listener: Deno.TcpListener): Promise<void> {
    const { onError, tcpKeepAlive = true } = this.#options;
    await acceptEach(
      listener,
      this.#stopping.signal,
      (conn) => {
        conn.setKeepAlive(tcpKeepAlive);
        const socket = connSocket(conn);
        if (this.#isProxy(socket)) this.#serveProxied(socket);
        else this.#serve(socket);
      },
      (error) => tell(onError, error, null),
    );
    await Promise.all([...this.#transports].map((transport) => transport.finished));
    this.#running.dispose();
  }

  #stop(): void {
    this.#stopping.abort();
    for (const transport of this.#transports) {
      transport.disconnect(DISCONNECT.BY_APPLICATION, "The server is shutting down");
    }
  }

  #isProxy({ remoteAddr }: Socket): boolean {
    const { proxies } = this.#options;
    return proxies !== undefined && listsAddress(proxies, addressOf(remoteAddr));
  }

  /** Reads the header of a proxy, within the time limit of the login, and serves the client. */
  async #serveProxied(socket: Socket): Promise<void> {
    const { loginGraceTime = LOGIN_GRACE_MS, onError } = this.#options;
    try {
      using _late = onTimeout(loginGraceTime || undefined, () => socket.close());
      using _stopping = onAbort(this.#stopping.signal, () => socket.close());
      const remoteAddr = await readProxyHeader(socket) ?? socket.remoteAddr;
      // A server that stops has closed the socket.
      if (!this.#stopping.signal.aborted) this.#serve({ ...socket, remoteAddr });
    } catch (error) {
      socket.close();
      tell(onError, error, socket.remoteAddr);
    }
  }

  #serve(socket: Socket): void {
    const address = addressOf(socket.remoteAddr);
    const refused = this.#isRefused(address, socket.remoteAddr);
    const startup = refused ? null : this.#startups.admit(address);
    if (startup === null) {
      this.#metrics.login("refused");
      return socket.close();
    }
    const { transport, loggedIn } = serveSocket(
      this.#metrics.counted(socket),
      this.#suite,
      this.#options,
      this.#handler,
    );
    this.#transports.add(transport);
    loggedIn.then((offence) => {
      startup[Symbol.dispose]();
      this.#metrics.login(offence ?? "accepted");
      if (offence !== null) this.#penalties?.add(address, offence);
    });
    transport.closed.then((cause) => {
      if (!(cause instanceof DisconnectError && cause.reason === DISCONNECT.BY_APPLICATION)) {
        tell(this.#options.onError, cause, socket.remoteAddr);
      }
    });
    transport.finished.then(() => this.#transports.delete(transport));
  }

  /** sshd's PerSourcePenalties; the refusal of a source is reported once. */
  #isRefused(address: string, remoteAddr: Deno.Addr | null): boolean {
    if (!this.#penalties?.refuses(address)) return false;
    const untold = this.#penalties.untold(address);
    if (untold !== null) {
      const text = `Connections from ${address} are refused for ${Math.ceil(untold / 1000)} s, ` +
        "because its logins failed";
      tell(this.#options.onError, new ConnectError(text), remoteAddr);
    }
    return true;
  }
}

function addressOf(address: Deno.Addr | null): string {
  return address && "hostname" in address ? address.hostname : "";
}
