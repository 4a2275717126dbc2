import { networkOf } from "../auth/address_list.ts";
import { MAX_STARTUPS } from "../defaults.ts";
import type { ServeOptions } from "./options.ts";

/** Counts connections before login: sshd's MaxStartups and PerSourceMaxStartups. */
export class Startups {
  readonly #limits: NonNullable<ServeOptions["maxStartups"]>;
  readonly #perSource: number;
  readonly #sources = new Map<string, number>();
  #count = 0;

  constructor(
    { maxStartups, maxStartupsPerSource = Infinity }: Pick<
      ServeOptions,
      "maxStartups" | "maxStartupsPerSource"
    >,
  ) {
    const { begin = MAX_STARTUPS.begin, rate = MAX_STARTUPS.rate, full = MAX_STARTUPS.full } =
      maxStartups ?? MAX_STARTUPS;
    this.#limits = { begin, rate, full };
    this.#perSource = maxStartupsPerSource;
  }

  /** Sources with connections before login. */
  get sources(): number {
    return this.#sources.size;
  }

  /**
   * Counts a connection from an address until the result is disposed of; null if there are too many.
   */
  admit(address: string): Disposable | null {
    const source = networkOf(address);
    const count = this.#sources.get(source) ?? 0;
    if (count >= this.#perSource || this.#isDropped()) return null;
    this.#count++;
    this.#sources.set(source, count + 1);
    return { [Symbol.dispose]: () => this.#leave(source) };
  }

  #leave(source: string): void {
    this.#count--;
    const left = this.#sources.get(source)! - 1;
    if (left > 0) this.#sources.set(source, left);
    else this.#sources.delete(source);
  }

  /** From `begin`, a growing share of new connections is dropped at random. */
  #isDropped(): boolean {
    const { begin, rate, full } = this.#limits;
    if (this.#count < begin) return false;
    if (this.#count >= full) return true;
    const percent = rate + (100 - rate) * (this.#count - begin) / (full - begin);
    return Math.random() * 100 < percent;
  }
}
