import type { Channel } from "../connection/channel.ts";
import { SESSION_QUEUE_MS } from "../defaults.ts";
import { ChannelOpenError } from "../errors.ts";
import { type CallOptions, Condition, limitOf, sleep } from "../waiting.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";

/** How long a server may still count a session that has ended, in milliseconds. */
const SETTLING_MS = 1_000;
/** The delay before a refused session is requested again, in milliseconds; it doubles up to the longest. */
const RETRY_MS = 10;
const MAX_RETRY_MS = 100;

/**
 * Opens sessions on a server that limits them (sshd's MaxSessions, 10 unless configured). A session that is
 * refused while others are open waits until one of them ends, in the order of requests. If it is refused
 * just after another one ended, it is requested again, because servers update their count with a delay.
 */
export class SessionQueue {
  readonly #ask: (options: CallOptions) => Promise<Channel>;
  /** Waiting callers, in their order; only the first may request a session. */
  readonly #waiting: Condition[] = [];
  /** For each spare session, a function that asks it to end. */
  readonly #spare: Set<() => void> = new Set();
  #open = 0;
  #opening = 0;
  /** The most sessions that the server allows, as far as known from refusals. */
  #limit = Infinity;
  #refusal: ChannelOpenError | null = null;
  #lastEnd = -Infinity;

  /** @param ask Requests a session from the server */
  constructor(ask: (options: CallOptions) => Promise<Channel>) {
    this.#ask = ask;
  }

  /**
   * Opens a session.
   *
   * @throws {ChannelOpenError} If the server refuses it while no other is open, or if the caller gave no
   *   signal and none ends within a minute
   */
  async open(options: CallOptions = {}): Promise<Channel> {
    if (this.#waiting.length === 0 && this.#hasRoom) {
      const answer = await this.#attempt(options);
      if (!(answer instanceof ChannelOpenError)) return answer;
    }
    const place = new Condition();
    this.#waiting.push(place);
    this.#giveWay();
    try {
      return await this.#openInTurn(place, options);
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(place), 1);
      this.#waiting[0]?.notify();
    }
  }

  /**
   * Opens a spare session, which the caller does not depend on; null if the server has no room for it now.
   *
   * @param giveWay Called when another caller waits for a session, so that this one must be closed
   * @throws {ChannelOpenError} If the server refuses it for a reason other than the number of sessions
   */
  async openSpare(giveWay: () => void, options: CallOptions = {}): Promise<Channel | null> {
    if (this.#waiting.length > 0 || !this.#hasRoom) return null;
    const answer = await this.#attempt(options);
    if (answer instanceof ChannelOpenError) return null;
    this.#spare.add(giveWay);
    answer.closed.catch(() => {}).then(() => void this.#spare.delete(giveWay));
    if (this.#waiting.length > 0) this.#giveWay();
    return answer;
  }

  /** Asks one of the spare sessions to end. */
  #giveWay(): void {
    const [giveWay] = this.#spare;
    if (giveWay === undefined) return;
    this.#spare.delete(giveWay);
    giveWay();
  }

  async #openInTurn(place: Condition, options: CallOptions): Promise<Channel> {
    const timeout = options.signal === undefined ? SESSION_QUEUE_MS : null;
    using limit = limitOf(options, timeout, () => this.#full());
    for (let pause = RETRY_MS;; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      while (this.#waiting[0] !== place || !(this.#hasRoom || this.#isSettling)) {
        await place.wait(limit);
      }
      const answer = await this.#attempt(options);
      if (!(answer instanceof ChannelOpenError)) return answer;
      if (this.#isSettling) await sleep(pause, options.signal);
    }
  }

  get #hasRoom(): boolean {
    return this.#open + this.#opening < this.#limit;
  }

  /** Whether the server may still count a session that has ended. */
  get #isSettling(): boolean {
    return performance.now() - this.#lastEnd < SETTLING_MS;
  }

  /** Requests a session once; resolves to the refusal if the number of sessions may be the reason. */
  async #attempt(options: CallOptions): Promise<Channel | ChannelOpenError> {
    this.#opening++;
    let channel: Channel;
    try {
      channel = await this.#ask(options);
    } catch (error) {
      const isCount = error instanceof ChannelOpenError &&
        error.reason !== OPEN_FAILURE.UNKNOWN_CHANNEL_TYPE;
      const others = this.#open + this.#opening - 1;
      if (!isCount || (others === 0 && !this.#isSettling)) throw error;
      this.#limit = Math.max(this.#open, 1);
      return this.#refusal = error;
    } finally {
      this.#opening--;
    }
    this.#open++;
    this.#limit = Math.max(this.#limit, this.#open);
    channel.closed.catch(() => {}).then(() => {
      this.#open--;
      this.#lastEnd = performance.now();
      this.#waiting[0]?.notify();
    });
    return channel;
  }

  #full(): ChannelOpenError {
    return new ChannelOpenError(
      this.#refusal?.reason ?? OPEN_FAILURE.RESOURCE_SHORTAGE,
      `The server allows ${this.#limit} parallel sessions on a connection (MaxSessions), and none of them ` +
        `has ended for ${SESSION_QUEUE_MS / 1000} seconds: close one, or open another connection`,
      { cause: this.#refusal },
    );
  }
}
