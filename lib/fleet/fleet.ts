import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import { parseTarget } from "../client/options.ts";
import { FLEET_CONCURRENCY, RESILIENT_KEEPALIVE_MS } from "../defaults.ts";
import type { TransferResult } from "../sftp/transfer/progress.ts";
import type { FleetContext, HostWork } from "./attempts.ts";
import { FleetJob } from "./job.ts";
import { checkFleet, type FleetHost, type FleetJobOptions, type FleetOptions } from "./options.ts";
import { commandRunner, type FleetRunOptions } from "./run.ts";
import {
  type FleetSource,
  type FleetTarget,
  type FleetTransferOptions,
  getter,
  putter,
} from "./transfers.ts";

/**
 * Does the same work on many hosts: several in parallel, each with its own connection, which is closed
 * when its work ends. A host that fails gives a result like the others.
 *
 * @example
 * ```ts
 * import { fleet } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * // Leave out `connect` to log in as `ssh` does, or give its options.
 * await using pairs = new AsyncDisposableStack();
 * const connect = async () =>
 *   pairs.use(await connectedPair({ handler: (it) => it.print("up") })).host;
 * const hosts = fleet(["web1", "web2"], { connect, concurrency: 10 });
 * const { succeeded } = await hosts.forEach(async (host, { host: name }) => {
 *   return `${name} is ${await host.run("uptime")}`;
 * });
 * assertEquals(succeeded.map(({ value }) => value), [
 *   "web1 is up",
 *   "web2 is up",
 * ]);
 * ```
 */
export class Fleet {
  /** The names of the hosts. */
  readonly hosts: readonly string[];
  readonly #hosts: ReadonlyMap<string, FleetHost>;
  readonly #options: FleetOptions;

  /**
   * Fleets come from `fleet()`, not from a constructor.
   *
   * @ignore
   */
  constructor(hosts: Iterable<FleetHost>, options: FleetOptions) {
    this.#hosts = checkFleet(hosts, options);
    this.#options = options;
    this.hosts = [...this.#hosts.keys()];
  }

  /**
   * Runs a command on every host; the value is its standard output as text, without the last line feed.
   * A failed command is not repeated, unless it is `idempotent` and the connection was lost.
   *
   * @throws {TypeError} If an option is invalid
   */
  run(command: string, options: FleetRunOptions = {}): FleetJob<string> {
    const run = commandRunner(command, options, this.hosts);
    return this.forEach((client, { host, signal }) => run(client, host, signal), options);
  }

  /**
   * Stores a file on every host, or with `recursive` a folder, as `SftpClient.put` does. All hosts
   * share the memory of one transfer; `inFlight` sets a limit for each host instead.
   *
   * @param local The path or file URL of the file or folder here, or bytes, or a blob
   * @param remote The path of the copy there
   * @throws {TypeError} If the source is a stream, which can be read only once
   */
  put(
    local: FleetSource,
    remote: string,
    options: FleetTransferOptions = {},
  ): FleetJob<TransferResult> {
    const put = putter(local, remote, options, this.#concurrency());
    return this.forEach((client, { host, signal }) => put(client, host, signal), {
      idempotent: true,
      ...options,
    });
  }

  /**
   * Fetches a file from every host, or with `recursive` a folder, or with `glob` the matches of a
   * pattern, as
   * `SftpClient.get` does.
   *
   * @param remote The file or folder there
   * @param local A folder, in which the copies of each host are in a folder with the host's name; or what
   *   gives the path of a host's copy
   */
  get(
    remote: string,
    local: FleetTarget,
    options: FleetTransferOptions = {},
  ): FleetJob<TransferResult> {
    const get = getter(remote, local, options, this.#concurrency());
    return this.forEach((client, { host, signal }) => get(client, host, signal), {
      idempotent: true,
      ...options,
    });
  }

  /**
   * Does any work on every host. Failed work is not repeated, unless it is `idempotent` and the
   * connection was lost.
   *
   * @param work Called with the connection, which is closed when the returned promise settles
   */
  forEach<T>(
    work: (host: Client, context: FleetContext) => T | Promise<T>,
    { idempotent = false, signal }: FleetJobOptions = {},
  ): FleetJob<T> {
    if (typeof work !== "function") throw new TypeError("forEach(): the work must be a function");
    const works = [...this.#hosts].map(([host, target]): Omit<HostWork<T>, "signal"> => ({
      host,
      connect: (signal) => this.#connect(target, signal),
      work,
      idempotent,
    }));
    return new FleetJob(works, this.#options, signal);
  }

  #concurrency(): number {
    return this.#options.concurrency ?? FLEET_CONCURRENCY;
  }

  #connect(host: FleetHost, signal: AbortSignal): Promise<Client> {
    const { connect: how = {} } = this.#options;
    if (typeof how === "function") return how(host, { signal });
    // Without keepalives, a host that disappears silently would never be noticed.
    const all = { keepaliveInterval: RESILIENT_KEEPALIVE_MS, ...how };
    if (typeof host === "string") {
      // The user and the port of one host override those for every host.
      const { user, port } = parseTarget(host);
      const own = { ...user !== null && { user }, ...port !== null && { port } };
      return connect(host, { ...all, ...own, signal });
    }
    const { name: _, ...own } = host;
    return connect({ ...all, ...own, signal });
  }
}

/**
 * Runs commands and copies files on many hosts: several in parallel, with retries, time limits, and a
 * result for each host.
 *
 * @param hosts `[user@]host[:port]`, aliases of `~/.ssh/config`, or options with a name
 * @throws {TypeError} If an option or a host is invalid, or a host is given twice
 *
 * @example
 * ```ts
 * import { fleet, none } from "@denossh/ssh";
 * import { serve } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: { none: () => true },
 * }, (session) => session.print(`${session.user} ran ${session.command}`));
 * const { port } = server.addr;
 *
 * const hosts = fleet([
 *   `ann@127.0.0.1:${port}`,
 *   `bob@127.0.0.1:${port}`,
 *   "ann@127.0.0.1:1",
 * ], {
 *   connect: { auth: [none()], hostKeys: hostKey.publicKey },
 *   retries: 0,
 * });
 * const { succeeded, failed } = await hosts.run("uptime");
 * assertEquals(succeeded.map(({ value }) => value), [
 *   "ann ran uptime",
 *   "bob ran uptime",
 * ]);
 * assertEquals(failed.map(({ host }) => host), ["ann@127.0.0.1:1"]);
 * ```
 */
export function fleet(hosts: Iterable<FleetHost>, options: FleetOptions = {}): Fleet {
  return new Fleet(hosts, options);
}
