import type { ForwardedAgent } from "../agent/forwarding.ts";
import type { Channel, IncomingOpen } from "../connection/channel.ts";
import type { GlobalHandler } from "../connection/global_requests.ts";
import type { HostSettings } from "../config/settings.ts";
import type { X11Forward } from "../connection/x11_forward.ts";
import { DisconnectError, printable, RequestDeniedError } from "../errors.ts";
import type { AddrOf, BindAddress, ForwardTarget } from "../forward/address.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import {
  Forwarding,
  type ForwardOptions,
  type RemoteSocksOptions,
  type SocksTunnelOptions,
  type TunnelOptions,
} from "../forward/forwarding.ts";
import type { HttpClientOptions, HttpInit } from "../forward/http_tunnel.ts";
import type { RemoteListener } from "../forward/listener.ts";
import type { DisplayOptions } from "../forward/x11_lend.ts";
import type { TunnelConn } from "../forward/tunnel_conn.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { onlyKey } from "../login/host_keys.ts";
import type { ConfiguredForwards } from "./configured_forwards.ts";
import { Command, startOn, startProcess } from "../session/command.ts";
import { sh, type ShellValue } from "../quote.ts";
import { ShellCommand } from "../session/shell_command.ts";
import type { Process } from "../session/process.ts";
import type { NodeSocket } from "../runtime/node_socket.ts";
import type { SftpClient } from "../sftp/client.ts";
import { NOT_SHARED } from "../transport/message_transport.ts";
import {
  checkRunOptions,
  checkSudoOptions,
  type RunOptions,
  type SudoOptions,
  type WaitOptions,
} from "./run_options.ts";
import { type SftpStartOptions, startSftp } from "./sftp_start.ts";
import { sudoStart } from "../session/sudo.ts";
import {
  type FurtherClient,
  FurtherConnections,
  type FurtherLogins,
} from "./further_connections.ts";
import {
  CurrentConnection,
  isByUs,
  type LiveConnection,
  type Reconnect,
} from "./current_connection.ts";
import type { ClientState, ResilientOptions } from "./resilience.ts";
import { DISCONNECT } from "../wire/numbers.ts";

/** Information about an open connection. */
export interface ConnectionInfo {
  /** The host as requested. */
  readonly host: HostAddress;
  /** The user who is logged in. */
  readonly user: string;
  /**
   * Whether this is a shared connection of a control master. The master does not report the negotiated
   * algorithms: the texts below are then empty, and reading `hostKey` throws a TypeError.
   */
  readonly shared: boolean;
  /** The server's identification line. */
  readonly server: string;
  /** The server's host key. */
  readonly hostKey: PublicKey;
  /** The key exchange method in use. */
  readonly kex: string;
  /** The signature algorithm of the host key. */
  readonly hostKeyAlgorithm: string;
  /** The cipher towards the server. */
  readonly cipher: string;
  /** The MAC towards the server; empty if the cipher authenticates by itself. */
  readonly mac: string;
  /** The compression towards the server, or `"none"`. */
  readonly compression: string;
}

/** The user, the host, and defaults for commands. */
export interface ClientLogin {
  readonly host: HostAddress;
  readonly user: string;
  readonly settings: HostSettings | null;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Further connections for transfers of files. */
  readonly further?: FurtherLogins | null;
  /** Connects again if the connection is lost. */
  readonly reconnect?: Reconnect | null;
  /** Closes the resources of all its connections after the last one. */
  readonly end?: () => Promise<void>;
}

/** The connection of a client that was taken over. */
interface Taken {
  readonly live: LiveConnection;
  readonly login: ClientLogin;
}

/** Takes over the connection of a client. */
let taken: (client: Client) => Taken;

/**
 * A connection to a server, after the login. Dispose of it to disconnect.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.print("up 3 days\n"),
 * });
 * const host = pair.host; // what `connect()` returns
 * assertEquals(await host.run("uptime"), "up 3 days");
 * assertEquals(host.info.cipher, "chacha20-poly1305@openssh.com");
 * ```
 */
