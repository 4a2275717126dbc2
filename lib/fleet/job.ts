import { Condition, onAbort } from "../waiting.ts";
import { attempt, type HostWork } from "./attempts.ts";
import type { FleetOptions } from "./options.ts";
import { FleetReport, type FleetResult } from "./result.ts";
import { FLEET_CONCURRENCY } from "../defaults.ts";

/**
 * Work on every host of a fleet. Awaiting it starts the work and returns a report of all hosts;
 * iterating over it yields the result of each host as soon as it ends. Leaving the loop early cancels
 * the rest. A slow loop delays the work, so that at most `concurrency` results are in memory. With a
 * concurrency of 1, a host is started only after the loop has handled the previous result.
 *
 * @example
 * ```ts
 * import { fleet } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pairs = new AsyncDisposableStack();
 * const connect = async () =>
 *   pairs.use(await connectedPair({ handler: (it) => it.print("up") })).host;
 * const hosts = fleet(["web1", "web2"], { connect });
 *
 * const ended: string[] = [];
 * for await (const { host, success } of hosts.run("uptime")) {
 *   if (success) ended.push(host);
 * }
 * assertEquals(ended.sort(), ["web1", "web2"]);
 *
 * const report = await hosts.run("uptime");
 * assertEquals([report.success, report.failed], [true, []]);
 * ```
 */
export class FleetJob<T> implements AsyncIterable<FleetResult<T>>, PromiseLike<FleetReport<T>> {
  readonly #works: readonly Omit<HostWork<T>, "signal">[];
  readonly #options: FleetOptions;
  readonly #signal: AbortSignal | undefined;
  #report: Promise<FleetReport<T>> | null = null;
  #begun = false;

  /**
   * Jobs come from the methods of a fleet, not from a constructor.
   *
   * @ignore
   */
  constructor(
    works: readonly Omit<HostWork<T>, "signal">[],
    options: FleetOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#works = works;
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * Does the work and reports on every host, in the order of the hosts. It does not reject if hosts
   * fail.
   */
  then<R = FleetReport<T>, E = never>(
    done?: ((report: FleetReport<T>) => R | PromiseLike<R>) | null,
    failed?: ((error: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    this.#report ??= this.#collect();
    return this.#report.then(done, failed);
  }

  /**
   * Does the work and yields the result of each host as soon as it ends.
   *
   * @throws {TypeError} If the job has already been started
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<FleetResult<T>, void> {
    if (this.#begun) {
      throw new TypeError("The job has been started already: make another one, or keep its report");
    }
    this.#begun = true;
    const { concurrency = FLEET_CONCURRENCY, signal } = this.#options;
    const cancel = new AbortController();
    using _all = onAbort(signal, (reason) => cancel.abort(reason));
    using _own = onAbort(this.#signal, (reason) => cancel.abort(reason));
    const ended: FleetResult<T>[] = [];
    const change = new Condition();
    const waiting = this.#works.values();
    const running = new Set<Promise<void>>();
    const begin = (work: Omit<HostWork<T>, "signal">) => {
      const one = attempt({ ...work, signal: cancel.signal }, this.#options).then((result) => {
        running.delete(one);
        ended.push(result);
        change.notify();
      });
      running.add(one);
    };
    try {
      for (let next = waiting.next();;) {
        while (!next.done && running.size + ended.length < concurrency) {
          begin(next.value);
          next = waiting.next();
        }
        const result = ended.shift();
        if (result !== undefined) yield result;
        else if (running.size > 0) await change.wait();
        else return;
      }
    } finally {
      cancel.abort(new DOMException("The loop over the results was left", "AbortError"));
      await Promise.all(running);
    }
  }

  async #collect(): Promise<FleetReport<T>> {
    const places = new Map(this.#works.map(({ host }, at) => [host, at]));
    const results: FleetResult<T>[] = new Array(places.size);
    for await (const result of this) results[places.get(result.host)!] = result;
    return new FleetReport(results);
  }
}
