/** How transfers divide files. A block is several requests, and one read or write of a local file. */
import { SFTP_IN_FLIGHT } from "../../defaults.ts";

/** The preferred size of a block: a local file operation costs 5-30 µs whatever its length. */
const BLOCK_BYTES = 1024 * 1024;

/** The most requests of one block, so that a server that allows one byte a request costs little. */
const BLOCK_REQUESTS = 32;

/** Blocks in flight at the start: what a path of 50 ms carries at 80 MB/s. */
const MIN_DEPTH = 4;

/** The most blocks in flight. */
const MAX_DEPTH = 64;

/** The shortest request when memory is limited. */
const MIN_REQUEST = 4 * 1024;

/** What earlier transfers in one direction have measured of the network path. */
export class PathEstimate {
  readonly #roundTrip: () => number;
  /** Bytes that the path held in flight when it was last measured. */
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
 * Chooses the length of requests and blocks, and how many blocks are in flight: twice what the path holds
 * by its round trip and the rate measured so far, within the memory allowed.
 */
export class RequestPacing {
  /** Bytes of a request. */
  readonly request: number;
  /** Bytes of a block, a multiple of a request's. */
  readonly block: number;
  #most: number;
  /** Blocks in flight at least: over several channels or connections each needs its share. */
  #least = 1;
  readonly #path: PathEstimate;
  #depth: number;
  #bytes = 0;
  #since: number = performance.now();

  /** For requests of up to `longest` bytes. */
  constructor(longest: number, path: PathEstimate, inFlight: number = SFTP_IN_FLIGHT) {
    // Two blocks at least, or sending would wait for the answer to what was sent before.
    const half = Math.max(Math.floor(inFlight / 2), MIN_REQUEST);
    this.request = Math.max(Math.min(longest, half), 1);
    const requests = Math.floor(Math.min(BLOCK_BYTES, half) / this.request);
    this.block = this.request * Math.min(Math.max(requests, 1), BLOCK_REQUESTS);
    this.#most = this.#blocks(inFlight);
    this.#path = path;
    this.#depth = this.#for(path.held);
  }

  /** Blocks to have in flight now. */
  get depth(): number {
    return this.#depth;
  }

  /** The most bytes in flight. */
  get window(): number {
    return (this.#most + 1) * this.block;
  }

  /**
   * Allows more in flight, over several channels that hold this many bytes together. Their round trip may be
   * long only while they are full, as where a link's rate is limited, so that it tells nothing.
   */
  widen(inFlight: number, held: number): void {
    this.#most = Math.max(this.#most, this.#blocks(inFlight));
    const blocks = Math.ceil(held / this.block) + MIN_DEPTH;
    this.#least = Math.min(Math.max(this.#least, blocks), this.#most);
    this.#depth = Math.max(this.#depth, this.#least);
  }

  /** Notes that a block has arrived. */
  passed(bytes: number): void {
    this.#bytes += bytes;
    const { roundTrip, held: before } = this.#path;
    const now = performance.now();
    const elapsed = now - this.#since;
    if (elapsed < Math.max(roundTrip, 10) || roundTrip === Infinity) return;
    const held = this.#path.held = this.#bytes / elapsed * roundTrip;
    // The larger of this measurement and the last, since paths are bursty: the depth grows at once and
    // shrinks by one block at a time.
    const wanted = this.#for(Math.max(held, before));
    this.#depth = Math.max(this.#depth - 1, wanted, this.#least);
    this.#bytes = 0;
    this.#since = now;
  }

  #blocks(inFlight: number): number {
    return Math.min(Math.max(Math.floor(inFlight / this.block), 2), MAX_DEPTH);
  }

  /** Blocks for a path that holds this many bytes. */
  #for(held: number): number {
    return Math.min(Math.max(Math.ceil(2 * held / this.block), MIN_DEPTH), this.#most);
  }
}