export class Client implements AsyncDisposable {
  static {
    taken = (client) => ({ live: client.#current.handOver(), login: client.#login });
  }

  /**
   * Resolves when the connection is closed; rejects with the error that ended it. With `resilient`, after
   * the last attempt to reconnect.
   */
  readonly closed: Promise<void>;
  readonly #current: CurrentConnection;
  readonly #forwarding: Forwarding;
  readonly #login: ClientLogin;
  readonly #further: FurtherConnections | null;
  readonly #globals: Map<string, GlobalHandler> = new Map();

  /**
   * Clients come from `connect()`, not from a constructor.
   *
   * @ignore
   */
  constructor(live: LiveConnection, login: ClientLogin) {
    const current = this.#current = new CurrentConnection(
      live,
      login.reconnect ?? null,
      async () => {
        await this.#further?.close();
        await login.end?.();
      },
    );
    current.onRenewed((connection) => {
      for (const [type, handler] of this.#globals) connection.handleGlobals(type, handler);
    });
    this.#forwarding = new Forwarding({
      over: current.over,
      get connection() {
        return current.live.connection;
      },
      run: (task, signal) => current.run(({ connection }) => task(connection), signal),
      onRenewed: (renew) => current.onRenewed(renew),
    });
    this.#login = login;
    this.#further = login.further ? new FurtherConnections(login.further) : null;
    this.closed = current.over.then((cause) => {
      this.#further?.close();
      if (!isByUs(cause)) throw cause;
    });
    this.closed.catch(() => {});
  }

  /** The state of the connection; without `resilient` it is never `"reconnecting"`. */
  get state(): ClientState {
    return this.#current.state;
  }

  /**
   * The host's settings in the configuration files; null if none were read. Commands in them are never
   * started, and tunnels only by `forwardConfigured`.
   */
  get settings(): HostSettings | null {
    return this.#login.settings;
  }

  /** The negotiated algorithms, the host and the user. */
  get info(): ConnectionInfo {
    const { transport } = this.#current.live;
    const { agreed } = transport;
    const { host, user } = this.#login;
    if (agreed === null) return sharedInfo(host, user);
    return {
      host,
      user,
      shared: false,
      server: transport.identification.server,
      hostKey: transport.hostKey!,
      kex: agreed.kex,
      hostKeyAlgorithm: agreed.hostKey,
      cipher: agreed.clientToServer.cipher,
      mac: agreed.clientToServer.mac,
      compression: agreed.clientToServer.compression,
    };
  }

  /**
   * Runs a command and returns its standard output as text, without the last line feed.
   *
   * @throws {CommandError} If it ends without success
   */
  // deno-lint-ignore require-await -- what is wrong with the options is a rejection
  async run(command: string, options: RunOptions = {}): Promise<string> {
    return this.command(command, options).text();
  }

