import { CHANNEL_WINDOW, MIN_CHANNEL_WINDOW, WINDOW_GROWTH } from "../defaults.ts";
import type { WindowBudget } from "./window.ts";

/**
 * The receive window of each channel, in bytes: one number is fixed; otherwise it starts with `initial`
 * (2 MiB) and all windows of the connection together grow to `max` (32 MiB) as the path needs it. Beyond a
 * dozen channels each further one starts with less, down to 128 KiB at a
 * client and 32 KiB at a server, and grows while it is read.
 */
export type WindowOptions = number | {
  /** What a channel starts with. */
  readonly initial?: number;
  /** What the windows of one connection may come to. */
  readonly max?: number;
};

/**
 * What all channels start with and grow from; a number instead of it is the fixed window of each.
 *
 * @param roundTrip That of the path in milliseconds, if it is known
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
  const least = Math.min(initial, MIN_CHANNEL_WINDOW[role]);
  return {
    initial,
    budget: new ConnectionBudget({ least, initial, max: checkWindow(max) }, roundTrip),
  };
}

/** What the windows of one connection may come to together, and the round trip they grow to. */
export class ConnectionBudget implements WindowBudget {
  readonly initial: number;
  readonly #least: number;
  readonly #max: number;
  roundTrip: number | null;
  #left: number;

  /**
   * @param windows What a channel starts with, at least and at most, and what all windows may come to
   * @param roundTrip That of the path in milliseconds, if it is known
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
   * Takes the window of a new channel: the whole initial one, or an eighth of what is left if that is less. A
   * quarter of the maximum is beyond the reach of windows that grow, so that one that has taken all is not
   * paid for by channels that come after it.
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
