/**
 * SSH for TypeScript: log in to a server, run commands, transfer files, open tunnels.
 *
 * ```ts
 * import { connect, password } from "@denossh/ssh";
 * import { localFiles, serve } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * // A server, so that this example runs anywhere. You have one already.
 * const hostKey = await generateKey();
 * const root = await Deno.makeTempDir();
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: {
 *     password: (user, secret) => user === "deploy" && secret === "hunter2",
 *   },
 *   sftp: localFiles({ root }),
 * }, async (session) => {
 *   await session.print(`You ran ${session.command}\n`);
 * });
 *
 * await using host = await connect(`deploy@127.0.0.1:${server.addr.port}`, {
 *   auth: [password("hunter2")],
 *   hostKeys: hostKey.publicKey,
 * });
 * assertEquals(await host.run("uptime"), "You ran uptime");
 *
 * await using sftp = await host.sftp();
 * await sftp.writeTextFile("/hello.txt", "Hello over SSH");
 * assertEquals(await sftp.readTextFile("/hello.txt"), "Hello over SSH");
 * ```
 *
 * ## Where to begin
 *
 * - {@linkcode connect} logs in, by the user's own files unless {@linkcode ConnectOptions} say otherwise,
 *   and returns a {@linkcode Client}.
 * - Commands: {@linkcode Client.prototype.run | host.run} and
 *   {@linkcode Client.prototype.$ | host.$} return their output,
 *   {@linkcode Client.prototype.command | host.command} also runs them with streams
 *   ({@linkcode Process}), {@linkcode Client.prototype.sudo | host.sudo} as root;
 *   {@linkcode Client.prototype.shell | host.shell} is a shell.
 * - Files: {@linkcode Client.prototype.sftp | host.sftp} returns an {@linkcode SftpClient} with Deno's
 *   file functions, `put` and `get`.
 * - Tunnels: {@linkcode Client.prototype.fetch | host.fetch},
 *   {@linkcode Client.prototype.dial | host.dial},
 *   {@linkcode Client.prototype.forwardLocal | host.forwardLocal},
 *   {@linkcode Client.prototype.forwardRemote | host.forwardRemote}, and
 *   {@linkcode openTunnels}, which reconnects.
 * - Many hosts: {@linkcode fleet}.
 * - Credentials: {@linkcode publicKey} with {@linkcode loadKey}, {@linkcode agent}, {@linkcode password},
 *   {@linkcode interactive}.
 * - Host keys: {@linkcode knownHosts}, or the key or its fingerprint as {@linkcode HostKeys}.
 * - Errors: every failure outside of the program is an {@linkcode SshError} with a `code`.
 *
 * ## Other entrypoints
 *
 * - `@denossh/ssh/server`: servers.
 * - `@denossh/ssh/sftp`: the SFTP client and server by themselves.
 * - `@denossh/ssh/keys`: keys, certificates, signed files.
 * - `@denossh/ssh/known-hosts`: `known_hosts` files.
 * - `@denossh/ssh/config`: `~/.ssh/config`.
 * - `@denossh/ssh/agent`: `ssh-agent`.
 * - `@denossh/ssh/testing`: a client and a server in memory.
 * - `@denossh/ssh/cli`: the command-line tool.
 *
 * @module
 */
