/**
 * Shares the event loop between connections. A loop whose length depends on a peer works for a few
 * milliseconds and then yields to the event loop, because in between no socket is read and no timer runs.
 */

/** Milliseconds of work before yielding: so short that a login is hardly slower. */
export const TURN_MS = 8;

/**
 * The same while no other connection is active. It is longer because yielding costs time; a new connection
 * waits this long only once.
 */
export const LONG_TURN_MS = 32;

/**
 * Milliseconds of work that a connection may always do, so that sequential requests hardly wait.
 */
const FREE_MS = TURN_MS / 2;

/** The cost of a piece of work besides its measured time, in milliseconds: packets, answers and promises. */
const PIECE_MS = 1 / 16;

/** The cost of a byte of a request, in milliseconds. */
const BYTE_MS = 2e-6;

/** For this many milliseconds after waiting for its turn, a connection counts as busy. */
const BUSY_MS = 1000;

/**
 * For this many milliseconds after sending something, other connections count as active: users who log in
 * or type.
 */
const ACTIVE_MS = 1000;

/**
 * While others are active, a rest lasts until they have sent nothing for this many milliseconds: longer
 * than a client computes between two messages of a login.
 */
const QUIET_MS = 6;

/** A connection is new until it has worked for this many milliseconds: a login takes about five. */
const NEW_WORK_MS = 16;

/**
 * A rest for a new connection, such as one that logs in, may be longer: by this many milliseconds for each
 * millisecond of work before it. So a busy connection always has at least a quarter of the time.
 */
const NEW_REST = 2;

/** The most milliseconds by which such a rest may be longer: the time of two logins. */
const MAX_NEW_REST_MS = 48;

/** The clock and the ways to yield to the event loop; replaced in tests. */
export interface TurnClock {
  /** The time in milliseconds. */
  now(): number;
  /** Resolves when all settled promises have been handled. */
  tick(): Promise<void>;
  /**
   * Resolves after about a millisecond, during which the event loop polls its sockets, or immediately when
   * `cut` resolves. Leaves no timer.
   */
  rest(cut: Promise<void>): Promise<void>;
}

/** The least part of its buffer that a read may fill. The packets of one read are handled without a pause. */
const MIN_READ_PART = 1 / 32;

const NOTHING = new Uint8Array(1);

const clock: TurnClock = {
  now: () => performance.now(),
  async tick() {
    await crypto.subtle.digest("SHA-256", NOTHING);
  },
  // A tick is not enough: Deno polls its sockets only when there is nothing else to run, or after 61 tasks.
  async rest(cut) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve);
    await Promise.race([promise, cut]);
    clearTimeout(timer);
  },
};

/**
 * Gives connections their turns. While several are busy, each works for {@linkcode TURN_MS} in turn,
 * however many sessions it has. Between two turns is a rest, in which the event loop runs: a millisecond,
 * or up to the length of a turn while others have small requests.
 */
export class Turns {
  readonly #clock: TurnClock;
  /** Loops that wait for their turn, by connection; the next connection is first. */
  readonly #waiting = new Map<Turn, (() => void)[]>();
  #giving = false;
  /** Ends the rest under way, because no loop waits any more. */
  #cut: () => void = () => {};
  #rested = -Infinity;
  /** Milliseconds of work since the last rest. */
  #worked = 0;
  /** Milliseconds left by which rests for new connections may be longer. */
  #newRest = MAX_NEW_REST_MS;
  /** The connection that sent something last, among those that are not busy, and when. */
  #speaker: Turn | null = null;
  #heard = -Infinity;
  /** When another one sent something before. */
  #heardBefore = -Infinity;

  constructor(source: TurnClock = clock) {
    this.#clock = source;
  }

  /** The current time, in milliseconds. */
  now(): number {
    return this.#clock.now();
  }

  /** Records that a connection that is not busy has sent something. */
  heard(turn: Turn): void {
    if (turn !== this.#speaker) {
      this.#speaker = turn;
      this.#heardBefore = this.#heard;
    }
    this.#heard = this.#clock.now();
  }

