import { listsAddress, networkOf } from "../auth/address_list.ts";
import { MAX_PENALIZED_SOURCES } from "../defaults.ts";

/**
 * How long a source of connections is kept out for what its connections did, in milliseconds, as
 * sshd's PerSourcePenalties. Penalties add up, and nothing is refused while they come to less than
 * `min`: who mistypes a password is not locked out, who guesses is. A source is an IPv4 address or the
 * first 64 bits of an IPv6 address.
 */
export interface PenaltyOptions {
  /** For a connection that tried to log in and could not; 5,000 unless given. */
  readonly authFail?: number;
  /** For a connection that never tried; 1,000 unless given. */
  readonly noAuth?: number;
  /** For a connection that took longer than `loginGraceTime`; 10,000 unless given. */
  readonly graceExceeded?: number;
  /** What penalties must come to before connections are refused; 15,000 unless given. */
  readonly min?: number;
  /** What they come to at most; 600,000 unless given. */
  readonly max?: number;
  /** Addresses that get no penalties: wildcards, `address/bits` and exceptions with `!`, by commas. */
  readonly exempt?: string;
}

/** How a connection ended before anybody was logged in. */
export type Offence = "authFail" | "noAuth" | "graceExceeded";

const USUAL: Required<Omit<PenaltyOptions, "exempt">> = {
  authFail: 5_000,
  noAuth: 1_000,
  graceExceeded: 10_000,
  min: 15_000,
  max: 600_000,
};

/** Which sources are kept out, and until when. */
export class Penalties {
  readonly #options: typeof USUAL;
  readonly #exempt: string | undefined;
  /** When each source has done its time, and whether it is kept out until then. */
  readonly #sources = new Map<string, { until: number; refused: boolean }>();

  constructor({ exempt, ...options }: PenaltyOptions = {}) {
    this.#options = { ...USUAL, ...options };
    this.#exempt = exempt;
  }

  /** Whether a newcomer from the address is refused. */
  refuses(address: string, now: number = Date.now()): boolean {
    const source = this.#sources.get(networkOf(address));
    return source !== undefined && source.refused && source.until > now;
  }

  /** Remembers what a connection did. */
  add(address: string, offence: Offence, now: number = Date.now()): void {
    if (this.#exempt !== undefined && listsAddress(this.#exempt, address)) return;
    const { min, max } = this.#options;
    const name = networkOf(address);
    const before = this.#sources.get(name);
    const served = before === undefined || before.until <= now;
    const until = Math.min(now + max, (served ? now : before.until) + this.#options[offence]);
    // Once kept out, a source stays out until its time is up.
    const refused = (!served && before.refused) || until - now >= min;
    this.#sources.delete(name);
    this.#sources.set(name, { until, refused });
    if (this.#sources.size > MAX_PENALIZED_SOURCES) this.#forget(now);
  }

  /** Those whose time is up, and whoever has been quiet for longest. */
  #forget(now: number): void {
    for (const [name, { until }] of this.#sources) if (until <= now) this.#sources.delete(name);
    const [oldest] = this.#sources.keys();
    if (this.#sources.size > MAX_PENALIZED_SOURCES) this.#sources.delete(oldest!);
  }
}