  /** A command to run with `output()`, `spawn()` or `text()`, in the shape of Deno's `Command`. */
  command(command: string, options: RunOptions = {}): Command {
    if (typeof command !== "string") throw new TypeError("A command must be text");
    checkRunOptions("command()", options);
    const open = (signal?: AbortSignal) => this.#openFor({ ...options, signal });
    return new Command(open, command, this.#withEnv(options));
  }

  /**
   * A command from a template. Values are quoted for a POSIX shell: each is one word, and each element
   * of a list is one. Awaiting it runs the command, and throws unless it succeeds.
   *
   * @throws {TypeError} If a value is neither text, a number nor a list of them
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using pair = await connectedPair({
   *   handler: (session) => session.print(session.command!),
   * });
   * const { host } = pair;
   * const path = "my notes; rm -r /";
   * assertEquals(await host.$`cat ${path}`.text(), "cat 'my notes; rm -r /'");
   * assertEquals(await host.$`ls ${["-l", path]}`.lines(), [
   *   "ls -l 'my notes; rm -r /'",
   * ]);
   * await host.$`true`;
   * ```
   */
  $(parts: TemplateStringsArray, ...values: readonly ShellValue[]): ShellCommand {
    const open = (signal?: AbortSignal) => this.#openFor({ signal });
    return new ShellCommand(open, sh(parts, ...values), this.#withEnv({}));
  }

  /**
   * A command that sudo runs on the server, as root by default. Awaiting it runs the command, and
   * throws unless it succeeds; `text()`, `spawn()` and the other methods are those of a command. It
   * needs no terminal, and the command gets the standard input once it has started.
   *
   * A POSIX shell runs the command, so the sudoers file must allow `/bin/sh`. The password is sent
   * only over standard input: it appears in no argument, echo, trace or error.
   *
   * @throws {SudoError} If sudo does not run it; `reason` distinguishes a wrong password, a time-out
   * and a refusal
   * @throws {CommandError} If it runs and fails
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * // A server whose sudo asks, as the real one does.
   * await using pair = await connectedPair({
   *   handler: async (session) => {
   *     const [prompt, ...mark] = session.command!.match(
   *       /\[sudo \w+\] |\[run \w+|\w+\]/g,
   *     )!;
   *     await session.printError(prompt!);
   *     const { value } = await session.channel.lines().next();
   *     if (value !== "open sesame") return 1;
   *     await session.printError(mark.join(""));
   *     await session.print("root");
   *   },
   * });
   * const ask = () => Promise.resolve("open sesame"); // or promptSecret(…)
   * assertEquals(
   *   await pair.host.sudo("whoami", { password: ask }).text(),
   *   "root",
   * );
   * ```
   */
  sudo(command: string, options: SudoOptions = {}): ShellCommand {
    if (typeof command !== "string") throw new TypeError("A command must be text");
    checkSudoOptions(options);
    const { env, password, user, sudoTimeout, stderr, ...rest } = options;
    const open = (signal?: AbortSignal) => this.#openFor({ ...rest, signal });
    const run = { ...rest, stderr: stderr === "merge" ? "piped" as const : stderr };
    const how = () => sudoStart({ password, user, sudoTimeout }, env, stderr);
    return new ShellCommand(open, command, this.#withEnv(run), how);
  }

  /**
   * Starts the user's shell, on a terminal unless `pty` is false.
   *
   * @throws {RequestDeniedError} If the server refuses it
   */
  async shell(options: RunOptions = {}): Promise<Process> {
    checkRunOptions("shell()", options);
    const channel = await this.#openFor(options);
    return await startProcess(channel, { kind: "shell" }, {
      pty: true,
      ...this.#withEnv(options),
    });
  }

  /**
   * Starts a subsystem and returns its channel.
   *
   * @throws {RequestDeniedError} If the server refuses it
   */
  async subsystem(name: string, options: WaitOptions = {}): Promise<Channel> {
    return await startOn(await this.openSession(options), { kind: "subsystem", name }, options);
  }

  /**
   * Starts SFTP: the Deno file functions on the server's files.
   *
   * @throws {RequestDeniedError} If the server does not offer SFTP
   */
  async sftp(options: SftpStartOptions = {}): Promise<SftpClient> {
    const further = this.#further;
    return await startSftp(
      this.#current,
      options,
      further && {
        count: further.count,
        open: (wait) => further.open((client) => Client.#spareSession(client, wait), wait.signal),
      },
    );
  }

  /** Opens a session on a further connection, unless callers need its place; null if there is no room. */
  static #spareSession(client: FurtherClient, wait: WaitOptions): Promise<Channel | null> {
    if (!(#current in client)) return client.openSession(wait);
    return client.#current.live.sessions.openSpare(() => {}, wait);
  }

  /** Opens a session channel without a program (RFC 4254 §6.1). */
  openSession(options: WaitOptions = {}): Promise<Channel> {
    return this.openChannel("session", options);
  }

  /**
   * Forwards an agent to the program of a session until its channel closes, as `ssh -A` does. The
   * server may open connections to the agent only during that time.
   *
   * @param agent The agent; the user's by default
   * @throws {RequestDeniedError} If the server refuses; the channel stays open
   * @throws {TypeError} If another agent is forwarded on this connection
   */
  forwardAgent(
    channel: Channel,
    agent: ForwardedAgent = true,
    options: WaitOptions = {},
  ): Promise<void> {
    return this.#current.live.agents.forward(channel, agent, options);
  }

  /**
   * Forwards a local X display to the program of a session, as `ssh -Y` does; the X clients on the
   * server never see the display's secret.
   *
   * Needs `--allow-net` or `--allow-read` and `--allow-write` for the X server's port or socket;
   * without `display` and `authority` also `--allow-env=DISPLAY,XAUTHORITY,HOME`,
   * `--allow-sys=hostname` and
   * `--allow-read` for the file with the secret.
   *
   * @throws {ConnectError} If no display is configured
   * @throws {RequestDeniedError} If the server refuses; the channel stays open
   */
  async forwardX11(
    channel: Channel,
    options: DisplayOptions & WaitOptions = {},
  ): Promise<X11Forward> {
    // X clients would reach the control master, which has a display only for its own sessions.
    if (this.#current.live.transport.shared) {
      throw new RequestDeniedError("x11-req", `Cannot lend a display: ${NOT_SHARED}`);
    }
    const { lendDisplay } = await import("../forward/x11_lend.ts");
    return await lendDisplay(channel, options);
  }

  /**
   * Opens a channel of any type (RFC 4254 §5.1).
   *
   * @throws {ChannelOpenError} If the server refuses
   */
  openChannel(
    type: string,
    options: WaitOptions & { readonly extra?: Uint8Array } = {},
  ): Promise<Channel> {
    // Repeatable, because a channel that is not open yet has no effect.
    return this.#current.run(
      ({ sessions, connection }) =>
        type === "session" && options.extra === undefined
          ? sessions.open(options)
          : connection.openChannel(type, options),
      options.signal,
    );
  }

  /**
   * The channels of other types than SSH's own that the server requests. They are refused unless a
   * loop iterates over this property.
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using pair = await connectedPair({
   *   handler: async (session) => {
   *     const { connection } = session.channel;
   *     await using news = await connection.openChannel("news@example.com");
   *     await news.writeAll(new TextEncoder().encode("read all about it"));
   *   },
   * });
   * const running = pair.host.run("subscribe");
   * for await (const open of pair.host.incoming) {
   *   if (open.type !== "news@example.com") {
   *     open.reject();
   *     continue;
   *   }
   *   await using channel = open.accept();
   *   assertEquals(await channel.lines().next(), {
   *     value: "read all about it",
   *     done: false,
   *   });
   *   break;
   * }
   * await running;
   * ```
   */
  get incoming(): AsyncIterable<IncomingOpen, undefined> {
    const current = this.#current;
    return current.isResilient ? incomingOf(current) : current.live.connection.incoming;
  }

  /**
   * Connects from the server to an address or unix socket in its network.
   *
   * @param target `host:port`, resolved by the server, or the path of a unix socket
   * @throws {ChannelOpenError} If the server forbids it or cannot connect
   */
  dial(target: ForwardTarget, options: WaitOptions = {}): Promise<TunnelConn> {
    return this.#forwarding.dial(target, options);
  }

  /**
   * Like {@linkcode Client.dial}, for programs that need a Node socket, such as database drivers. It
   * connects immediately and sends written data when it has connected; its `connect()` waits for that,
   * and ignores its address.
   *
   * @param target `host:port`, resolved by the server, or the path of a unix socket
   * @throws {TypeError} If `target` is not an address
   *
   * @example
   * ```ts ignore
   * import pg from "npm:pg@8";
   * import { connect } from "@denossh/ssh";
   *
   * await using host = await connect("deploy@gateway");
   * const pool = new pg.Pool({
   *   user: "app",
   *   stream: () => host.nodeSocket("db.internal:5432"),
   * });
   * console.log((await pool.query("SELECT version()")).rows);
   * await pool.end();
   * ```
   */
  nodeSocket(target: ForwardTarget): NodeSocket {
    return this.#forwarding.nodeSocket(target);
  }

  /**
   * Fetches a URL through the server, which resolves the name and connects. Otherwise it behaves like
   * the global `fetch`: certificates are checked on this side, for the host in the URL, and redirects
   * are followed.
   *
   * The requests pass a SOCKS server on a free port of 127.0.0.1, whose password only this program knows.
   *
   * Needs `--allow-net=127.0.0.1` and of the host in the URL, and `--allow-env=NO_PROXY,no_proxy`: those
   * variables do not bypass the server.
   *
   * @param init The options of `fetch`; a `client` comes from {@linkcode Client.httpClient}
   * @throws {TypeError} If the URL is not http: or https:, or the answer is not valid
   * @throws {ChannelOpenError} If the server forbids it or cannot connect
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using web = Deno.serve({
   *   port: 0,
   *   hostname: "127.0.0.1",
   *   onListen() {},
   * }, () => new Response("hi"));
   * await using pair = await connectedPair({
   *   serve: { forward: { local: () => true } },
   * });
   * const answer = await pair.host.fetch(`http://127.0.0.1:${web.addr.port}/`);
   * assertEquals(await answer.text(), "hi");
   * ```
   */
  fetch(input: string | URL | Request, init?: HttpInit): Promise<Response> {
    return this.#forwarding.fetch(input, init);
  }

  /**
   * A client for `fetch(url, { client })` whose requests go through the server, as with {@linkcode
   * Client.fetch} and the same permissions. Use it for private certificate authorities (`caCerts`),
   * client certificates and limits. Close it after use.
   */
  httpClient(options?: HttpClientOptions): Deno.HttpClient {
    return this.#forwarding.httpClient(options);
  }

  /**
   * Listens on a port or unix socket of the server.
   *
   * @param on The port, 0 for a free one; only the server itself can connect unless `hostname` is given; an
   *   empty one means every address
   * @throws {RequestDeniedError} If the server refuses
   */
  listen<A extends BindAddress>(
    on: A,
    options: WaitOptions = {},
  ): Promise<RemoteListener<AddrOf<A>>> {
    return this.#forwarding.listen(on, options);
  }

  /**
   * Makes an address in the server's network reachable on this side, as `ssh -L` does: connections to
   * `from` on this side lead to `to` on the server's. Listens on 127.0.0.1 by default.
   *
   * Needs `--allow-net` for a port, `--allow-read` and `--allow-write` for a unix socket.
   *
   * @throws {TypeError} If `to` is not an address
   */
  forwardLocal<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.local(options);
  }

  /**
   * Makes an address in the local network reachable on the server, as `ssh -R` does: connections to
   * `from` on the server lead to `to` on this side.
   *
   * Needs `--allow-net` for a port to lead to, `--allow-read` and `--allow-write` for a unix socket.
   *
   * @throws {RequestDeniedError} If the server refuses to listen
   */
  forwardRemote<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.remote(options);
  }

  /**
   * Serves SOCKS 4, 4a and 5 on this side, as `ssh -D` does: its clients connect from the server,
   * which also resolves names. Listens on 127.0.0.1 by default. For requests of this program use
   * {@linkcode Client.fetch}.
   */
  forwardSocks(options: SocksTunnelOptions): Promise<Forwarder<Deno.NetAddr>> {
    return this.#forwarding.socks(options);
  }

  /**
   * Serves SOCKS 4, 4a and 5 on the server, as `ssh -R` with only a port does: its clients connect
   * from this side, which also resolves names.
   *
   * @throws {RequestDeniedError} If the server refuses to listen
   */
  forwardRemoteSocks<A extends BindAddress>(
    options: RemoteSocksOptions<A>,
  ): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.remoteSocks(options);
  }

  /**
   * Starts the tunnels of the configuration files: LocalForward, RemoteForward and DynamicForward of
   * `settings`. The result has an error for each tunnel that cannot start; with ExitOnForwardFailure
   * one failure ends all.
   *
   * @throws {ConnectError} If one cannot start, with ExitOnForwardFailure
   */
  async forwardConfigured(options: TunnelOptions = {}): Promise<ConfiguredForwards> {
    const { startConfiguredOrExit } = await import("./configured_forwards.ts");
    return await startConfiguredOrExit(this, this.settings, options);
  }

  /**
   * Sends a global request and returns the data of the answer (RFC 4254 §4).
   *
   * @throws {RequestDeniedError} If the server refuses
   */
  request(type: string, data?: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    return this.#current.once(
      ({ connection }) => connection.request(type, data, options),
      options.signal,
    );
  }