  /** When a connection other than this one last sent something. */
  #heardOthers(turn: Turn): number {
    return turn === this.#speaker ? this.#heardBefore : this.#heard;
  }

  /** Whether the time of a connection's turn is over. */
  isLong(turn: Turn, now: number): boolean {
    const isAlone = now - this.#heardOthers(turn) > ACTIVE_MS &&
      this.#waiting.size === (this.#waiting.has(turn) ? 1 : 0);
    return now - this.#rested >= (isAlone ? LONG_TURN_MS : TURN_MS);
  }

  /** Whether there is more work than the small requests of one connection. */
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

  /** Stops waiting for a connection that has ended: wakes its loops, which have nothing left to do. */
  leave(turn: Turn): void {
    const loops = this.#waiting.get(turn) ?? [];
    this.#waiting.delete(turn);
    for (const wake of loops) wake();
    if (this.#waiting.size === 0) this.#cut();
  }

  /** Wakes one loop after the other, until none waits. */
  async #give(): Promise<void> {
    this.#giving = true;
    // A connection that is added again comes last, also in this iteration.
    for (const turn of this.#waiting.keys()) {
      // A connection that had little to do leaves the rest of its turn to the next one.
      if (this.#clock.now() - this.#rested >= TURN_MS) {
        await this.#rest(turn);
        if (!this.#waiting.has(turn)) continue; // its connection has ended
        this.#rested = this.#clock.now();
        this.#worked = 0;
      }
      const loops = this.#waiting.get(turn)!;
      this.#waiting.delete(turn);
      const wake = loops.shift()!;
      if (loops.length > 0) this.#waiting.set(turn, loops);
      wake();
      // Lets this one work before the next one is woken or a rest begins.
      if (this.#waiting.size > 0) await this.#clock.tick();
    }
    this.#giving = false;
  }

  /** Lets the event loop run: until others are quiet, but at most for a turn (longer for new ones). */
  async #rest(turn: Turn): Promise<void> {
    this.#newRest = Math.min(this.#newRest + NEW_REST * this.#worked, MAX_NEW_REST_MS);
    const end = this.#clock.now() + TURN_MS;
    let now: number;
    do {
      const cut = Promise.withResolvers<void>();
      this.#cut = cut.resolve;
      await this.#clock.rest(cut.promise);
      now = this.#clock.now();
    } while (
      this.#waiting.has(turn) && now - this.#heardOthers(turn) < QUIET_MS &&
      (now < end || this.#speaker!.isNew && now < end + this.#newRest)
    );
    this.#newRest -= Math.max(now - end, 0);
  }
}

const everyone = new Turns();

/** The turn of one connection, shared by all loops that work for it, such as those of its sessions. */
export class Turn {
  readonly #turns: Turns;
  #began = 0;
  #waited = -Infinity;
  /** Milliseconds of work since it waited. */
  #worked = 0;
  /** Milliseconds of work in total. */
  #total = 0;
  #readBegan = 0;
  /** Milliseconds of work on the packets of this read, before a rest. */
  #readWork = 0;
  #readPart = 1;

  constructor(turns: Turns = everyone) {
    this.#turns = turns;
  }

  /** Whether it has done little work so far. */
  get isNew(): boolean {
    return this.#total < NEW_WORK_MS;
  }

  /** Records that the peer has sent something. */
  heard(): void {
    if (this.#turns.now() - this.#waited > BUSY_MS) this.#turns.heard(this);
  }

  /** The part of its buffer that the next read may fill: small if the packets of a read take long. */
  get readPart(): number {
    return this.#readPart;
  }

  /** Records that bytes were read, whose packets are handled next. */
  readBegins(): void {
    this.heard();
    this.#readBegan = this.#turns.now();
  }

  /** Records that the connection does no work until its next packet is handled. */
  readRests(): void {
    this.#readWork += this.#turns.now() - this.#readBegan;
  }

  /**
   * Records that the packets of a read are handled. If the connection is busy, returns a promise of its
   * next turn, to await before the next read: a socket that always has data would keep the event loop from
   * polling others.
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
   * @param bytes The bytes of the request, if it was long but quickly done, to count their decryption
   */
  end(bytes = 0): void {
    const now = this.#turns.now();
    const worked = now - this.#began + PIECE_MS + bytes * BYTE_MS;
    this.#add(worked);
    this.#began = now;
  }

  /** Stops waiting, because the connection has ended. */
  leave(): void {
    this.#turns.leave(this);
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
