/**
 * The event loop, shared between connections. A loop that a peer can lengthen works for a few milliseconds
 * and then lets the event loop turn: until then no socket is read, and no timer runs.
 */

/**
 * Milliseconds that a loop works for a peer before the event loop turns: so little that a login of six round
 * trips is hardly slower, and a hundred times as much as a turn costs.
 */
export const TURN_MS = 5;

/** The time, and how the event loop is made to turn; tests have their own. */
export interface TurnClock {
  /** Milliseconds. */
  now(): number;
  /** Resolves after the event loop has looked at its sockets and timers. */
  rest(): Promise<void>;
}

const NOTHING = new Uint8Array(1);

const clock: TurnClock = {
  now: () => performance.now(),
  async rest() {
    // Neither a promise nor `setImmediate` will do: Deno looks at its sockets only when there is nothing else
    // to run, or after 61 tasks. While another thread computes a hash, there is nothing else to run.
    await crypto.subtle.digest("SHA-256", NOTHING);
  },
};

/**
 * Gives connections their turns. While several have work to do, each works for {@linkcode TURN_MS} before
 * the next one does, however many sessions it has.
 */
export class Turns {
  readonly #clock: TurnClock;
  /** Loops that wait for their turn, by their connection; the connection that is next comes first. */
  readonly #waiting = new Map<Turn, (() => void)[]>();
  #giving = false;
  /** When the event loop was last known to turn. */
  #rested = -Infinity;

  constructor(source: TurnClock = clock) {
    this.#clock = source;
  }

  /** Whether the event loop has turned a moment ago. */
  get fresh(): boolean {
    return this.#clock.now() - this.#rested < TURN_MS;
  }

  /** Resolves when it is the connection's turn. */
  wait(turn: Turn): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const loops = this.#waiting.get(turn);
    if (loops) loops.push(resolve);
    else this.#waiting.set(turn, [resolve]);
    if (!this.#giving) this.#give();
    return promise;
  }

  /** Wakes one loop after the other, until none waits. */
  async #give(): Promise<void> {
    this.#giving = true;
    // A connection that is put back comes last, also in this iteration.
    for (const [turn, loops] of this.#waiting) {
      await this.#clock.rest();
      this.#rested = this.#clock.now();
      this.#waiting.delete(turn);
      const wake = loops.shift()!;
      if (loops.length > 0) this.#waiting.set(turn, loops);
      wake();
      // That loop works while this rest is under way; before the next loop comes a rest without work.
      if (this.#waiting.size > 0) await this.#clock.rest();
    }
    this.#giving = false;
  }
}

const everyone = new Turns();

/** The turn of one connection, for all loops that work for it, such as those of its sessions. */
export class Turn {
  readonly #turns: Turns;

  constructor(turns: Turns = everyone) {
    this.#turns = turns;
  }

  /** Asked between two pieces of work: null while the turn lasts, then a promise of the next one. */
  over(): Promise<void> | null {
    return this.#turns.fresh ? null : this.#turns.wait(this);
  }
}
