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
import { type DisplayOptions, lendDisplay } from "../forward/x11_lend.ts";
import type { TunnelConn } from "../forward/tunnel_conn.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { type ConfiguredForwards, startConfiguredOrExit } from "./configured_forwards.ts";
import { Command, type Program, startProcess, startProgram } from "../session/command.ts";
import { sh, type ShellValue } from "../quote.ts";
import { ShellCommand } from "../session/shell_command.ts";
import type { Process } from "../session/process.ts";
import type { NodeSocket } from "../runtime/node_socket.ts";
import { SftpClient } from "../sftp/client.ts";
import { hidesCheckFile, serverReadsLinkFirst } from "../sftp/protocol/server_quirks.ts";
import { NOT_SHARED } from "../transport/message_transport.ts";
import {
  checkRunOptions,
  checkSudoOptions,
  type RunOptions,
  type SudoOptions,
} from "./run_options.ts";
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

/** What is known about an open connection. */
export interface ConnectionInfo {
  /** The host as it was asked for. */
  readonly host: HostAddress;
  /** The user who is logged in. */
  readonly user: string;
  /**
   * Whether it is a control master's connection that is shared. The master does not tell what it agreed on
   * with the server: the texts below are empty then, and reading `hostKey` throws a TypeError.
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

/** Options of what waits for the server. */
export interface WaitOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** How to start SFTP. */
export interface SftpStartOptions extends WaitOptions {
  /** The subsystem that serves files; `"sftp"` unless given. */
  readonly subsystem?: string;
  /** Milliseconds after which any request fails. */
  readonly timeout?: number;
  /** The most bytes of one read or write; as many as the server takes unless given. */
  readonly requestLength?: number;
}

/** Who is logged in where, and what commands have unless they say otherwise. */
export interface ClientLogin {
  readonly host: HostAddress;
  readonly user: string;
  readonly settings: HostSettings | null;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Further connections for transfers of files. */
  readonly further?: FurtherLogins | null;
  /** How to connect again if the connection is lost. */
  readonly reconnect?: Reconnect | null;
}

/** Takes the connection of a client over. */
let taken: (client: Client) => { live: LiveConnection; login: ClientLogin };

/**
 * A server that we are logged in to. Dispose of it to disconnect.
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
   * Resolves when the connection ends in order; rejects with the error that ended it. With `resilient`, that is when it
   * was not made again.
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
    const current = this.#current = new CurrentConnection(live, login.reconnect ?? null);
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

  /** Whether it is connected; without `resilient` it is never reconnecting. */
  get state(): ClientState {
    return this.#current.state;
  }

  /**
   * What the configuration files say of the host; null if none were read. What they ask to be run is the
   * program's to start, and its tunnels by `forwardConfigured`: neither happens unasked.
   */
  get settings(): HostSettings | null {
    return this.#login.settings;
  }

  /** What was agreed on with the server. */
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
   * A command of a template, whose values are quoted for a POSIX shell: each is one word, a list is as many.
   * Awaited, it runs and fails unless it succeeds.
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
   * A command that sudo runs on the server, as root unless `user` is given. Awaited, it runs and fails unless
   * it succeeds; `text()`, `spawn()` and the others are those of a command. It needs no terminal, and
   * standard input is the command's once it has begun.
   *
   * A shell of POSIX's runs it, so that the sudoers file must allow `/bin/sh`. The password is sent over
   * standard input alone: it is in no argument, echo, trace or error.
   *
   * @throws {SudoError} If sudo does not run it: `reason` tells a wrong password, a time-out and a refusal
   * @throws {CommandError} If it runs and ends without success
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
   * Starts file transfer: the Deno file functions over the wire.
   *
   * @throws {RequestDeniedError} If the server offers no SFTP
   */
  async sftp(options: SftpStartOptions = {}): Promise<SftpClient> {
    const { subsystem = "sftp" } = options;
    const current = this.#current;
    const { server } = current.live.transport.identification;
    const quirks = {
      linkFirst: serverReadsLinkFirst(server),
      ...hidesCheckFile(server) && { checkFile: true },
    };
    const program = { kind: "subsystem", name: subsystem } as const;
    const further = async (giveWay: () => void, wait: WaitOptions) => {
      const elsewhere = await this.#further?.open((client) => Client.#spareSession(client, wait));
      // A master's sessions are those of other programs, too, for which none of ours would give way.
      const { sessions, transport } = current.live;
      const isOurs = !transport.shared;
      const channel = elsewhere ?? (isOurs ? await sessions.openSpare(giveWay, wait) : null);
      return channel && await startOn(channel, program, wait);
    };
    const connections = this.#further?.count;
    const open = async (live: LiveConnection, wait: WaitOptions) =>
      await startOn(await live.sessions.open(wait), program, wait);
    return await current.run(async (first) => {
      let live = first;
      const channel = await open(live, options);
      const reopen = async (signal: AbortSignal) => {
        if (!live.connection.isOver) return null; // the server has closed the channel alone
        await current.after(live, signal);
        return await current.run((next) => open(live = next, { signal }), signal);
      };
      return await SftpClient.open(channel, {
        ...options,
        ...quirks,
        further,
        ...connections && { connections },
        ...current.isResilient && { reopen },
      });
    }, options.signal);
  }

