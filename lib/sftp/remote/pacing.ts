/** How transfers cut files up. A block is some requests long, and one write or read of a local file. */
import { SFTP_IN_FLIGHT } from "../../defaults.ts";

/** The size that blocks aim at: a local file operation costs 5-30 µs however long it is. */
const BLOCK_BYTES = 1024 * 1024;

/** Requests of one block at most: a server that allows one byte a request must not cost us more. */
const BLOCK_REQUESTS = 32;

/** Blocks under way to begin with: what a path of 50 ms carries at 80 MB/s. */
const MIN_DEPTH = 4;

/** Blocks under way at most, however small. */
const MAX_DEPTH = 64;

/** Requests go down to this length when memory is short. */
const MIN_REQUEST = 4 * 1024;

/** What transfers in one direction have found out about the way, for those to come. */
export class Path {
  readonly #roundTrip: () => number;
  /** Bytes that were on the way lately. */
  held = 0;

  constructor(roundTrip: () => number) {
    this.#roundTrip = roundTrip;
  }

  /** The shortest round trip seen, in milliseconds; Infinity before there was one. */
  get roundTrip(): number {
    return this.#roundTrip();
  }
}

/**
 * How long requests and blocks are, and how many blocks are under way: twice what the path holds by
 * its round trip and the rate seen so far, within the memory allowed.
 */
export class Pace {
  /** Bytes of a request. */
  readonly request: number;
  /** Bytes of a block, a multiple of a request's. */
  readonly block: number;
  readonly #most: number;
  readonly #path: Path;
  #depth: number;
  #bytes = 0;
  #since: number = performance.now();

  /** For requests of up to a length, on a path that others may have been on. */
  constructor(longest: number, path: Path, inFlight: number = SFTP_IN_FLIGHT) {
    // Two blocks at least, or sending would wait for the answer to what was sent before.
    const half = Math.max(Math.floor(inFlight / 2), MIN_REQUEST);
    this.request = Math.max(Math.min(longest, half), 1);
    const requests = Math.floor(Math.min(BLOCK_BYTES, half) / this.request);
    this.block = this.request * Math.min(Math.max(requests, 1), BLOCK_REQUESTS);
    this.#most = Math.min(Math.max(Math.floor(inFlight / this.block), 2), MAX_DEPTH);
    this.#path = path;
    this.#depth = this.#for(path.held);
  }

  /** Blocks to have under way now. */
  get depth(): number {
    return this.#depth;
  }

  /** Bytes that may be under way at most. */
  get window(): number {
    return (this.#most + 1) * this.block;
  }

  /** A block is through. */
  passed(bytes: number): void {
    this.#bytes += bytes;
    const { roundTrip, held: before } = this.#path;
    const now = performance.now();
    const elapsed = now - this.#since;
    if (elapsed < Math.max(roundTrip, 10) || roundTrip === Infinity) return;
    const held = this.#path.held = this.#bytes / elapsed * roundTrip;
    // Of this time and the last, since paths are bursty; upwards at once, downwards step by step.
    this.#depth = Math.max(this.#depth - 1, this.#for(Math.max(held, before)));
    this.#bytes = 0;
    this.#since = now;
  }

  /** Blocks for a path that holds so many bytes. */
  #for(held: number): number {
    return Math.min(Math.max(Math.ceil(2 * held / this.block), MIN_DEPTH), this.#most);
  }
}
