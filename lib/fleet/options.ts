import { checkConnectOptions } from "../client/checks.ts";
import type { Client } from "../client/client.ts";
import { type ConnectOptions, parseTarget } from "../client/options.ts";
import {
  abortSignal,
  callback,
  checkOptions,
  count,
  either,
  milliseconds,
  mustBe,
  object,
  type OptionChecks,
  shown,
} from "../option_checks.ts";

/** A host of a fleet: `[user@]host[:port]`, an alias of `~/.ssh/config`, or options. */
export type FleetHost = string | NamedHost;

/** The options of one host, and its name in results. */
export interface NamedHost extends ConnectOptions {
  /** The name in results; `[user@]hostname[:port]` by default. */
  readonly name?: string;
}

/**
 * Connects to a host of a fleet. The fleet owns the client, and closes it when the work on the host
 * ends.
 */
export type FleetConnect = (
  host: FleetHost,
  options: { readonly signal: AbortSignal },
) => Promise<Client>;

/** A failed attempt. */
export interface FleetTry {
  /** The name of the host. */
  readonly host: string;
  /** The number of attempts so far. */
  readonly tries: number;
  /** Whether it failed after the login: the work may have had effects. */
  readonly connected: boolean;
}

/** Options of a fleet. */
export interface FleetOptions {
  /**
   * Options for every host, or a function that connects. The options, the user and the port of one host
   * override those for every host.
   */
  readonly connect?: ConnectOptions | FleetConnect;
  /** Maximum hosts in parallel; 32 by default. */
  readonly concurrency?: number;
  /**
   * Milliseconds for one host, including all attempts and the waits between them; no limit by default.
   * `connect.timeout` limits one login, the `timeout` of `run` one command.
   */
  readonly timeout?: number;
  /** Maximum further attempts after a failed one; 2 by default. */
  readonly retries?: number;
  /** Milliseconds before the second attempt, twice as long before each further one; 1,000 by default. */
  readonly retryDelay?: number;
  /** Maximum milliseconds between two attempts; 30,000 by default. */
  readonly maxRetryDelay?: number;
  /**
   * Decides whether to try a host again. By default a host is tried again if it could not be reached,
   * or if the connection was lost before the work began, during a file transfer or during an
   * `idempotent` command. Refused credentials and host keys are not tried again automatically, because
   * servers count attempts.
   */
  readonly retryIf?: (error: unknown, failed: FleetTry) => boolean;
  /** Called after each failed attempt that another one follows. */
  readonly onRetry?: (error: unknown, failed: FleetTry) => void;
  /** Cancels all work when aborted: the hosts that have not ended fail with its reason. */
  readonly signal?: AbortSignal;
}

/** Options of one job of a fleet. */
export interface FleetJobOptions {
  /** Cancels the job when aborted: the hosts that have not ended fail with its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the work may be repeated, so that it is tried again if the connection is lost in the
   * meantime.
   */
  readonly idempotent?: boolean;
}

const oneOrMore = mustBe(
  "a number of at least 1",
  (value) => typeof value === "number" && value >= 1,
);

const OPTIONS: OptionChecks<FleetOptions> = {
  connect: either(
    callback,
    (value) => object(value) ?? (checkConnectOptions(value as ConnectOptions), null),
  ),
  concurrency: oneOrMore,
  timeout: milliseconds,
  retries: count,
  retryDelay: milliseconds,
  maxRetryDelay: milliseconds,
  retryIf: callback,
  onRetry: callback,
  signal: abortSignal,
};

/**
 * The hosts by their names.
 *
 * @throws {TypeError} If options or hosts are invalid, or a name is given twice
 */
export function checkFleet(
  hosts: Iterable<FleetHost>,
  options: FleetOptions,
): ReadonlyMap<string, FleetHost> {
  checkOptions("fleet()", options, OPTIONS);
  if (typeof hosts === "string" || typeof hosts?.[Symbol.iterator] !== "function") {
    throw new TypeError(`fleet(): hosts must be an array such as ["web1"], not ${shown(hosts)}`);
  }
  const named = new Map<string, FleetHost>();
  for (const host of hosts) {
    const name = nameOf(host);
    if (named.has(name)) {
      throw new TypeError(`fleet(): the host "${name}" is given twice: write [...new Set(hosts)]`);
    }
    named.set(name, host);
  }
  return named;
}

function nameOf(host: FleetHost): string {
  if (typeof host === "string") {
    parseTarget(host);
    return host;
  }
  if (typeof host !== "object" || host === null) {
    throw new TypeError(`fleet(): a host must be text or options, not ${shown(host)}`);
  }
  const { name, ...options } = host;
  checkConnectOptions(options);
  const { user, hostname, port } = options;
  if (name === undefined && hostname === undefined) {
    throw new TypeError("fleet(): a host without hostname needs a name");
  }
  return name ??
    `${user === undefined ? "" : `${user}@`}${hostname}${port === undefined ? "" : `:${port}`}`;
}