  /** A session on a further connection, where no caller needs its place; null if there is no room for it. */
  static #spareSession(client: FurtherClient, wait: WaitOptions): Promise<Channel | null> {
    if (!(#current in client)) return client.openSession(wait);
    return client.#current.live.sessions.openSpare(() => {}, wait);
  }

  /** Opens a session channel that nothing runs on yet (RFC 4254 §6.1). */
  openSession(options: WaitOptions = {}): Promise<Channel> {
    return this.openChannel("session", options);
  }

  /**
   * Lends an agent to what runs on a session's channel until the channel closes, as `ssh -A`. Only then,
   * and only to it, may the server open connections.
   *
   * @param agent The agent of SSH_AUTH_SOCK unless given
   * @throws {RequestDeniedError} If the server does not want it; the channel stays open
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
   * Lends a display of this side's to what runs on a session's channel, as `ssh -Y`; the X clients on the
   * server never see its own secret.
   *
   * Needs `--allow-net` or `--allow-read` and `--allow-write` for the X server's port or socket; and, unless
   * `display` and `authority` are given, `--allow-env=DISPLAY,XAUTHORITY,HOME`, `--allow-sys=hostname` and
   * `--allow-read` for the file with the secret.
   *
   * @throws {ConnectError} If there is no display
   * @throws {RequestDeniedError} If the server does not want it; the channel stays open
   */
  // deno-lint-ignore require-await -- what cannot be done is a rejection
  async forwardX11(
    channel: Channel,
    options: DisplayOptions & WaitOptions = {},
  ): Promise<X11Forward> {
    // The X clients would reach the master, which has a display for its own sessions only.
    if (this.#current.live.transport.shared) {
      throw new RequestDeniedError("x11-req", `Cannot lend a display: ${NOT_SHARED}`);
    }
    return lendDisplay(channel, options);
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
    // Nothing has happened on a channel that is not open yet: it can be asked for again.
    return this.#current.run(
      ({ sessions, connection }) =>
        type === "session" && options.extra === undefined
          ? sessions.open(options)
          : connection.openChannel(type, options),
      options.signal,
    );
  }

  /**
   * The channels that the server wants to open, of types that SSH itself does not know. Those are
   * refused until a loop asks for them, and again when it is left.
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
   * As {@linkcode Client.dial}, for programs that want a socket of Node's, such as the drivers of databases.
   * It connects at once; what is written is sent when it has connected, and its `connect()` waits for that,
   * wherever it is told to connect to.
   *
   * @param target `host:port`, resolved by the server, or the path of a unix socket
   * @throws {TypeError} If `target` is no address
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
   * Fetches from the server: it resolves the name and connects. All else is as with the function of this
   * name: a certificate is checked here, for the host in the URL, and redirects are followed.
   *
   * The requests pass a SOCKS server on a free port of 127.0.0.1, whose password only this program knows.
   *
   * Needs `--allow-net=127.0.0.1` and of the host in the URL, and `--allow-env=NO_PROXY,no_proxy`: what those
   * variables say leads no request past the server.
   *
   * @param init The options of `fetch`; a `client` comes from {@linkcode Client.httpClient}
   * @throws {TypeError} If the URL is not of http: or https:, and if there is no valid answer
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
   * A client for `fetch(url, { client })` whose requests go through the server, as those of
   * {@linkcode Client.fetch} do and with the same permissions; for certificates of an authority of your
   * own (`caCerts`), client certificates and limits. Close it in the end.
   */
  httpClient(options?: HttpClientOptions): Deno.HttpClient {
    return this.#forwarding.httpClient(options);
  }

  /**
   * Listens on a port or unix socket of the server's.
   *
   * @param on The port, 0 for a free one; only the server itself can connect unless `hostname` says
   *   more: an empty one is every address
   * @throws {RequestDeniedError} If the server refuses
   */
  listen<A extends BindAddress>(
    on: A,
    options: WaitOptions = {},
  ): Promise<RemoteListener<AddrOf<A>>> {
    return this.#forwarding.listen(on, options);
  }

