import { SOCKET_READ_BYTES } from "../defaults.ts";

/** A read of fewer bytes is small. */
const SMALL_READ = SOCKET_READ_BYTES / 2;

/** Milliseconds of a pause; Deno's timers take up to one more. */
const PAUSE_MS = 1;

/** In a pause, at least this many bytes must arrive. */
const LEAST_GATHERED = 2 * SOCKET_READ_BYTES;

/** Pauses begin after this many bytes without one. */
const LEAD_BYTES = 8 * 1024 * 1024;

/** The lead doubles after each pause that gathered less, up to this: those cost less than one percent then. */
const MAX_LEAD_BYTES = 64 * 1024 * 1024;

/** From the beginning of one pause to the next, at least this many bytes arrive. */
const CYCLE_BYTES = 1024 * 1024;

/** Bytes per millisecond from which on pauses are made. */
const FAST = 200_000;

/** The longest round trip in milliseconds: a pause delays the credit of the peer's window, too. */
const NEAR_MS = 2;

/** What decides whether the peer may be waiting for us. */
export interface Path {
  /** Grows with each message sent that the peer may answer. */
  readonly asked: number;
  /** The shortest round trip in milliseconds; null if not known. */
  readonly roundTrip: number | null;
}

/** The clock; replaced in tests. */
export interface GatheringClock {
  /** The time in milliseconds. */
  now(): number;
  /** Calls `wake` after about a time in milliseconds; returns a function that cancels that. */
  wakeAfter(milliseconds: number, wake: () => void): () => void;
}

const clock: GatheringClock = {
  now: () => performance.now(),
  wakeAfter(milliseconds, wake) {
    const timer = setTimeout(wake, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Lets the data of a fast peer gather before it is read. A peer on this machine, or near it, sends packet
 * by packet. Each small read costs us a turn of the event loop, and the peer the time to wake this program.
 * So after a small read the next one waits for a millisecond or two, and takes many packets at once.
 *
 * Reads wait only while much data comes and nothing is sent that the peer may answer: the data after a
 * question is the answer, and the program waits for its end.
 */
export class Gathering {
  readonly #path: Path;
  readonly #clock: GatheringClock;
  /** Bytes read since the last pause, or since data was too slow for one. */
  #bytes = 0;
  #since: number;
  /** The bytes after which a pause may begin. */
  #wanted = LEAD_BYTES;
  /** The same, where a pause was not possible or gathered too little. */
  #lead = LEAD_BYTES;
  #asked = 0;
  /** Whether all reads since the last pause were large. */
  #gathers = false;
  #stopped = false;
  /** Ends the pause under way. */
  #cut: () => void = () => {};

  constructor(path: Path, source: GatheringClock = clock) {
    this.#path = path;
    this.#clock = source;
    this.#since = source.now();
  }

  /** Records a read. If the next one must wait, returns the promise to wait for. */
  after(bytes: number): Promise<void> | null {
    this.#bytes += bytes;
    if (bytes >= SMALL_READ || this.#stopped) return null;
    if (this.#gathers) {
      this.#gathers = false;
      const isWorth = this.#bytes >= LEAST_GATHERED;
      this.#lead = isWorth ? LEAD_BYTES : Math.min(2 * this.#lead, MAX_LEAD_BYTES);
      if (!isWorth) return this.#begin(this.#lead);
    }
    if (this.#bytes < this.#wanted) return null;
    const rate = this.#bytes / (this.#clock.now() - this.#since);
    const { asked, roundTrip } = this.#path;
    const isNear = roundTrip !== null && roundTrip <= NEAR_MS;
    if (rate < FAST || asked !== this.#asked || !isNear) return this.#begin(this.#lead);
    this.#begin(CYCLE_BYTES);
    this.#gathers = true;
    return this.#pause();
  }

  /** Ends a pause under way; there are no more. */
  stop(): void {
    this.#stopped = true;
    this.#cut();
  }

  /** Counts anew, up to the bytes after which a pause may begin. */
  #begin(wanted: number): null {
    this.#wanted = wanted;
    this.#bytes = 0;
    this.#since = this.#clock.now();
    this.#asked = this.#path.asked;
    return null;
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.wakeAfter(PAUSE_MS, resolve);
    this.#cut = () => {
      cancel();
      resolve();
    };
    return promise;
  }
}
