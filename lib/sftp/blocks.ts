/** How transfers cut files up. A block is some requests long, and one write or read of a local file. */
import { SFTP_IN_FLIGHT } from "../defaults.ts";

/** The size that blocks aim at: a local file operation costs 5-30 µs however long it is. */
const BLOCK_BYTES = 1024 * 1024;

/** Requests of one block at most: a server that allows one byte a request must not cost us more. */
const BLOCK_REQUESTS = 32;

/** Blocks under way at most, however small. */
const MAX_DEPTH = 8;

/** The length of a block for requests of a length, of which it is a multiple. */
export function blockLength(requestLength: number): number {
  const requests = Math.floor(BLOCK_BYTES / requestLength);
  return requestLength * Math.min(Math.max(requests, 1), BLOCK_REQUESTS);
}

/** How many blocks of a length are under way at once. */
export function blockDepth(length: number): number {
  return Math.min(Math.max(Math.floor(SFTP_IN_FLIGHT / length), 2), MAX_DEPTH);
}