  /** Sends a global request that needs no answer. */
  notify(type: string, data?: Uint8Array): void {
    this.#current.live.connection.notify(type, data);
  }

  /** Sets the handler of the server's global requests of a type; other types are refused. */
  handleGlobals(type: string, handler: GlobalHandler): void {
    this.#globals.set(type, handler);
    this.#current.live.connection.handleGlobals(type, handler);
  }

  /**
   * Starts a new key exchange, or joins the one under way; resolves when the new keys are in force.
   *
   * @throws {TypeError} If the connection is shared, because the control master has its keys
   */
  rekey(): Promise<void> {
    return this.#current.live.transport.rekey();
  }

  /**
   * Disconnects, which ends everything on the connection. A control master stays connected. If something
   * is under way (an open channel, an unanswered request, a port that the server listens on, a lent agent
   * or display), this waits until the server has disconnected, at most a second. Otherwise it takes no
   * round trip.
   */
  async close(): Promise<void> {
    const closing = this.#current.close();
    await this.#forwarding.close();
    await this.#further?.close();
    await closing;
  }

  /** Disconnects; pending calls fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { connection, transport } = this.#current.live;
    if (connection.channelCount > 0) {
      const message =
        "The connection was closed at the end of its scope while this was under way: " +
        "await it before the scope ends";
      transport.fail(new DisconnectError(DISCONNECT.BY_APPLICATION, "us", message));
    }
    await this.close();
  }

  /**
   * What `console.log` shows.
   *
   * @ignore
   */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#described();
  }

  /**
   * What `console.log` shows in Node.
   *
   * @ignore
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.#described();
  }

  #described(): string {
    const { user, host, shared, kex, hostKeyAlgorithm, cipher, mac, server } = this.info;
    const { transport: { traffic }, connection: { channelCount: channels } } = this.#current.live;
    const { state } = this;
    const parts = [
      state === "connected" ? "open" : state,
      ...shared ? ["shared with a control master"] : [printable(server), kex, hostKeyAlgorithm],
      cipher,
      mac,
      `${channels} channel${channels === 1 ? "" : "s"}`,
      traffic && `${traffic.sent} bytes sent, ${traffic.received} received`,
    ];
    return `Client ${user}@${hostLabel(host)} (${parts.filter(Boolean).join(", ")})`;
  }

  #withEnv(options: RunOptions): RunOptions {
    const { env } = this.#login;
    return env === undefined ? options : { ...options, env: { ...env, ...options.env } };
  }

  async #openFor(options: RunOptions): Promise<Channel> {
    const { signal, forwardAgent, forwardX11 } = options;
    const wait = signal ? { signal } : {};
    const channel = await this.openSession(wait);
    try {
      if (forwardAgent) await this.forwardAgent(channel, forwardAgent, wait);
      if (forwardX11) {
        await this.forwardX11(channel, { ...(forwardX11 === true ? {} : forwardX11), ...wait });
      }
      return channel;
    } catch (error) {
      channel.abort(error);
      throw error;
    }
  }
}

/**
 * Makes a client that takes over the connection of another one, and calls `connect` if it is lost.
 *
 * @param connect Connects again, to the same host key unless it chooses another host
 */
