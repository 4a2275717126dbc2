import { abortable, onAbort, onTimeout } from "../waiting.ts";
import { authenticateClient } from "../auth/client.ts";
import { Connection } from "../connection/connection.ts";
import { CERTIFIED, SIGNATURES } from "../crypto/algorithms.ts";
import { resolveSuite, type Suite } from "../crypto/suite.ts";
import { CONNECT_TIMEOUT_MS, MAX_JUMPS } from "../defaults.ts";
import { ConfigError, ConnectError } from "../errors.ts";
import { requestService } from "../transport/service.ts";
import { connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import { Transport } from "../transport/transport.ts";
import { Client } from "./client.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { followHostKeys } from "./host_key_updates.ts";
import { hostKeyPolicy, verifyHostKey } from "../login/host_keys.ts";
import { configured } from "./configured.ts";
import { userKeys, userKnownHosts } from "../login/key_files.ts";
import { type Connect, type Jumped, jumpTo } from "./jump.ts";
import { checkPort, type ConnectOptions, parseTarget } from "./options.ts";
import { inSpan } from "../spans.ts";
import { type Proxy, startProxy } from "../login/proxy_command.ts";
import { dialHost } from "../login/tcp.ts";

const DEFAULT_PORT = 22;

/**
 * Connects to an SSH server and logs in.
 *
 * With user, credentials and host key given, this needs `--allow-net=host:port` and nothing else. The
 * target may be an alias of `~/.ssh/config`, if that may be read.
 *
 * @param target `[user@]host[:port]`, `ssh://…` or the options alone
 * @throws {ConfigError} If a configuration file makes no sense, or asks for what cannot be done
 * @throws {ConnectError} If the host cannot be reached, is no SSH server or the time runs out
 * @throws {NegotiationError} If the two ends have no algorithm in common
 * @throws {HostKeyError} If the host key is not trusted; no credential has been sent then
 * @throws {AuthError} If the server accepts none of the credentials
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
 *   auth: { password: (user, secret) => user === "deploy" && secret === "hunter2" },
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
export function connect(
  target: string | ConnectOptions,
  options: ConnectOptions = {},
): Promise<Client> {
  return inSpan("ssh.connect", "client", {}, async (span) => {
    const client = await connectAt(0, target, options);
    const { host, kex, cipher, server } = client.info;
    span.set({ "server.address": host.hostname, "server.port": host.port });
    span.set({ "ssh.kex": kex, "ssh.cipher": cipher, "ssh.server": server });
    return client;
  });
}

async function connectAt(
  depth: number,
  target: string | ConnectOptions,
  options: ConnectOptions = {},
): Promise<Client> {
  const asked = typeof target === "string" ? { ...parsed(target), ...options } : target;
  addressOf(asked);
  if ([asked.jump, asked.transport, asked.proxyCommand].filter((way) => way).length > 1) {
    throw new TypeError("A connection goes through a jump, a transport or a command: one of them");
  }
  asked.signal?.throwIfAborted();
  if (depth > MAX_JUMPS) {
    throw new ConfigError([`More than ${MAX_JUMPS} jump hosts lead to each other`]);
  }
  const { options: given, settings } = await configured(asked);
  const host = addressOf(given);
  const { signal } = given;
  const user = given.user ?? Deno.env.get("USER") ?? Deno.env.get("LOGNAME");
  if (!user) throw new TypeError("No user given, and USER is not set");
  const policy = given.hostKeys === undefined ? userKnownHosts() : hostKeyPolicy(given.hostKeys);
  const trusted = given.hostKeyAlias === undefined
    ? host
    : { hostname: given.hostKeyAlias, port: DEFAULT_PORT };
  const known = await abortable(Promise.resolve(policy.knownTypes?.(trusted) ?? []), signal);
  const suite = preferKnown(resolveSuite(given.algorithms), known, given);
  const methods = given.auth ?? await userKeys();

  // One deadline for everything, which no traffic re-arms: a peer that drips bytes gains nothing.
  const milliseconds = given.timeout ?? CONNECT_TIMEOUT_MS;
  const deadline = new AbortController();
  const name = hostLabel(host);
  using _late = onTimeout(milliseconds || undefined, () => {
    const message = `Connecting to ${name} timed out after ${milliseconds} ms`;
    deadline.abort(new ConnectError(message, { timeout: true }));
  });
  const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
  let transport: Transport | null = null;
  let jumped: Jumped | null = null;
  let proxy: Proxy | null = null;
  using _aborting = onAbort(either, (reason) => transport?.fail(reason));
  try {
    if (given.jump !== undefined) {
      const next: Connect = (target, options) => connectAt(depth + 1, target, options);
      jumped = await jumpTo(host, given.jump, either, next, given.config);
    }
    if (given.proxyCommand !== undefined) proxy = startProxy(given.proxyCommand);
    const socket = jumped
      ? connSocket(jumped.conn)
      : proxy?.socket ?? await dial(given, host, either);
    transport = new Transport(socket, {
      role: "client",
      suite,
      verifyHostKey: (key) => verifyHostKey(policy, trusted, key),
      ...(given.rekey && { rekey: given.rekey }),
      ...(given.trace && { trace: given.trace }),
    });
    if (either.aborted) transport.fail(either.reason);
    await transport.handshake();
    const link = requestService(transport.link(), "ssh-userauth");
    if (!methods[0]?.eager) await link.accepted();
    await authenticateClient(link, {
      user,
      methods,
      ...(given.algorithms?.userKey !== undefined && { algorithms: suite.userKey }),
      ...(given.onBanner && { onBanner: given.onBanner }),
      signal: either,
    });
    const connection = new Connection(transport, {
      roundTrip: link.roundTrip,
      ...(given.window !== undefined && { window: given.window }),
    });
    followHostKeys(connection, transport, policy, trusted);
    transport.open(connection);
    if (given.keepaliveInterval) {
      connection.keepalive(given.keepaliveInterval, given.keepaliveCount);
    }
    const finished = transport.finished.then(() => proxy?.close()).then(() => jumped?.close());
    const login = { host, user, settings, env: given.env };
    return new Client(transport, connection, login, finished);
  } catch (error) {
    transport?.fail(error);
    await transport?.finished;
    await proxy?.close();
    await jumped?.close();
    throw error;
  }
}

function parsed(target: string): ConnectOptions {
  const { hostname, port, user } = parseTarget(target);
  return { hostname, ...(port !== null && { port }), ...(user !== null && { user }) };
}

function addressOf(options: ConnectOptions): HostAddress {
  const { hostname, port = DEFAULT_PORT } = options;
  if (hostname !== undefined) return { hostname, port: checkPort(port) };
  if (options.transport) return { hostname: "localhost", port };
  throw new TypeError("No host given");
}

async function dial(
  options: ConnectOptions,
  host: HostAddress,
  signal: AbortSignal,
): Promise<Socket> {
  if (options.transport) return streamSocket(options.transport);
  return await dialHost(host, options.tcp ?? {}, signal);
}

/**
 * Asks first for the types of host key that are known, so that a server with several keys shows one
 * that can be checked; a type that is off by default comes in if the caller did not choose.
 */
function preferKnown(suite: Suite, types: readonly string[], options: ConnectOptions): Suite {
  const algorithms = (type: string) =>
    type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type];
  const known = types.flatMap(algorithms).filter((name) =>
    options.algorithms?.hostKey === undefined
      ? [...SIGNATURES, ...CERTIFIED].some((row) => row.name === name)
      : suite.hostKey.includes(name)
  );
  return { ...suite, hostKey: [...new Set([...known, ...suite.hostKey])] };
}
