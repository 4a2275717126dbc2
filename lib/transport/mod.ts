/**
 * What carries a connection, for those who bring their own.
 *
 * @module
 */
export type { ByteStreams } from "./socket.ts";
export type { RekeyLimits } from "./key_use.ts";
