import { addressBits, listsAddress, networkOf } from "../auth/address_list.ts";
import { MAX_PENALIZED_SOURCES } from "../defaults.ts";

/**
 * How long a source of connections is refused after failures, in milliseconds, as with sshd's
 * PerSourcePenalties. Penalties add up, and nothing is refused while the sum is less than `min`: a
 * user who mistypes a password is not locked out, but a guesser is. A source is an address, and for
 * IPv6 also the network of its first 64 bits, which is refused from four times `min` on: an attacker
 * has all addresses of a network, but so has an office.
 */
export interface PenaltyOptions {
  /** For a connection with only failed login attempts; 5,000 by default. */
  readonly authFail?: number;
  /** For a connection that tried an unknown user, according to `auth.isUser`; 5,000 by default. */
  readonly invalidUser?: number;
  /** For a connection without a login attempt; 1,000 by default. */
  readonly noAuth?: number;
  /** For a connection that took longer than `loginGraceTime`; 10,000 by default. */
  readonly graceExceeded?: number;
  /** The sum of penalties at which connections are refused; 15,000 by default. */
  readonly min?: number;
  /** The maximum sum; 600,000 by default. */
  readonly max?: number;
  /**
   * Addresses without penalties: wildcards, `address/bits` and exceptions with `!`, separated by
   * commas.
   */
  readonly exempt?: string;
}

/** How a connection ended before the login. */
export type Offence = "authFail" | "invalidUser" | "noAuth" | "graceExceeded";

const USUAL: Required<Omit<PenaltyOptions, "exempt">> = {
  authFail: 5_000,
  invalidUser: 5_000,
  noAuth: 1_000,
  graceExceeded: 10_000,
  min: 15_000,
  max: 600_000,
};

/** The factor between the limits of a network and of an address. */
const NETWORK_FACTOR = 4;

/** Entries to examine to make room for a new one. */
const OLDEST = 8;

/** A source with penalties: when they end, and whether it is refused until then. */
interface Penalized {
  until: number;
  refused: boolean;
  /** Whether the refusal was reported. */
  told: boolean;
}

/** The refused sources and when their refusal ends; each look-up and entry takes constant time. */
export class Penalties {
  readonly #options: typeof USUAL;
  readonly #exempt: string | undefined;
  readonly #v4 = new Map<string, Penalized>();
  readonly #v6 = new Map<string, Penalized>();

  constructor({ exempt, ...options }: PenaltyOptions = {}) {
    // An undefined option counts as not given.
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...USUAL, ...Object.fromEntries(given) };
    this.#exempt = exempt;
  }

  /** Whether a new connection from the address is refused. */
  refuses(address: string, now: number = Date.now()): boolean {
    return this.#refusal(address, now) !== undefined;
  }

  /** Milliseconds for which an address is refused, returned once per refusal; null afterwards. */
  untold(address: string, now: number = Date.now()): number | null {
    const refusal = this.#refusal(address, now);
    if (refusal === undefined || refusal.told) return null;
    refusal.told = true;
    return refusal.until - now;
  }

  #refusal(address: string, now: number): Penalized | undefined {
    const { table, names } = this.#place(address);
    return names.map((name) => table.get(name))
      .find((source) => source !== undefined && source.refused && source.until > now);
  }

  /** The entries of an address and its network, in this order. */
  #place(address: string): { table: Map<string, Penalized>; names: string[] } {
    const [own, network] = [addressBits(address), networkOf(address)];
    return own === network
      ? { table: this.#v4, names: [own] }
      : { table: this.#v6, names: [own, network] };
  }

  /** Records how a connection ended. */
  add(address: string, offence: Offence, now: number = Date.now()): void {
    if (this.#exempt !== undefined && listsAddress(this.#exempt, address)) return;
    const { table, names } = this.#place(address);
    const { min, max } = this.#options;
    for (const [at, name] of names.entries()) {
      const before = table.get(name);
      const served = before === undefined || before.until <= now;
      const until = Math.min(now + max, (served ? now : before.until) + this.#options[offence]);
      // A refused source stays refused until its penalties end.
      const isOut = !served && before.refused;
      const least = at === 0 ? min : Math.min(max, min * NETWORK_FACTOR);
      const refused = isOut || until - now >= least;
      table.delete(name);
      table.set(name, { until, refused, told: isOut && before.told });
      if (table.size > MAX_PENALIZED_SOURCES) forget(table, now);
    }
  }
}

/** Makes room: removes the entry that was unchanged for longest, and expired ones next to it. */
function forget(table: Map<string, Penalized>, now: number): void {
  const oldest = [...table.entries().take(OLDEST)];
  const over = oldest.filter(([, { until }]) => until <= now);
  for (const [name] of over.length > 0 ? over : oldest.slice(0, 1)) table.delete(name);
}
