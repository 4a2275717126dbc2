import {
  RECONNECT_ATTEMPTS,
  RECONNECT_MAX_MS,
  RECONNECT_MS,
  RECONNECT_SETTLED_MS,
} from "../defaults.ts";
import { plainMessage } from "../error_messages.ts";
import { AuthError, ClosedError, ConnectError, HostKeyError, NegotiationError } from "../errors.ts";
import { tell } from "../listener.ts";
import {
  callback,
  count,
  either,
  flag,
  nested,
  type OptionCheck,
  shown,
} from "../option_checks.ts";
import { abortable, sleep } from "../waiting.ts";

/** `"reconnecting"`: the connection was lost, and the client reconnects. */
export type ClientState = "connected" | "reconnecting" | "closed";

/** Options for reconnecting a client when its connection is lost. */
export interface ResilientOptions {
  /**
   * Maximum attempts in a row, 10 by default. A connection that is lost within five seconds counts as a failed
   * attempt; one that lasts longer resets the count.
   */
  readonly attempts?: number;
  /**
   * Returns the milliseconds to wait before an attempt, given its number from 1 and the error of the last
   * one. By default 200, doubled each time up to 30,000, and varied at random by a quarter. If it throws, or
   * returns something other than a number, there are no more attempts, and the client ends with that error.
   */
  readonly backoff?: (attempt: number, cause: unknown) => number | Promise<number>;
  /** Called with each change of state and each failed attempt, and its cause. */
  readonly onState?: (state: ClientState, cause?: unknown) => void;
}

/** The value of the option `resilient` of `connect()`. */
export const RESILIENT_CHECK: OptionCheck = either(
  flag,
  nested<ResilientOptions>("resilient", { attempts: count, backoff: callback, onState: callback }),
);

/** Decides whether and when to reconnect. */
export class Resilience {
  readonly #options: ResilientOptions;
  #tries = 0;
  /** Whether one of the tries made a connection. */
  #wasMade = false;
  #since = performance.now();

  constructor(options: ResilientOptions) {
    this.#options = options;
  }

  /** Called when a connection is lost; earlier attempts still count unless the connection lasted. */
  lost(): void {
    if (performance.now() - this.#since < RECONNECT_SETTLED_MS) return;
    this.#tries = 0;
    this.#wasMade = false;
  }

  /** Called when there is a new connection. */
  connected(): void {
    this.#wasMade = true;
    this.#since = performance.now();
  }

  /**
   * Waits before the next attempt; false if there is to be none.
   *
   * @throws The error of the caller's `backoff`
   * @throws {TypeError} If it returns something other than a number
   */
  async pause(cause: unknown, signal: AbortSignal): Promise<boolean> {
    const { attempts = RECONNECT_ATTEMPTS, backoff = usualPause } = this.#options;
    if (this.#tries >= attempts) return false;
    const pause = await abortable(Promise.try(backoff, ++this.#tries, cause), signal);
    if (typeof pause !== "number" || Number.isNaN(pause)) {
      const message = `resilient.backoff must return milliseconds, not ${shown(pause)}`;
      throw new TypeError(message, { cause });
    }
    await sleep(Math.max(pause, 0), signal);
    return true;
  }

  /** The error after the last attempt. */
  gaveUp(loss: unknown, last: unknown): unknown {
    if (this.#tries === 0) return loss;
    const why = plainMessage(last);
    const tries = `${this.#tries} ${this.#tries === 1 ? "try" : "tries"}`;
    const result = this.#wasMade ? `no new one lasted in ${tries}` : `not made again in ${tries}`;
    const message = `The connection was lost, and ${result}: ${why}`;
    return new ConnectError(message, { cause: last });
  }

  told(state: ClientState, cause: unknown): void {
    tell(this.#options.onState, state, cause);
  }
}

/** Errors after which connecting to the same host again is useless or wrong. */
export function isFinal(error: unknown): boolean {
  // The jump host has ended for good.
  if (error instanceof ClosedError && error.cause !== undefined) return isFinal(error.cause);
  return error instanceof AuthError || error instanceof HostKeyError ||
    error instanceof NegotiationError;
}

/**
 * The delay before an attempt, varied at random, so that the clients of a server do not reconnect all
 * together.
 */
function usualPause(attempt: number): number {
  return Math.min(RECONNECT_MS * 2 ** (attempt - 1), RECONNECT_MAX_MS) * (0.75 + Math.random() / 2);
}
