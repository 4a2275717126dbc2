import { runtime } from "../../runtime/runtime.ts";
import { refuse } from "../protocol/status.ts";

/** The share of the process's descriptors reserved for other things, such as connections. */
const RESERVE = 1 / 4;

/** Counts the descriptors of served files, so that some remain for new connections. */
export class Descriptors {
  static #own: Descriptors | null = null;
  readonly #most: number;
  #taken = 0;

  /** @param limit The most descriptors of the process */
  constructor(limit: number) {
    this.#most = Math.floor(limit * (1 - RESERVE));
  }

  /** The count of this process; unlimited if the limit cannot be read. */
  static ofProcess(): Descriptors {
    return this.#own ??= new Descriptors(limitOfProcess() ?? Infinity);
  }

  /**
   * Counts descriptors until the result is disposed of.
   *
   * @throws {SftpError} If too few would remain
   */
  take(count: number): Disposable {
    if (this.#taken + count > this.#most) refuse("Too many open files");
    this.#taken += count;
    return { [Symbol.dispose]: () => void (this.#taken -= count) };
  }
}

/** The soft limit on Linux, proc(5); null where it cannot be read. It never asks for permission. */
export function limitOfProcess(): number | null {
  const path = "/proc/self/limits";
  if (!runtime.isGranted({ name: "read", path })) return null;
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(runtime.files.readTextFileSync(path)) ?? [];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null; // Deno reads there only with all permissions
  }
}
