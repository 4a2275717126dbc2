import { SFTP_CHANNELS } from "../../defaults.ts";

/** Shorter round trips need no more than one window: sshd's 2 MiB carry 400 MB/s at 5 ms. */
const SHORT_ROUND_TRIP_MS = 5;

/** The shortest time to look at. */
const LEAST_MS = 20;

/** Round trips to look at. */
const ROUND_TRIPS = 2;

/** Round trips that opening further channels takes, twice: a file that is over by then needs none. */
const WORTH_ROUND_TRIPS = 8;

/** The share of the time that writes wait for a window that is too small. */
const WAITING_SHARE = 0.5;

/** The share of a window that is sent in a round trip, unless the link or the server is the limit. */
const FILLED_SHARE = 0.5;

/** By how much more channels must have raised the rate, for yet more to be opened. */
const GAIN = 1.2;

/** The channels of the first step; the second is to as many as there may be. */
const FIRST_STEP = 4;

/** From here on there is one step: four of sshd's windows carry less than 1 Gbit/s, and each step takes long. */
const LONG_ROUND_TRIP_MS = 70;

/** What the channels of one transfer have sent so far, all together. */
export interface ChannelSample {
  /** When, in milliseconds. */
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
 * Decides how many channels a transfer needs: more if writes wait for the window most of the time, and all of
 * the window is sent in each round trip. Otherwise the link or the server is the limit, and more would be in vain.
 */
export class ChannelNeed {
  readonly #most: number;
  #last: ChannelSample | null = null;
  /** The rate with fewer channels, in bytes a millisecond. */
  #before = 0;
  /** Why the number that was told last is needed. */
  why = "";
  /** Why no more were needed when it was looked at last; null if it never was. */
  whyNot: string | null = null;

  /** @param most The most channels that there may be */
  constructor(most: number = SFTP_CHANNELS) {
    this.#most = most;
  }

  /** How many channels there should be, with `left` bytes to come; no more than now if the last were in vain. */
  count(now: ChannelSample, left: number): number {
    const { roundTrip, channels, window } = now;
    if (!(roundTrip >= SHORT_ROUND_TRIP_MS && roundTrip < Infinity)) {
      this.whyNot = `the round trip takes ${roundTrip.toFixed(1)} ms`;
      return channels;
    }
    const since = this.#last ??= now;
    const elapsed = now.at - since.at;
    if (elapsed < Math.max(ROUND_TRIPS * roundTrip, LEAST_MS)) return channels;
    this.#last = now;
    const rate = (now.bytes - since.bytes) / elapsed;
    const waiting = (now.waited - since.waited) / elapsed / channels;
    this.whyNot = waiting < WAITING_SHARE
      ? `writes waited for the window ${(waiting * 100).toFixed(0)} % of the time`
      : rate * roundTrip < FILLED_SHARE * window * channels
      ? `${megabytes(rate)} MB/s are less than the window allows`
      : rate < GAIN * this.#before
      ? `the last ones raised the rate to ${megabytes(rate)} MB/s only`
      : left < WORTH_ROUND_TRIPS * rate * roundTrip
      ? "the rest is short"
      : null;
    if (this.whyNot !== null) return channels;
    this.#before = rate;
    this.why = `writes wait for a window of ${window / 1024} KiB, at a round trip of ` +
      `${roundTrip.toFixed(0)} ms and ${megabytes(rate)} MB/s`;
    return channels < FIRST_STEP && roundTrip < LONG_ROUND_TRIP_MS ? FIRST_STEP : this.#most;
  }

  /** Begins anew, since the number of channels has changed. */
  changed(): void {
    this.#last = null;
  }
}

function megabytes(rate: number): string {
  return (rate / 1000).toFixed(rate < 10_000 ? 1 : 0);
}
