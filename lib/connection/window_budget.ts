import { CHANNEL_WINDOW, MIN_CHANNEL_WINDOW, WINDOW_GROWTH } from "../defaults.ts";
import type { WindowBudget } from "./window.ts";

/**
 * The receive window of each channel, in bytes. A number is a fixed size. Otherwise a window starts with
 * `initial` (2 MiB), and the total of all windows of the connection grows to `max` (32 MiB) as the path
 * needs it. Beyond a dozen channels, further ones start smaller, down to 128 KiB at a client and 32 KiB at
 * a server, and grow while they are read.
 */
export type WindowOptions = number | {
  /** The initial window of a channel. */
  readonly initial?: number;
  /** The most that the windows of one connection may total. */
  readonly max?: number;
};

/**
 * The initial window and the budget of a connection; null as the budget for windows of a fixed size.
 *
 * @param roundTrip The round trip of the path in milliseconds, if known
 * @throws {RangeError} If a window cannot be that large
 */
export function windowsOf(
  options: WindowOptions = {},
  roundTrip: number | null,
  role: "client" | "server",
): { initial: number; budget: ConnectionBudget | null } {
  const { initial = CHANNEL_WINDOW, max = initial + WINDOW_GROWTH } = typeof options === "number"
    ? { initial: options, max: options }
    : options;
  checkWindow(initial);
  if (max <= initial) return { initial, budget: null };
  const least = MIN_CHANNEL_WINDOW[role];
  return {
    initial,
    budget: new ConnectionBudget({ least, initial, max: checkWindow(max) }, roundTrip),
  };
}

/** The budget for the windows of one connection, and the round trip that they adapt to. */
export class ConnectionBudget implements WindowBudget {
  readonly initial: number;
  readonly #least: number;
  readonly #max: number;
  roundTrip: number | null;
  #left: number;

  /**
   * @param windows The least and the usual initial window, and the most for all windows together
   * @param roundTrip The round trip of the path in milliseconds, if known
   */
  constructor(
    { least, initial, max }: { least: number; initial: number; max: number },
    roundTrip: number | null,
  ) {
    this.#least = least;
    this.initial = initial;
    this.#max = max;
    this.#left = max;
    this.roundTrip = roundTrip;
  }

  sawRoundTrip(milliseconds: number): void {
    this.roundTrip = Math.min(this.roundTrip ?? Infinity, milliseconds);
  }

  /**
   * Takes the window of a new channel: the usual one, or an eighth of the remaining budget if that is less.
   * A quarter of the maximum is added to the remainder, so that later channels do not starve after one
   * window has taken everything.
   */
  open(): number {
    const share = this.#left === this.#max
      ? this.initial
      : Math.floor((this.#left + this.#max / 4) / 8);
    const window = Math.min(this.initial, Math.max(share, this.#least));
    this.#left -= window;
    return window;
  }

  take(bytes: number): number {
    const taken = Math.max(0, Math.min(bytes, this.#left));
    this.#left -= taken;
    return taken;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

function checkWindow(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= 1024 && bytes <= 0x7fff_ffff) return bytes;
  throw new RangeError(`Channel window must be 1024 to 2^31 - 1 bytes, not ${bytes}`);
}
