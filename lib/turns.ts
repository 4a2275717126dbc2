/**
 * Shares the event loop between connections. A loop that a peer can lengthen works for a few
 * milliseconds and then lets the event loop turn: until then no socket is read, and no timer runs.
 */

/** Milliseconds that loops work before the event loop turns: short enough that a login is hardly slower. */
export const TURN_MS = 8;

/**
 * The same while no other connection is active: rests cost, and what a new one sends waits for so
 * long once.
 */
export const LONG_TURN_MS = 32;

/**
 * Milliseconds of its own work that a connection may do in any case, so that sequential requests
 * hardly wait.
 */
const FREE_MS = TURN_MS / 2;

/** What a piece of work costs besides its own time, in milliseconds: packets, answers and promises. */
const PIECE_MS = 1 / 16;

/** What a byte of a request costs, in milliseconds. */
const BYTE_MS = 2e-6;

/** A connection that has waited for its turn counts as busy for this many milliseconds. */
const BUSY_MS = 1000;

/** Others, such as users who log in or type, count as active for this many milliseconds. */
const ACTIVE_MS = 1000;

/**
 * While others are active, a rest lasts until this many milliseconds have passed without a word of
 * them: longer
 * than a client computes between two messages of a login.
 */
const QUIET_MS = 6;

/** A connection is new until it has worked for this many milliseconds: a login takes about five. */
const NEW_WORK_MS = 16;

/**
 * A rest for a new connection, such as one that logs in, may be longer than others: by this many
 * milliseconds for
 * each millisecond of work before it. So a busy connection has a quarter of the time in any case.
 */
const NEW_REST = 2;

/** The most milliseconds by which such a rest is longer: as long as two logins take. */
const MAX_NEW_REST_MS = 48;

/** The clock, and how to let the event loop turn; replaced in tests. */
export interface TurnClock {
  /** Milliseconds. */
  now(): number;
  /** Resolves when all settled promises have been handled. */
  tick(): Promise<void>;
  /** Resolves after about a millisecond, in which the event loop looks at its sockets. */
  rest(): Promise<void>;
}

/** The least part of its buffer that a read may fill: all that was read is handled without a pause. */
const MIN_READ_PART = 1 / 32;

const NOTHING = new Uint8Array(1);

const clock: TurnClock = {
  now: () => performance.now(),
  async tick() {
    await crypto.subtle.digest("SHA-256", NOTHING);
  },
  // A tick will not do: Deno looks at its sockets only when there is nothing else to run, or after 61
  // tasks.
  rest: () => new Promise((resolve) => setTimeout(resolve)),
};

/**
 * Gives connections their turns. While several have much to do, each works for {@linkcode TURN_MS} before
 * the next one does, however many sessions it has. Between two turns is a rest: a millisecond, or as
 * long as
 * a turn while others have a little to do.
 */
export class Turns {
  readonly #clock: TurnClock;
  /** Loops that wait for their turn, by their connection; the connection that is next comes first. */
  readonly #waiting = new Map<Turn, (() => void)[]>();
  #giving = false;
  #rested = -Infinity;
  /** Milliseconds of work since then. */
  #worked = 0;
  /** Milliseconds by which rests for new connections may still be longer. */
  #newRest = MAX_NEW_REST_MS;
  /** The connection that was heard of last of those that are not busy, and when. */
  #speaker: Turn | null = null;
  #heard = -Infinity;
  /** When another one was heard of before. */
  #heardBefore = -Infinity;

  constructor(source: TurnClock = clock) {
    this.#clock = source;
  }

  /** The time. */
  now(): number {
    return this.#clock.now();
  }

  /** A connection that is not busy has sent something. */
  heard(turn: Turn): void {
    if (turn !== this.#speaker) {
      this.#speaker = turn;
      this.#heardBefore = this.#heard;
    }
    this.#heard = this.#clock.now();
  }

