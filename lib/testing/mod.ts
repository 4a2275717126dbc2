/**
 * For tests of programs that use SSH: a client that is logged in to a server, both in memory.
 *
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.print(`ran ${session.command}`),
 * });
 * assertEquals(await pair.host.run("uptime"), "ran uptime");
 * ```
 *
 * - {@linkcode connectedPair} makes both; its options are those of `connect()` and `serve()`.
 * - {@linkcode memoryPair} makes two ends of a connection, for the option `transport`.
 *
 * @module
 */
export { memoryPair } from "./memory_pair.ts";
export { type ConnectedPair, connectedPair, type ConnectedPairOptions } from "./connected_pair.ts";
export type { Client, ConnectionInfo } from "../client/client.ts";
export type { WaitOptions } from "../client/run_options.ts";
export type { SftpStartOptions } from "../client/sftp_start.ts";
export type { ConnectOptions } from "../client/options.ts";
export type { ServedConnection } from "../server/serve.ts";
export type { ServeOptions } from "../server/options.ts";
export type { SessionHandler } from "../session/session.ts";
export type { ByteStreams } from "../transport/socket.ts";
