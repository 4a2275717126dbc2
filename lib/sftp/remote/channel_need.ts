import { SFTP_CHANNELS } from "../../defaults.ts";

/** Up to this round trip one window is enough: sshd's 2 MiB carry 400 MB/s at 5 ms. */
const SHORT_ROUND_TRIP_MS = 5;

/** The shortest time to measure over. */
const LEAST_MS = 20;

/** Round trips to measure over; if they are long, one may be enough. */
const ROUND_TRIPS = 2;

/**
 * Twice the round trips that opening further channels takes: they do not pay for a file that is sent by
 * then.
 */
const WORTH_ROUND_TRIPS = 8;

/** Windows of the shortest file for which channels are opened before they are known to be needed. */
const WORTH_WINDOWS = 16;

/** The share of the time that writes wait, above which the window counts as too small. */
const WAITING_SHARE = 0.5;

/** The share of a window sent per round trip, below which the link or the server is the limit. */
const FILLED_SHARE = 0.5;

/**
 * The share of all windows together above which more connections would help. It is below 1 because few bytes
 * are sent in the first and the last round trips.
 */
const FULL_SHARE = 0.75;

/** The factor by which the last channels must have raised the rate before more are opened. */
const GAIN = 1.2;

/** Channels after the first step; the second step opens as many as allowed. */
const FIRST_STEP = 4;

/**
 * From this round trip on there is only one step, after one round trip: four of sshd's windows carry less
 * than 1 Gbit/s, and each step takes long. Its channels are opened in advance.
 */
const LONG_ROUND_TRIP_MS = 70;

/** Measurements without a need that show the limit of the path: TCP takes several round trips to reach it. */
const ENOUGH_MEASUREMENTS = 8;

/** The total that the channels of one transfer have sent so far. */
export interface ChannelSample {
  /** Time of the sample, in milliseconds. */
  readonly at: number;
  readonly channels: number;
  readonly bytes: number;
  /** Milliseconds that writes have waited for the windows. */
  readonly waited: number;
  /** The window of one channel. */
  readonly window: number;
  /** The round trip in milliseconds; Infinity if it is not known. */
  readonly roundTrip: number;
}

/**
 * Decides how many channels a transfer needs. More help only if writes wait for the window most of the time
 * and most of the window is sent in each round trip; otherwise the link or the server is the limit.
 */
export class ChannelNeed {
  readonly #most: number;
  #last: ChannelSample | null = null;
  /** The rate with fewer channels, in bytes a millisecond. */
  #before = 0;
  /** Why the number last returned is needed. */
  why = "";
  /** Why no more were needed at the last measurement; null before the first. */
  whyNot: string | null = null;
  /** The measurements that have found no need. */
  #without = 0;

  /** @param most The most channels that there may be */
  constructor(most: number = SFTP_CHANNELS) {
    this.#most = most;
  }

  /** Whether enough measurements have found no need: later ones will probably find none either. */
  get isEnough(): boolean {
    return this.#without >= ENOUGH_MEASUREMENTS;
  }

  /**
   * Starts to measure before the first write, while the windows are unused. Filling them shows nothing, so
   * they count as filled.
   */
  begin(first: ChannelSample): void {
    this.#last ??= { ...first, bytes: first.bytes + first.window * first.channels };
  }

  /**
   * How many channels to use with `left` bytes to send; no more than now if the last ones did not raise the
   * rate.
   */
  count(now: ChannelSample, left: number): number {
    const { roundTrip, channels, window } = now;
    if (!(roundTrip >= SHORT_ROUND_TRIP_MS && roundTrip < Infinity)) {
      this.whyNot = `the round trip takes ${roundTrip.toFixed(1)} ms`;
      return channels;
    }
    const since = this.#last ??= now;
    const elapsed = now.at - since.at;
    const isLong = roundTrip >= LONG_ROUND_TRIP_MS;
    if (elapsed < Math.max((isLong ? 1 : ROUND_TRIPS) * roundTrip, LEAST_MS)) return channels;
    const rate = (now.bytes - since.bytes) / elapsed;
    const waiting = (now.waited - since.waited) / elapsed / channels;
    this.whyNot = waiting < WAITING_SHARE
      ? `writes waited for the window ${(waiting * 100).toFixed(0)} % of the time`
      : rate * roundTrip < FILLED_SHARE * window * channels
      ? `${megabytes(rate)} MB/s are less than the window allows`
      : rate < GAIN * this.#before
      ? `the last ones raised the rate only to ${megabytes(rate)} MB/s`
      : left < WORTH_ROUND_TRIPS * window * channels
      ? "the rest is short"
      : null;
    if (this.whyNot !== null) {
      if (elapsed < ROUND_TRIPS * roundTrip) return channels;
      this.#without++;
      this.#last = now;
      return channels;
    }
    this.#last = now;
    this.#before = rate;
    this.why = `writes wait for a window of ${window / 1024} KiB, at a round trip of ` +
      `${roundTrip.toFixed(0)} ms and ${megabytes(rate)} MB/s`;
    return channels < FIRST_STEP && !isLong ? FIRST_STEP : this.#most;
  }

  /** Restarts the measurement, because the number of channels has changed. */
  changed(): void {
    this.#last = null;
  }
}

/**
 * Whether channels will probably be needed for a file of `size` bytes, so that they are opened while the
 * path is measured.
 */
export function mayNeedMore(size: number, window: number, roundTrip: number): boolean {
  if (roundTrip < LONG_ROUND_TRIP_MS || roundTrip === Infinity) return false;
  return size >= WORTH_WINDOWS * window && size < Infinity;
}

/** Whether full windows have limited the rate of the same channels since an earlier sample. */
export function areWindowsFull(since: ChannelSample, now: ChannelSample): boolean {
  const { channels, window, roundTrip } = now;
  const elapsed = now.at - since.at;
  if (channels !== since.channels || elapsed < WORTH_ROUND_TRIPS * roundTrip) return false;
  const perRoundTrip = (now.bytes - since.bytes) / elapsed * roundTrip;
  return perRoundTrip >= FULL_SHARE * window * channels;
}

function megabytes(rate: number): string {
  return (rate / 1000).toFixed(rate < 10_000 ? 1 : 0);
}
