/**
 * Worlds for tests: a pair of streams, and a client that is logged in to a server, all in memory.
 *
 * @module
 */
export { memoryPair } from "./memory_pair.ts";
export { type ConnectedPair, connectedPair, type ConnectedPairOptions } from "./connected_pair.ts";