export async function connectedBy(
  connect: (signal: AbortSignal) => Promise<Client>,
  options: ResilientOptions,
  signal: AbortSignal,
): Promise<Client> {
  const { live, login: { further: _its, ...login } } = taken(await connect(signal));
  const again = async (signal: AbortSignal) => {
    const next = taken(await connect(signal));
    try {
      if (hostLabel(next.login.host) === hostLabel(login.host)) checkSameKey(live, next);
    } catch (error) {
      next.live.transport.disconnect();
      throw error;
    }
    return next.live;
  };
  return new Client(live, { ...login, reconnect: { again, options } });
}

/** @throws {HostKeyError} If the host key is another one; that of a shared connection is not known */
function checkSameKey(first: LiveConnection, { live, login }: Taken): void {
  const [before, now] = [first.transport.hostKey, live.transport.hostKey];
  if (before && now) onlyKey(before).verify(login.host, now);
}

/** The channels that the server requests, on this connection and later ones. */
async function* incomingOf(current: CurrentConnection): AsyncGenerator<IncomingOpen, undefined> {
  for (;;) {
    const { live } = current;
    try {
      yield* live.connection.incoming;
      return;
    } catch (error) {
      if (!live.connection.isOver) throw error;
      await current.after(live);
    }
  }
}

function sharedInfo(host: HostAddress, user: string): ConnectionInfo {
  const unknown = { server: "", kex: "", hostKeyAlgorithm: "", cipher: "", mac: "" };
  const info = { host, user, shared: true, ...unknown, compression: "" };
  // Not enumerable, so that copying the object does not read it.
  return Object.defineProperty(info, "hostKey", {
    get(): never {
      throw new TypeError(
        "The host key of a shared connection is known to its control master only",
      );
    },
  }) as ConnectionInfo;
}