  /** When another connection was heard of than this one. */
  #heardOthers(turn: Turn): number {
    return turn === this.#speaker ? this.#heardBefore : this.#heard;
  }

  /** Whether a connection's turn is over, as far as the time is concerned. */
  isLong(turn: Turn, now: number): boolean {
    const isAlone = now - this.#heardOthers(turn) > ACTIVE_MS &&
      this.#waiting.size === (this.#waiting.has(turn) ? 1 : 0);
    return now - this.#rested >= (isAlone ? LONG_TURN_MS : TURN_MS);
  }

  /** Whether there is more to do than one connection's little. */
  get isBusy(): boolean {
    return this.#worked >= TURN_MS || this.#waiting.size > 0;
  }

  /** Records the milliseconds that a connection has worked. */
  add(worked: number): void {
    this.#worked += worked;
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
      // One that had little to do leaves the rest of its turn to the next one.
      if (this.#clock.now() - this.#rested >= TURN_MS) {
        await this.#rest(turn);
        this.#rested = this.#clock.now();
        this.#worked = 0;
      }
      this.#waiting.delete(turn);
      const wake = loops.shift()!;
      if (loops.length > 0) this.#waiting.set(turn, loops);
      wake();
      // Otherwise the next one would be woken, or a rest be over, before this one has worked.
      if (this.#waiting.size > 0) await this.#clock.tick();
    }
    this.#giving = false;
  }

  /** Lets the event loop turn: until others are quiet if there are any, or for a turn. */
  async #rest(turn: Turn): Promise<void> {
    this.#newRest = Math.min(this.#newRest + NEW_REST * this.#worked, MAX_NEW_REST_MS);
    const end = this.#clock.now() + TURN_MS;
    let now: number;
    do {
      await this.#clock.rest();
      now = this.#clock.now();
    } while (
      now - this.#heardOthers(turn) < QUIET_MS &&
      (now < end || this.#speaker!.isNew && now < end + this.#newRest)
    );
    this.#newRest -= Math.max(now - end, 0);
  }
}

const everyone = new Turns();

/** The turn of one connection, for all loops that work for it, such as those of its sessions. */
export class Turn {
  readonly #turns: Turns;
  #began = 0;
  #waited = -Infinity;
  /** Milliseconds of work since it waited. */
  #worked = 0;
  /** Milliseconds of work ever. */
  #total = 0;
  #readBegan = 0;
  /** Milliseconds of work on the packets of this read, before a rest. */
  #readWork = 0;
  #readPart = 1;

  constructor(turns: Turns = everyone) {
    this.#turns = turns;
  }

  /** Whether it has done little work yet. */
  get isNew(): boolean {
    return this.#total < NEW_WORK_MS;
  }

  /** The peer is there. */
  heard(): void {
    if (this.#turns.now() - this.#waited > BUSY_MS) this.#turns.heard(this);
  }

  /** The part of its buffer that the next read may fill: a small one if the packets of a read take long. */
  get readPart(): number {
    return this.#readPart;
  }

  /** Something was read of the peer, whose packets are handled next. */
  readBegins(): void {
    this.heard();
    this.#readBegan = this.#turns.now();
  }

  /** Nothing is done for the connection until the next packet is handled. */
  readRests(): void {
    this.#readWork += this.#turns.now() - this.#readBegan;
  }

  /**
   * The packets of a read have been handled. The next read waits for the connection's turn if it is busy: a
   * socket that always has something to read would keep the event loop from looking at others.
   */
  readEnds(): Promise<void> | null {
    const now = this.#turns.now();
    const worked = this.#readWork + now - this.#readBegan;
    this.#readWork = 0;
    this.#add(worked);
    const part = worked > FREE_MS ? this.#readPart / 2 : this.#readPart * 2;
    this.#readPart = Math.min(Math.max(part, MIN_READ_PART), 1);
    return this.#worked >= FREE_MS && this.#turns.isLong(this, now) ? this.#next() : null;
  }

  /** Begins a piece of work: null while the turn lasts, otherwise a promise of the next one. */
  begin(): Promise<void> | null {
    this.#began = this.#turns.now();
    if (!this.#turns.isLong(this, this.#began)) return null;
    return this.#worked >= FREE_MS || this.#turns.isBusy ? this.#next() : null;
  }

  /**
   * Ends a piece of work.
   *
   * @param bytes Of what it worked on, if they are much for so little work: they have been decrypted
   */
  end(bytes = 0): void {
    const now = this.#turns.now();
    const worked = now - this.#began + PIECE_MS + bytes * BYTE_MS;
    this.#add(worked);
    this.#began = now;
  }

  #add(worked: number): void {
    this.#turns.add(worked);
    this.#worked += worked;
    this.#total += worked;
  }

  async #next(): Promise<void> {
    this.#waited = this.#turns.now();
    await this.#turns.wait(this);
    this.#worked = 0;
    this.#began = this.#waited = this.#turns.now();
  }
}
