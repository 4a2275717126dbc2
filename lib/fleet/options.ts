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

/** The options of one host, and what results call it. */
export interface NamedHost extends ConnectOptions {
  /** What results call it; `[user@]hostname[:port]` unless given. */
  readonly name?: string;
}

/** Connects to a host of a fleet; the client is taken over, and closed when the work on the host ends. */
export type FleetConnect = (
  host: FleetHost,
  options: { readonly signal: AbortSignal },
) => Promise<Client>;

/** A try that has failed. */
export interface FleetTry {
  /** The name of the host. */
  readonly host: string;
  /** How many tries there have been. */
  readonly tries: number;
  /** Whether it failed after the login: the work may have had effects. */
  readonly connected: boolean;
}

/** How the hosts of a fleet are worked on. */
export interface FleetOptions {
  /** The options of every host, which its own ones override; or what connects to a host. */
  readonly connect?: ConnectOptions | FleetConnect;
  /** Hosts that are worked on at once; 32 unless given. */
  readonly concurrency?: number;
  /**
   * Milliseconds for one host, with all its tries and the waits between them; no limit unless given.
   * `connect.timeout` limits one login, the `timeout` of `run` one command.
   */
  readonly timeout?: number;
  /** Tries after the first one that failed; 2 unless given. */
  readonly retries?: number;
  /** Milliseconds before the second try, twice as many before each further one; 1,000 unless given. */
  readonly retryDelay?: number;
  /** Milliseconds between two tries at most; 30,000 unless given. */
  readonly maxRetryDelay?: number;
  /**
   * Whether a host is tried again. Unless given, a host is tried again that could not be reached, or that
   * was lost before the work began or while files were transferred or an `idempotent` command ran.
   * Credentials and host keys that were refused are never offered again by themselves, because servers count.
   */
  readonly retryIf?: (error: unknown, failed: FleetTry) => boolean;
  /** Told of each try that failed and is followed by another. */
  readonly onRetry?: (error: unknown, failed: FleetTry) => void;
  /** Cancels all work when aborted: the hosts that have not ended fail with its reason. */
  readonly signal?: AbortSignal;
}

/** Options of one job of a fleet. */
export interface FleetJobOptions {
  /** Cancels the job when aborted: the hosts that have not ended fail with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the work may be done twice, so that it is tried again if the connection is lost meanwhile. */
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
 * @throws {TypeError} If options or hosts cannot be meant, or a name is given twice
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
