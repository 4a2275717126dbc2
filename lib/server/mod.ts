/**
 * SSH servers: policies decide about logins, a handler runs commands, a backend serves files.
 * Everything that no option allows is refused.
 *
 * ```ts
 * import { connect, password } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { serve } from "@denossh/ssh/server";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: {
 *     password: (user, secret) => `${user}:${secret}` === "ann:sesame",
 *   },
 * }, async (session) => {
 *   await session.print(`Hello ${session.user}\n`);
 *   return 0; // the exit code
 * });
 *
 * await using host = await connect(`ann@127.0.0.1:${server.addr.port}`, {
 *   auth: [password("sesame")],
 *   hostKeys: hostKey.publicKey,
 * });
 * assertEquals(await host.run("greet"), "Hello ann");
 * ```
 *
 * - {@linkcode serve} listens; {@linkcode ServeOptions} lists all permissions and limits.
 * - Logins: {@linkcode authorizedKeys}, or any {@linkcode ServerAuthPolicy}; a {@linkcode Grant} limits
 *   what a login may do.
 * - Handlers: a handler gets a {@linkcode Session}; {@linkcode systemShell} runs programs of the machine,
 *   {@linkcode relay} forwards a session to another server, {@linkcode layered} adds logs and limits.
 * - Files: {@linkcode localFiles} serves a folder and nothing outside it.
 * - Keys: {@linkcode hostKeyFile} keeps the server's key in a file.
 *
 * @module
 */
export { serve, type ServedConnection, serveStreams, type SshServer } from "./serve.ts";
export type { ForwardPolicy, ServeOptions } from "./options.ts";
export type { ForwardAddress, HostPort, SocketPath } from "../forward/address.ts";
export { hostKeyFile, type HostKeyFileOptions } from "./host_key_file.ts";
export {
  allowPrograms,
  layered,
  logSessions,
  type Middleware,
  rateLimit,
  type RateLimitOptions,
  type SessionReport,
} from "./middleware.ts";
export { relay, type RelayOptions, type RelayTarget } from "./relay.ts";
export { systemShell, type SystemShellOptions } from "./system_shell.ts";
export {
  type Login,
  Session,
  type SessionAgent,
  type SessionHandler,
  type SessionX11,
} from "../session/session.ts";
export { listenX11, type X11Listener, type X11Source } from "../forward/x11_listen.ts";
export type { X11Forward, X11Options } from "../connection/x11_forward.ts";
export type { X11Authority } from "../connection/x11_setup.ts";
export type { Pty } from "../session/pty.ts";
export type { PtyOptions, TerminalSize } from "../connection/session_requests.ts";
export type { TerminalMode } from "../wire/numbers.ts";
export { Channel, type ChannelOwner, type IncomingOpen } from "../connection/channel.ts";
export type { ChannelTimeouts } from "../connection/idle_channels.ts";
export type { GlobalHandler } from "../connection/global_requests.ts";
export type {
  Exit,
  ExitStatus,
  IncomingRequest,
  RequestAnswer,
  RequestHandler,
} from "../connection/request.ts";
export type { WindowOptions } from "../connection/window_budget.ts";
export type { AlgorithmOptions } from "../crypto/suite.ts";
export type { RekeyLimits } from "../transport/key_use.ts";
export { type TraceEvent, type TraceField, traceLine } from "../transport/trace.ts";
export type { ByteStreams } from "../transport/socket.ts";
export { authorizedKeys, type AuthorizedKeysOptions } from "./authorized_keys.ts";
export type { PenaltyOptions } from "./penalties.ts";
export type { AuthAttempt } from "../auth/server.ts";
export { Grant, type GrantOptions } from "../auth/grant.ts";
export type {
  Ask,
  AuthClient,
  AuthDecision,
  HostClaim,
  PasswordChangeDemand,
  PasswordDecision,
  PromptHeading,
  ServerAuthPolicy,
} from "../auth/policy.ts";
export type { Prompt } from "../auth/prompts.ts";
export type { PublicKey } from "../keys/public_key.ts";
export type { ExportOptions, PrivateKey, Signer, SignOptions } from "../keys/private_key.ts";
export { localFiles } from "../sftp/server/local_files.ts";
export type { SftpBackend } from "../sftp/server/backend.ts";
export type { ServeSftpOptions, SftpService } from "../sftp/server/server.ts";
