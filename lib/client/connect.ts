import type { AuthMethod } from "../auth/auth_method.ts";
import { authenticateClient } from "../auth/client.ts";
import { Connection } from "../connection/connection.ts";
import type { HostSettings } from "../config/settings.ts";
import { CERTIFIED, SIGNATURES } from "../crypto/algorithms.ts";
import { algorithmOptions, resolveSuite, type Suite } from "../crypto/suite.ts";
import { CONNECT_TIMEOUT_MS, RESILIENT_KEEPALIVE_MS } from "../defaults.ts";
import { AuthError, ConnectError, SshError } from "../errors.ts";
import { hostPort } from "../host_port.ts";
import { type HostAddress, type HostKeyPolicy, hostLabel } from "../known_hosts/host_key_policy.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { Credentials } from "../login/credentials.ts";
import { withSkippedKeys } from "../login/skipped_keys.ts";
import { Deadline } from "../login/deadline.ts";
import { hostKeyPolicy, knownAs, onlyKey, verifyHostKey } from "../login/host_keys.ts";
import { checkJumpDepth, closeHops, connectHops, dialThrough } from "../login/jump.ts";
import { type LoginNeeds, requestPermissions } from "../login/permissions.ts";
import { NO_DIALOG } from "../login/prompts.ts";
import { startProxy } from "../login/proxy_command.ts";
import { dialHost } from "../login/tcp.ts";
import { grantedVariable } from "../runtime/environment.ts";
import { runtime } from "../runtime/runtime.ts";
import { inSpan } from "../spans.ts";
import { withAddendum } from "../transport/identification.ts";
import { requestService } from "../transport/service.ts";
import { connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import { Transport } from "../transport/transport.ts";
import { abortable, onAbort } from "../waiting.ts";
import { checkConnectOptions } from "./checks.ts";
import { Client, type ClientLogin } from "./client.ts";
import type { Configured } from "./configured.ts";
import { type LiveConnection, liveConnection, type Reconnect } from "./current_connection.ts";
import { followHostKeys } from "./host_key_updates.ts";
import { checkPort, type ConnectOptions, isProxied, type Jump, parseTarget } from "./options.ts";
import { plainMessage, reword } from "../error_messages.ts";

const DEFAULT_PORT = 22;

/**
 * Connects to an SSH server and logs in.
 *
 * If user, credentials and host key are given, it needs only `--allow-net=host:port`. The target may be an
 * alias of `~/.ssh/config`, if that may be read.
 *
 * @param target `[user@]host[:port]`, `ssh://…` or the options alone
 * @throws {ConfigError} If a configuration file is malformed, or requests something unsupported
 * @throws {ConnectError} If the host cannot be reached, is not an SSH server or the time runs out
 * @throws {NegotiationError} If the two ends have no algorithm in common
 * @throws {HostKeyError} If the host key is not trusted; no credential was sent
 * @throws {AuthError} If the server rejects all credentials
 * @throws {TypeError} If an option is unknown or invalid, or there is no host or user
 *
 * @example
 * ```ts
 * import { connect, password } from "@denossh/ssh";
 * import { serve } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: {
 *     password: (user, secret) => user === "deploy" && secret === "hunter2",
 *   },
 * }, async (session) => {
 *   await session.print(`You ran ${session.command}\n`);
 *   return 0;
 * });
 *
 * await using host = await connect(`deploy@127.0.0.1:${server.addr.port}`, {
 *   auth: [password("hunter2")],
 *   hostKeys: hostKey.publicKey,
 * });
 * assertEquals(await host.run("uptime"), "You ran uptime");
 * ```
 */
export function connect(options: ConnectOptions): Promise<Client>;
/** Connects to a host by its name, alias or URI, with options. */
export function connect(target: string, options?: ConnectOptions): Promise<Client>;
export function connect(
  target: string | ConnectOptions,
  options?: ConnectOptions,
): Promise<Client> {
  if (typeof target !== "string" && options !== undefined) {
    throw new TypeError(
      "connect() takes a target and options, or options alone, not two objects of options",
    );
  }
  return inSpan("ssh.connect", "client", {}, async (span) => {
    const client = await connectAt(0, target, options);
    const { host, kex, cipher, server } = client.info;
    span.set({ "server.address": host.hostname, "server.port": host.port });
    span.set({ "ssh.kex": kex, "ssh.cipher": cipher, "ssh.server": server });
    return client;
  });
}

/** Connects; `depth` counts nested jump hosts. */
async function connectAt(
  depth: number,
  target: string | ConnectOptions,
  options: ConnectOptions = {},
): Promise<Client> {
  const asked = typeof target === "string" ? { ...parsed(target), ...options } : target;
  check(asked, depth);
  // One deadline for everything. Traffic does not extend it, so that a slow peer gains nothing.
  let host = addressOf(asked);
  let step = "reading the configuration";
  using deadline = new Deadline(asked.timeout ?? CONNECT_TIMEOUT_MS, (milliseconds) => {
    const message = `Connecting to ${hostLabel(host)} timed out after ${milliseconds} ms, ` +
      `while ${step}: raise the option "timeout" if the host is slow`;
    return new ConnectError(message, { timeout: true });
  });
  const signal = asked.signal ? AbortSignal.any([asked.signal, deadline.signal]) : deadline.signal;
  await abortable(requestPermissions(needsOf(asked, host)), signal);
  const known = await abortable(completed(asked, signal), signal);
  deadline.change(known.options.timeout ?? CONNECT_TIMEOUT_MS);
  const login = loginOf(known);
  host = login.host;
  const isAsked = asked.controlPath !== undefined;
  const resilient = asked.resilient ?? false;
  const shared = resilient
    ? null
    : await sharedClientOf(login, { ...known.options, timeout: 0, signal }, isAsked);
  if (shared !== null) return shared;
  await using hops = new AsyncDisposableStack();
  const plan = await connectPlan(known, login, signal);
  const onStep = (next: string) => void (step = next);
  onStep("reaching it");
  const lasting = isRepeated(plan) ? await withHops(plan, depth, signal, hops) : plan;
  const { live, again } = await logIn(lasting, depth, signal, onStep);
  const keptHops = hops.move();
  return new Client(live, {
    ...login,
    ...again && furtherLogins(lasting, again),
    end: () => keptHops.disposeAsync(),
  });
}

/** Options completed by the configuration; its code is loaded only if the host may be configured. */
async function completed(asked: ConnectOptions, signal: AbortSignal): Promise<Configured> {
  if (asked.hostname === undefined || asked.config === false) {
    return { options: asked, settings: null };
  }
  const { configured } = await import("./configured.ts");
  return await configured(asked, signal);
}

/** A control master's connection; null if there is no control path, or no master answers. */
async function sharedClientOf(
  login: ClientLogin,
  options: ConnectOptions,
  isAsked: boolean,
): Promise<Client | null> {
  if ((options.controlPath ?? false) === false) return null;
  const { sharedClient } = await import("./shared_client.ts");
  return await sharedClient(login, options, isAsked);
}

/** Whether there may be several connections to the host. */
function isRepeated({ options: { connections = 1, resilient = false } }: ConnectPlan): boolean {
  return connections > 1 || resilient !== false;
}

/** The connection after logging in again. */
function furtherLogins(
  { login, options: { connections = 1, resilient = false } }: ConnectPlan,
  again: Reconnect["again"],
): Pick<ClientLogin, "further" | "reconnect"> {
  const further = {
    again: async (signal: AbortSignal) => new Client(await again(signal), login),
    count: connections - 1,
  };
  const options = resilient === true ? {} : resilient || null;
  return {
    further: connections > 1 ? further : null,
    reconnect: options && { again, options },
  };
}

/**
 * The plan with its jump hosts connected: its later connections use them, too. Those of a resilient client
 * are resilient.
 *
 * @param carriers Resources to close after the client
 */
async function withHops(
  plan: ConnectPlan,
  depth: number,
  signal: AbortSignal,
  carriers: AsyncDisposableStack,
): Promise<ConnectPlan> {
  const { jump: way, config, resilient, ...others } = plan.options;
  const { onState: _own, ...lasting } = typeof resilient === "object" ? resilient : {};
  const hopOptions = { config, ...resilient && { resilient: lasting } };
  const jump = way && await jumpClient(way, plan, depth, hopOptions, signal, carriers);
  const alive = resilient ? { keepaliveInterval: RESILIENT_KEEPALIVE_MS, ...others } : others;
  const options = { ...alive, config, resilient, ...jump && { jump } } as ConnectOptions;
  return { ...plan, options };
}

/** Connects and logs in; `onStep` is called with each step. */
async function logIn(
  plan: ConnectPlan,
  depth: number,
  signal: AbortSignal,
  onStep: (step: string) => void,
): Promise<{ live: LiveConnection; again: Reconnect["again"] | null }> {
  const carriers = new AsyncDisposableStack();
  let transport: Transport | null = null;
  let carrier: Carrier | null = null;
  using _aborting = onAbort(signal, (reason) => transport?.fail(reason));
  try {
    onStep("reaching it");
    carrier = await openCarrier(plan, depth, signal, carriers);
    transport = transportOver(carrier.socket, plan, signal);
    if (signal.aborted) transport.fail(signal.reason);
    onStep("agreeing on keys");
    await transport.handshake();
    onStep("logging in");
    const { roundTrip, repeatable } = await authenticate(transport, plan, signal);
    const again = repeatable && anotherLogin(plan, depth, transport.hostKey!, repeatable);
    return { live: openConnection(transport, plan, roundTrip, carriers), again };
  } catch (error) {
    transport?.fail(error);
    await transport?.finished;
    const explained = error instanceof ConnectError && error.code === "connect"
      ? await carrier?.explain?.(error) ?? error
      : error;
    await carriers.disposeAsync();
    throw explained;
  }
}

/** Connects again to the same host key, with the credentials that succeeded. */
function anotherLogin(
  plan: ConnectPlan,
  depth: number,
  hostKey: PublicKey,
  methods: readonly AuthMethod[],
): Reconnect["again"] {
  const { onBanner: _shown, connections: _one, resilient: _too, ...options } = plan.options;
  const same: ConnectPlan = {
    ...plan,
    options,
    policy: onlyKey(hostKey),
    credentials: { methods, unreported: () => [] },
  };
  return async (signal) => {
    using deadline = new Deadline(options.timeout || CONNECT_TIMEOUT_MS, (milliseconds) => {
      const message = `Connecting to ${
        hostLabel(plan.login.host)
      } once more took ${milliseconds} ms`;
      return new ConnectError(message, { timeout: true });
    });
    const either = AbortSignal.any([signal, deadline.signal]);
    return (await logIn(same, depth, either, () => {})).live;
  };
}

/**
 * @throws {TypeError | ConfigError} If the options contradict each other, or the jump hosts form a
 * circle
 */
function check(asked: ConnectOptions, depth: number): void {
  checkConnectOptions(asked);
  addressOf(asked);
  if ([asked.jump, asked.transport, asked.proxyCommand].filter((way) => way).length > 1) {
    throw new TypeError("connect() takes only one of jump, transport and proxyCommand");
  }
  if (asked.transport && typeof asked.transport !== "function") {
    const what = "A transport of your own is one connection: ";
    const instead = ", or transport a function that opens one each time";
    if ((asked.connections ?? 1) > 1) throw new TypeError(`${what}connections must be 1${instead}`);
    if (asked.resilient) throw new TypeError(`${what}resilient must be false${instead}`);
  }
  if (asked.controlPath && asked.resilient) {
    throw new TypeError(
      "The connection of a control master cannot be resilient: omit controlPath",
    );
  }
  if (!runtime.hasFiles) checkNeedsNoFile(asked);
  asked.signal?.throwIfAborted();
  checkJumpDepth(depth);
}

/** Without files, these options must be given. */
function checkNeedsNoFile(asked: ConnectOptions): void {
  const lacking = (["user", "auth", "hostKeys"] as const)
    .filter((option) => asked[option] === undefined);
  if (lacking.length === 0) return;
  const names = new Intl.ListFormat("en").format(lacking);
  throw new TypeError(
    `connect() needs ${names} on ${runtime.name}: files and an agent to take them from are not ` +
      "available there",
  );
}

/**
 * The permissions for the user's files that the options need; with a control socket, none.
 */
function needsOf(asked: ConnectOptions, host: HostAddress): LoginNeeds {
  const { user, auth, hostKeys, config, controlPath = false } = asked;
  const isUsual = config === undefined || config === false; // others may name other files
  const files = asked.hostname !== undefined && controlPath === false && isUsual;
  return {
    hosts: files && hostKeys === undefined,
    keys: files && auth === undefined,
    user: files && user === undefined,
    address: isProxied(asked) ? null : hostPort(host.hostname, host.port),
  };
}

/** All decisions before contacting the host. */
interface ConnectPlan {
  readonly login: ClientLogin;
  /** The given options, completed by the configuration files. */
  readonly options: ConnectOptions;
  /** Our identification. */
  readonly identification: string;
  /** The host by the name of its key. */
  readonly keyHost: HostAddress;
  readonly policy: HostKeyPolicy;
  readonly suite: Suite;
  readonly credentials: Credentials;
}

/** The user and the host. */
function loginOf({ options, settings }: Configured): ClientLogin {
  const user = options.user ?? runtime.env.get("USER") ?? grantedVariable("LOGNAME");
  if (!user) {
    throw new TypeError(
      'No user given, and USER is not set: write "user@host", or the option user',
    );
  }
  return { host: addressOf(options), user, settings, env: options.env };
}

async function connectPlan(
  { options, settings }: Configured,
  login: ClientLogin,
  signal: AbortSignal,
): Promise<ConnectPlan> {
  const { host, user } = login;
  const identification = withAddendum(options.versionAddendum);
  const policy = await policyOf(options, settings);
  const { hostKeyAlias } = options;
  const keyHost = knownAs(host, hostKeyAlias === undefined ? {} : { HostKeyAlias: hostKeyAlias });
  const known = await abortable(
    Promise.resolve(policy.knownTypes?.(keyHost, { signal }) ?? []),
    signal,
  );
  return {
    options,
    login,
    identification,
    keyHost,
    policy,
    suite: preferKnown(resolveSuite(options.algorithms), known, options),
    credentials: await abortable(
      credentialsOf(options, settings, `${user}@${host.hostname}`, signal),
      signal,
    ),
  };
}

/** The caller's policy, or that of `ssh`. */
async function policyOf(
  { hostKeys }: ConnectOptions,
  settings: HostSettings | null,
): Promise<HostKeyPolicy> {
  if (hostKeys !== undefined) return hostKeyPolicy(hostKeys);
  const { hostTrust } = await import("../login/host_trust.ts");
  return hostTrust(settings ?? {}, NO_DIALOG).policy;
}

/** The caller's credentials, or those that `ssh` would use without prompting. */
async function credentialsOf(
  { auth }: ConnectOptions,
  settings: HostSettings | null,
  account: string,
  signal: AbortSignal,
): Promise<Credentials> {
  if (auth) return { methods: auth, unreported: () => [] };
  const { credentials } = await import("../login/credentials.ts");
  return await credentials(settings ?? {}, {
    ...NO_DIALOG,
    account,
    agent: { signal },
    isCompromised: () => false,
  });
}

/** The stream that carries a connection. */
interface Carrier {
  readonly socket: Socket;
  /** The error of a connection that broke off, with the reason. */
  explain?(error: ConnectError): Promise<ConnectError>;
}

/**
 * Opens the stream that carries the connection.
 *
 * @param carriers Resources to close after the connection
 */
async function openCarrier(
  plan: ConnectPlan,
  depth: number,
  signal: AbortSignal,
  carriers: AsyncDisposableStack,
): Promise<Carrier> {
  const { options, login: { host } } = plan;
  const { jump, proxyCommand, transport } = options;
  if (jump !== undefined) {
    const { config } = options;
    const client = await jumpClient(jump, plan, depth, { config }, signal, carriers);
    return { socket: connSocket(await dialThrough(client, host, signal)) };
  }
  if (proxyCommand !== undefined) {
    const proxy = startProxy(proxyCommand);
    carriers.defer(() => proxy.close());
    return proxy;
  }
  if (typeof transport === "function") {
    return { socket: streamSocket(await abortable(Promise.try(transport, signal), signal)) };
  }
  if (transport) return { socket: streamSocket(transport) };
  return { socket: await dialHost(host, options.tcp ?? {}, signal) };
}

function hopsOf(jump: Jump | readonly Jump[]): readonly Jump[] {
  return Array.isArray(jump) ? jump as readonly Jump[] : [jump as Jump];
}

/** Options of the host that apply to its jump hosts, too. */
interface HopOptions {
  readonly config: ConnectOptions["config"] | undefined;
  readonly resilient?: ConnectOptions["resilient"];
}

/** Connects to the jump hosts of a plan; resolves to the last one. */
async function jumpClient(
  jump: Jump | readonly Jump[],
  { login: { host } }: ConnectPlan,
  depth: number,
  options: HopOptions,
  signal: AbortSignal,
  carriers: AsyncDisposableStack,
): Promise<Client> {
  try {
    return await lastHop(hopsOf(jump), depth, options, signal, carriers);
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    throw reword(error, `${plainMessage(error)} (on the way to ${hostLabel(host)})`);
  }
}

async function lastHop(
  hops: readonly Jump[],
  depth: number,
  { config, resilient }: HopOptions,
  signal: AbortSignal,
  carriers: AsyncDisposableStack,
): Promise<Client> {
  const [first, ...others] = hops;
  if (first === undefined) throw new TypeError("The option jump has no host");
  if (others.some((hop) => hop instanceof Client)) {
    throw new TypeError("Only the first hop can be connected already");
  }
  const open = first instanceof Client ? first : null;
  const rest = (open ? others : hops) as readonly Exclude<Jump, Client>[];
  const clients = await connectHops(rest, (hop, through: Client | null) => {
    const jump = through ?? open;
    const shared = {
      ...jump && { jump },
      ...config !== undefined && { config },
      ...resilient !== undefined && { resilient },
    };
    if (typeof hop === "string") return connectAt(depth + 1, hop, { ...shared, signal });
    if (jump !== null && isProxied(hop)) {
      throw new TypeError("Only the first hop can have a jump or a transport");
    }
    const either = hop.signal ? AbortSignal.any([hop.signal, signal]) : signal;
    return connectAt(depth + 1, { ...shared, ...hop, signal: either });
  });
  carriers.defer(() => closeHops(clients));
  return clients.at(-1) ?? open!;
}

function transportOver(
  socket: Socket,
  { options, suite, policy, keyHost, identification }: ConnectPlan,
  signal: AbortSignal,
): Transport {
  return new Transport(socket, {
    role: "client",
    suite,
    verifyHostKey: (key) => verifyHostKey(policy, keyHost, key, { signal }),
    ...(options.rekey && { rekey: options.rekey }),
    ...(options.trace && { trace: options.trace }),
    identification,
  });
}

/**
 * Logs in; resolves to the milliseconds of a round trip, if one was measured, and to the methods to log in
 * again with, if there may be several connections.
 */
async function authenticate(transport: Transport, plan: ConnectPlan, signal: AbortSignal) {
  let repeatable: readonly AuthMethod[] | null = null;
  const { options, login: { user }, suite, credentials: { methods, unreported } } = plan;
  const link = requestService(transport.link(), "ssh-userauth");
  if (!methods[0]?.eager) await link.accepted();
  try {
    await authenticateClient(link, {
      user,
      host: hostLabel(plan.login.host),
      methods,
      ...(algorithmOptions(options.algorithms).userKey !== undefined &&
        { algorithms: suite.userKey }),
      pipelined: ignoresLateRequests(transport),
      ...(options.onBanner && { onBanner: options.onBanner }),
      ...((options.resilient || (options.connections ?? 1) > 1) && {
        onRepeatable: (methods: readonly AuthMethod[]) => void (repeatable = methods),
      }),
      signal,
    });
  } catch (error) {
    throw error instanceof AuthError ? withSkippedKeys(error, unreported()) : error;
  }
  return { roundTrip: link.roundTrip, repeatable: repeatable as readonly AuthMethod[] | null };
}

/**
 * Whether the server ignores requests after its SUCCESS, as RFC 4252 §5.3 requires. Servers with Go's
 * library end the connection. With delayed compression a server would try to inflate uncompressed requests.
 */
function ignoresLateRequests({ identification, agreed }: Transport): boolean {
  return /^SSH-2\.0-(OpenSSH_|dropbear|denossh_)/.test(identification.server) &&
    agreed?.clientToServer.compression === "none";
}

/** Opens the connection over the transport; its end closes the carriers. */
function openConnection(
  transport: Transport,
  { options, suite, policy, keyHost }: ConnectPlan,
  roundTrip: number | null,
  carriers: AsyncDisposableStack,
): LiveConnection {
  const connection = new Connection(transport, {
    roundTrip,
    ...(options.window !== undefined && { window: options.window }),
  });
  followHostKeys(connection, transport, { host: keyHost, policy, algorithms: suite.hostKey });
  transport.open(connection);
  if (options.keepaliveInterval) {
    connection.keepalive(options.keepaliveInterval, options.keepaliveCount);
  }
  if (options.channelTimeouts) connection.closeIdle(options.channelTimeouts);
  const finished = transport.finished.then(() => carriers.disposeAsync());
  return liveConnection(transport, connection, finished);
}

function parsed(target: string): ConnectOptions {
  const { hostname, port, user } = parseTarget(target);
  return { hostname, ...(port !== null && { port }), ...(user !== null && { user }) };
}

function addressOf(options: ConnectOptions): HostAddress {
  const { hostname, port = DEFAULT_PORT } = options;
  if (hostname !== undefined) return { hostname, port: checkPort(port) };
  if (options.transport) return { hostname: "localhost", port };
  throw new TypeError('No host given: write connect("user@host"), or the option hostname');
}

/**
 * Prefers the known types of host keys, so that a server with several keys presents one that can be
 * checked. A known type that is off by default is added, unless the caller chose the types.
 */
function preferKnown(suite: Suite, types: readonly string[], options: ConnectOptions): Suite {
  const algorithms = (type: string) =>
    type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type];
  const known = types.flatMap(algorithms).filter((name) =>
    algorithmOptions(options.algorithms).hostKey === undefined
      ? [...SIGNATURES, ...CERTIFIED].some((row) => row.name === name)
      : suite.hostKey.includes(name)
  );
  return { ...suite, hostKey: [...new Set([...known, ...suite.hostKey])] };
}