export { connect } from "./lib/client/connect.ts";
export { Client, type ConnectionInfo } from "./lib/client/client.ts";
export type { SftpStartOptions } from "./lib/client/sftp_start.ts";
export type { ConnectOptions, Jump } from "./lib/client/options.ts";
export type { ClientState, ResilientOptions } from "./lib/client/resilience.ts";
export {
  type Gateway,
  openTunnels,
  type TunnelCheck,
  Tunnels,
  type TunnelsOptions,
  type TunnelSpec,
  type TunnelsState,
} from "./lib/client/tunnels.ts";
export * from "./lib/fleet/mod.ts";
export { acceptAnyHostKey, type HostKeys } from "./lib/login/host_keys.ts";
export { knownHosts, type KnownHostsOptions } from "./lib/known_hosts/known_hosts_policy.ts";
export type { HostAddress, HostKeyPolicy } from "./lib/known_hosts/host_key_policy.ts";
export type { HostKeyChanges } from "./lib/known_hosts/update.ts";
export type { TcpOptions } from "./lib/login/tcp.ts";
export { promptHostKey } from "./lib/login/host_key_question.ts";
export { InterruptedError, promptSecret } from "./lib/terminal/ask.ts";
export { loadKey, type LoadKeyOptions } from "./lib/login/load_key.ts";
export type { AuthDialog, AuthMethod } from "./lib/auth/auth_method.ts";
export { hostBased, type HostBasedOptions } from "./lib/auth/host_based.ts";
export { interactive } from "./lib/auth/interactive.ts";
export { none } from "./lib/auth/none.ts";
export { password, type PasswordOptions } from "./lib/auth/password.ts";
export type { Challenge, Prompt } from "./lib/auth/prompts.ts";
export { publicKey, type PublicKeyOptions } from "./lib/auth/public_key.ts";
export * from "./lib/agent/mod.ts";
export type { PrivateKey, Signer, SignOptions } from "./lib/keys/private_key.ts";
export type { PublicKey } from "./lib/keys/public_key.ts";
export type { RunOptions, SudoOptions, WaitOptions } from "./lib/client/run_options.ts";
export type { SudoSettings } from "./lib/session/sudo.ts";
export { ShellCommand } from "./lib/session/shell_command.ts";
export { Command, type CommandOptions } from "./lib/session/command.ts";
export {
  type CommandOutput,
  Process,
  type ProcessOptions,
  type Signal,
} from "./lib/session/process.ts";
export type { ExpectOptions } from "./lib/session/expect.ts";
export type { Pattern, PatternMatch } from "./lib/session/pattern_search.ts";
export type { SignalName, TerminalMode } from "./lib/wire/numbers.ts";
export type {
  AddrOf,
  BindAddress,
  BindPort,
  ForwardAddress,
  ForwardTarget,
  HostPort,
  SocketPath,
} from "./lib/forward/address.ts";
export type { ConfiguredForward, ConfiguredForwards } from "./lib/client/configured_forwards.ts";
export type { CheckOptions, Forwarder } from "./lib/forward/forwarder.ts";
export type {
  ForwardOptions,
  RemoteSocksOptions,
  SocksTunnelOptions,
  TunnelOptions,
} from "./lib/forward/forwarding.ts";
export type { HttpClientOptions, HttpInit } from "./lib/forward/http_tunnel.ts";
export type { NodeSocket } from "./lib/runtime/node_socket.ts";
export type { SocksCredentials } from "./lib/forward/socks.ts";
export type { RemoteListener } from "./lib/forward/listener.ts";
export type { TunnelConn } from "./lib/forward/tunnel_conn.ts";
export {
  Channel,
  type ChannelOwner,
  type ConsumeOptions,
  type IncomingOpen,
  type ReadAllOptions,
} from "./lib/connection/channel.ts";
export type { GlobalHandler } from "./lib/connection/global_requests.ts";
export type { X11Forward, X11Options } from "./lib/connection/x11_forward.ts";
export type { X11Authority } from "./lib/connection/x11_setup.ts";
export type { DisplayOptions } from "./lib/forward/x11_lend.ts";
export { ChannelFile, type ChannelFileOptions } from "./lib/connection/channel_file.ts";
export type { ChannelState } from "./lib/connection/channel_state.ts";
export { bytesWritten } from "./lib/connection/partial_write.ts";
export type { EnvOptions, PtyOptions, TerminalSize } from "./lib/connection/session_requests.ts";
export type { CallOptions } from "./lib/waiting.ts";
export type {
  Exit,
  ExitStatus,
  IncomingRequest,
  RequestAnswer,
  RequestHandler,
} from "./lib/connection/request.ts";
export type { WindowOptions } from "./lib/connection/window_budget.ts";
export type { AlgorithmOptions } from "./lib/crypto/suite.ts";
export type { RekeyLimits } from "./lib/transport/key_use.ts";
export { type TraceEvent, type TraceField, traceLine } from "./lib/transport/trace.ts";
export type { HostProof } from "./lib/keys/key.ts";
export type { ByteStreams } from "./lib/transport/socket.ts";
export { type WebSocketOptions, webSocketTransport } from "./lib/transport/web_socket.ts";
export { SftpClient } from "./lib/sftp/client.ts";
export type { ExportOptions } from "./lib/keys/private_key.ts";
export * from "./lib/errors.ts";
export { quote, sh, type ShellValue } from "./lib/quote.ts";
