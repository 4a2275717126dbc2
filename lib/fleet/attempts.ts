import type { Client } from "../client/client.ts";
import { FLEET_RETRIES, FLEET_RETRY_MAX_MS, FLEET_RETRY_MS } from "../defaults.ts";
import {
  ChannelOpenError,
  ClosedError,
  ConnectError,
  DisconnectError,
  ProtocolError,
} from "../errors.ts";
import { tell } from "../listener.ts";
import { Deadline } from "../login/deadline.ts";
import { abortable, sleep } from "../waiting.ts";
import type { FleetOptions, FleetTry } from "./options.ts";
import type { FleetResult } from "./result.ts";
import { plainMessage } from "../error_messages.ts";

/** The work on one host. */
export interface HostWork<T> {
  /** The name of the host. */
  readonly host: string;
  /** Connects to it. */
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  /** Does the work. */
  readonly work: (client: Client, how: FleetContext) => T | Promise<T>;
  /** Whether the work may be repeated. */
  readonly idempotent: boolean;
  /** Cancels the work. */
  readonly signal: AbortSignal;
}

/** Information for the work on a host. */
export interface FleetContext {
  /** The name of the host. */
  readonly host: string;
  /** Aborted when the host's time limit is reached, or the job is cancelled. */
  readonly signal: AbortSignal;
}

/** Works on a host, with retries as far as they are allowed. Never rejects. */
export async function attempt<T>(
  job: HostWork<T>,
  options: FleetOptions,
): Promise<FleetResult<T>> {
  const { host } = job;
  const started = performance.now();
  const { retries = FLEET_RETRIES } = options;
  const { retryDelay = FLEET_RETRY_MS, maxRetryDelay = FLEET_RETRY_MAX_MS } = options;
  let last: unknown = null;
  using deadline = new Deadline(options.timeout ?? 0, (limit) => {
    const why = last instanceof Error ? `; the last try failed: ${plainMessage(last)}` : "";
    const message = `${host}: the work did not end within ${limit} ms${why}`;
    return new DOMException(message, "TimeoutError");
  });
  const signal = AbortSignal.any([job.signal, deadline.signal]);
  const effort = (tries: number) => ({ host, tries, milliseconds: performance.now() - started });
  for (let tries = 0, delay = retryDelay;; delay *= 2) {
    let connected = false;
    try {
      signal.throwIfAborted();
      tries++;
      const client = await connectTo(job, signal);
      connected = true;
      const value = await workOn(client, job, signal);
      return { ...effort(tries), success: true, value };
    } catch (error) {
      const failed: FleetTry = { host, tries, connected };
      const again = !signal.aborted && tries <= retries && isWorthRetrying(error, failed);
      if (!again) return { ...effort(tries), success: false, error };
      last = error;
      tell(options.onRetry, error, failed);
      // Randomized, so that hosts that failed together do not all retry at the same time.
      const wait = Math.min(delay, maxRetryDelay) * (0.75 + Math.random() / 2);
      await sleep(wait, signal).catch(() => {});
    }
  }

  function isWorthRetrying(error: unknown, failed: FleetTry): boolean {
    const { retryIf } = options;
    if (!retryIf) return mayPass(error) && (!failed.connected || job.idempotent);
    try {
      return retryIf(error, failed);
    } catch {
      return false;
    }
  }
}

async function connectTo<T>(job: HostWork<T>, signal: AbortSignal): Promise<Client> {
  const connecting = Promise.try(job.connect, signal);
  try {
    return await abortable(connecting, signal);
  } catch (error) {
    // A connection that arrives too late is closed.
    connecting.then((client) => client.close()).catch(() => {});
    throw error;
  }
}

async function workOn<T>(
  client: Client,
  { host, work }: HostWork<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await abortable(Promise.try(work, client, { host, signal }), signal);
  } finally {
    await client[Symbol.asyncDispose]().catch(() => {});
  }
}

/** Whether a failure may be temporary: the host or the network path was down. */
function mayPass(error: unknown): boolean {
  const passing = [ConnectError, DisconnectError, ClosedError, ProtocolError, ChannelOpenError];
  return passing.some((kind) => error instanceof kind);
}
