/**
 * Worlds for tests: a pair of streams, and a client that is logged in to a server, all in memory.
 *
 * @module
 */
export { memoryPair } from "./memory_pair.ts";
export { type ConnectedPair, connectedPair, type ConnectedPairOptions } from "./connected_pair.ts";
export type { Client, ConnectionInfo, SftpStartOptions, WaitOptions } from "../client/client.ts";
export type { ConnectOptions } from "../client/options.ts";
export type { ServedConnection } from "../server/serve.ts";
export type { ServeOptions } from "../server/options.ts";
export type { SessionHandler } from "../session/session.ts";
export type { ByteStreams } from "../transport/socket.ts";
