import { runtime } from "../../runtime/runtime.ts";
import { refuse } from "../protocol/status.ts";

/** The share of the process's descriptors that is left to everything else, such as connections. */
const RESERVE = 1 / 4;

/** Counts descriptors of files that are served, so that some are left to accept connections with. */
export class Descriptors {
  static #own: Descriptors | null = null;
  readonly #most: number;
  #taken = 0;

  /** @param limit How many the process may have, those for other purposes included */
  constructor(limit: number) {
    this.#most = Math.floor(limit * (1 - RESERVE));
  }

  /** Those of this process; any number if the limit cannot be read. */
  static ofProcess(): Descriptors {
    return this.#own ??= new Descriptors(limitOfProcess() ?? Infinity);
  }

  /**
   * Counts descriptors until the result is disposed of.
   *
   * @throws {SftpError} If that would leave too few
   */
  take(count: number): Disposable {
    if (this.#taken + count > this.#most) refuse("Too many open files");
    this.#taken += count;
    return { [Symbol.dispose]: () => void (this.#taken -= count) };
  }
}

/** The soft limit on Linux, proc(5); null where it cannot be read. */
function limitOfProcess(): number | null {
  const path = "/proc/self/limits";
  if (runtime.os !== "linux" || !runtime.isGranted({ name: "read", path })) return null;
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(runtime.files.readTextFileSync(path)) ?? [];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null; // Deno reads there only with all permissions
  }
}