  /**
   * Brings an address in the server's network here, as `ssh -L`: what connects to `from` on this side
   * comes out at `to` there. Listens on 127.0.0.1 unless `hostname` says more.
   *
   * Needs `--allow-net` for a port, `--allow-read` and `--allow-write` for a unix socket.
   *
   * @throws {TypeError} If `to` is no address
   */
  forwardLocal<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.local(options);
  }

  /**
   * Brings an address of this side's network to the server, as `ssh -R`: what connects to `from` there
   * comes out at `to` here.
   *
   * Needs `--allow-net` for a port to lead to, `--allow-read` and `--allow-write` for a unix socket.
   *
   * @throws {RequestDeniedError} If the server refuses to listen
   */
  forwardRemote<A extends BindAddress>(options: ForwardOptions<A>): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.remote(options);
  }

  /**
   * Serves SOCKS 4, 4a and 5 on this side, as `ssh -D`: its clients connect from the server, which also
   * resolves the names. Listens on 127.0.0.1 unless `hostname` says more. For requests of this program there
   * is {@linkcode Client.fetch}.
   */
  forwardSocks(options: SocksTunnelOptions): Promise<Forwarder<Deno.NetAddr>> {
    return this.#forwarding.socks(options);
  }

  /**
   * Serves SOCKS 4, 4a and 5 on the server, as `ssh -R` with a port alone: its clients connect from this
   * side, which also resolves the names.
   *
   * @throws {RequestDeniedError} If the server refuses to listen
   */
  forwardRemoteSocks<A extends BindAddress>(
    options: RemoteSocksOptions<A>,
  ): Promise<Forwarder<AddrOf<A>>> {
    return this.#forwarding.remoteSocks(options);
  }

  /**
   * Starts the tunnels that the configuration files ask for: LocalForward, RemoteForward and
   * DynamicForward of `settings`. One that cannot start is told in the result, unless
   * ExitOnForwardFailure says that none is to work then.
   *
   * @throws {ConnectError} If one cannot start, with ExitOnForwardFailure
   */
  forwardConfigured(options: TunnelOptions = {}): Promise<ConfiguredForwards> {
    return startConfiguredOrExit(this, this.settings, options);
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

  /** From now on the handler answers the server's global requests of a type; others are refused. */
  handleGlobals(type: string, handler: GlobalHandler): void {
    this.#globals.set(type, handler);
    this.#current.live.connection.handleGlobals(type, handler);
  }

  /**
   * Exchanges keys anew.
   *
   * @throws {TypeError} If the connection is shared: its keys are the control master's
   */
  rekey(): Promise<void> {
    return this.#current.live.transport.rekey();
  }

  /**
   * Disconnects; everything that is open on the connection ends with it. A control master whose connection
   * is shared stays connected.
   */
  async close(): Promise<void> {
    const closing = this.#current.close();
    await this.#forwarding.close();
    await this.#further?.close();
    await closing;
  }

  /** Disconnects; what is under way then fails with an error that says so. */
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
 * A client over the connection of another one, which is taken over. If it is lost, `connect` is called again.
 *
 * @param connect Connects, each time to what counts as the same host
 */
export async function connectedBy(
  connect: (signal: AbortSignal) => Promise<Client>,
  options: ResilientOptions,
  signal: AbortSignal,
): Promise<Client> {
  const again = async (signal: AbortSignal) => taken(await connect(signal)).live;
  const { live, login: { further: _its, ...login } } = taken(await connect(signal));
  return new Client(live, { ...login, reconnect: { again, options } });
}

/** What the server wants to open, on one connection after the other. */
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

/** Starts a program on a channel, which is closed if that fails. */
async function startOn(
  channel: Channel,
  program: Program,
  options: WaitOptions,
): Promise<Channel> {
  try {
    await startProgram(channel, program, options);
    return channel;
  } catch (error) {
    channel.abort(error);
    throw error;
  }
}

function sharedInfo(host: HostAddress, user: string): ConnectionInfo {
  const unknown = { server: "", kex: "", hostKeyAlgorithm: "", cipher: "", mac: "" };
  const info = { host, user, shared: true, ...unknown, compression: "" };
  // Not enumerable, so that a copy of the rest does not read it.
  return Object.defineProperty(info, "hostKey", {
    get(): never {
      throw new TypeError(
        "The host key of a shared connection is known to its control master only",
      );
    },
  }) as ConnectionInfo;
}
