import { CHANNEL_WINDOW, WINDOW_GROWTH } from "../defaults.ts";
import type { WindowBudget } from "./window.ts";

/**
 * The receive window of each channel, in bytes: one number is fixed; otherwise it starts with `initial`
 * (2 MiB) and all windows of the connection together grow to `max` (32 MiB) as the path needs it.
 */
export type WindowOptions = number | {
  /** What a channel starts with. */
  readonly initial?: number;
  /** What the windows of one connection may come to. */
  readonly max?: number;
};

/**
 * What each channel starts with, and what all of them grow from; null keeps them as they are.
 *
 * @param roundTrip That of the path in milliseconds, if it is known
 * @throws {RangeError} If a window cannot be that large
 */
export function windowsOf(
  options: WindowOptions = {},
  roundTrip: number | null,
): { initial: number; budget: ConnectionBudget | null } {
  const { initial = CHANNEL_WINDOW, max = initial + WINDOW_GROWTH } = typeof options === "number"
    ? { initial: options, max: options }
    : options;
  checkWindow(initial);
  const budget = max > initial ? new ConnectionBudget(checkWindow(max) - initial, roundTrip) : null;
  return { initial, budget };
}

/** What the windows of one connection may grow by together, and the round trip they grow to. */
export class ConnectionBudget implements WindowBudget {
  roundTrip: number | null;
  #left: number;

  constructor(bytes: number, roundTrip: number | null) {
    this.#left = bytes;
    this.roundTrip = roundTrip;
  }

  sawRoundTrip(milliseconds: number): void {
    this.roundTrip = Math.min(this.roundTrip ?? Infinity, milliseconds);
  }

  take(bytes: number): number {
    const taken = Math.min(bytes, this.#left);
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
