/** Divides files for transfers. A block is several requests, and one read or write of a local file. */
import { SFTP_IN_FLIGHT } from "../../defaults.ts";

/** The preferred size of a block, because a local file operation costs 5-30 µs whatever its length. */
const BLOCK_BYTES = 1024 * 1024;

/** The most requests of one block, so that a server that allows one byte per request costs little. */
const BLOCK_REQUESTS = 32;

/** Blocks in flight at the start: enough for 80 MB/s at a round trip of 50 ms. */
const MIN_DEPTH = 4;

/** The most blocks in flight. */
const MAX_DEPTH = 64;

/** The shortest request when memory is limited. */
const MIN_REQUEST = 4 * 1024;

/** The network path in one direction, as measured by earlier transfers. */
export class PathEstimate {
  readonly #roundTrip: () => number;
  /** Bytes in flight on the path at the last measurement. */
  held = 0;

  constructor(roundTrip: () => number) {
    this.#roundTrip = roundTrip;
  }

  /** The shortest round trip so far, in milliseconds; Infinity before the first. */
  get roundTrip(): number {
    return this.#roundTrip();
  }
}

/**
 * Chooses the length of requests and blocks, and how many blocks are in flight: twice the product of round
 * trip and rate measured so far, within the memory allowed.
 */
export class RequestPacing {
  /** Bytes of a request. */
  readonly request: number;
  /** Bytes of a block, a multiple of a request's. */
  readonly block: number;
  #most: number;
  /** The fewest blocks in flight: with several channels or connections each needs its share. */
  #least = 1;
  readonly #path: PathEstimate;
  #depth: number;
  #bytes = 0;
  #since: number = performance.now();

  /** For requests of up to `longest` bytes. */
  constructor(longest: number, path: PathEstimate, inFlight: number = SFTP_IN_FLIGHT) {
    // At least two blocks, otherwise sending would wait for the answer to the last block.
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
   * Allows more bytes in flight, for several channels whose windows total `held` bytes. The round trip is
   * not used then: full queues, as on a rate-limited link, make it long. A request of which a part waits
   * for its window is answered a round trip later than its neighbours, so half as many again are allowed.
   */
  widen(inFlight: number, held: number): void {
    this.#most = Math.max(this.#most, this.#blocks(inFlight));
    const blocks = Math.ceil(1.5 * held / this.block) + MIN_DEPTH;
    this.#least = Math.min(Math.max(this.#least, blocks), this.#most);
    this.#depth = Math.max(this.#depth, this.#least);
  }

  /** Counts a block that has arrived. */
  passed(bytes: number): void {
    this.#bytes += bytes;
    const { roundTrip, held: before } = this.#path;
    const now = performance.now();
    const elapsed = now - this.#since;
    if (elapsed < Math.max(roundTrip, 10) || roundTrip === Infinity) return;
    const held = this.#path.held = this.#bytes / elapsed * roundTrip;
    // Take the larger of this measurement and the last, because paths are bursty: the depth grows
    // immediately and shrinks by one block at a time.
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
