import { AgentForwarding } from "../agent/forwarding.ts";
import type { Connection } from "../connection/connection.ts";
import { connectionClosed } from "../connection/lazy_error.ts";
import { RENEWAL_MS } from "../defaults.ts";
import { DisconnectError } from "../errors.ts";
import type { HostProof } from "../keys/key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { MessageTransport } from "../transport/message_transport.ts";
import type { Agreed } from "../transport/negotiation.ts";
import { Condition, limitOf, settlesWithin } from "../waiting.ts";
import { DISCONNECT } from "../wire/numbers.ts";
import { type ClientState, isFinal, Resilience, type ResilientOptions } from "./resilience.ts";
import { SessionQueue } from "./session_queue.ts";

/** The parts of a transport that a client uses: our own, or a control master's connection. */
export interface ClientTransport extends MessageTransport {
  readonly closed: Promise<unknown>;
  readonly finished: Promise<void>;
  readonly extensions: ReadonlyMap<string, Uint8Array>;
  /** This and the next two are null if the connection is shared. */
  readonly agreed: Agreed | null;
  readonly hostKey: PublicKey | null;
  readonly host: HostProof | null;
  /** Bytes of payload in each direction; missing if the connection is shared. */
  readonly traffic?: { readonly sent: number; readonly received: number };
  rekey(): Promise<void>;
  disconnect(): void;
}

/** A connection after the login, and the client's channels on it. */
export interface LiveConnection {
  readonly transport: ClientTransport;
  readonly connection: Connection;
  readonly sessions: SessionQueue;
  readonly agents: AgentForwarding;
  /** Resolves when its carrier is closed, too. */
  readonly finished: Promise<void>;
}

/** Called with each new connection; `over` is aborted when that has ended. */
type Renewal = (connection: Connection, over: AbortSignal) => void | Promise<void>;

/** Reconnects a client as before, without prompting. */
export interface Reconnect {
  readonly again: (signal: AbortSignal) => Promise<LiveConnection>;
  readonly options: ResilientOptions;
}

/** Makes a connection over a transport after the login. */
export function liveConnection(
  transport: ClientTransport,
  connection: Connection,
  finished: Promise<void> = transport.finished,
): LiveConnection {
  return {
    transport,
    connection,
    sessions: new SessionQueue((options) => connection.openChannel("session", options)),
    agents: new AgentForwarding(connection, transport.host, transport.extensions),
    finished,
  };
}

/** The current connection of a client; a resilient client replaces it if it is lost. */
export class CurrentConnection {
  #live: LiveConnection;
  #state: ClientState = "connected";
  #again: Reconnect["again"] | null;
  readonly #release: () => Promise<void>;
  /** Resolves when the resources of all connections are closed. */
  #ended: Promise<void> = Promise.resolve();
  readonly #resilience: Resilience;
  readonly #over: PromiseWithResolvers<unknown> = Promise.withResolvers();
  /** The final error. */
  #cause: unknown;
  readonly #stop: AbortController = new AbortController();
  readonly #changed: Condition = new Condition();
  readonly #renewals: Renewal[] = [];
  #reconnecting: Promise<void> = Promise.resolve();

  /** @param end Closes the resources of all connections, after the last one */
  constructor(live: LiveConnection, reconnect: Reconnect | null, end: () => Promise<void>) {
    this.#live = live;
    this.#again = reconnect?.again ?? null;
    this.#release = end;
    this.#resilience = new Resilience(reconnect?.options ?? {});
    this.#watch(live);
  }

  /** The current connection, or the lost one while reconnecting. */
  get live(): LiveConnection {
    return this.#live;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Whether a lost connection is replaced. */
  get isResilient(): boolean {
    return this.#again !== null;
  }

  /** Resolves, never rejects, with the final error. */
  get over(): Promise<unknown> {
    return this.#over.promise;
  }

  /** Calls `renew` with each new connection. Before that is used, its promise is waited for, within limits. */
  onRenewed(renew: Renewal): void {
    this.#renewals.push(renew);
  }

  /**
   * Runs a repeatable operation, and repeats it if the connection is lost in the meantime; waits while
   * reconnecting.
   *
   * @throws {ClosedError} If there will be no more connections
   */
  run<T>(task: (live: LiveConnection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#again === null ? task(this.#live) : this.#repeated(task, signal);
  }

  /** Runs an operation that must not be repeated; waits while reconnecting. */
  async once<T>(task: (live: LiveConnection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#state === "reconnecting") await this.#until(() => true, signal);
    return await task(this.#live);
  }

  /**
   * Waits until a lost connection has been replaced.
   *
   * @throws {ClosedError} If it will not be replaced
   */
  async after(lost: LiveConnection, signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#live !== lost, signal);
  }

  /** Passes the connection to another owner, which reconnects if it is lost. */
  handOver(): LiveConnection {
    this.#again = null;
    return this.#live;
  }

  /** Disconnects, or stops reconnecting. */
  async close(): Promise<void> {
    this.#stop.abort(disconnected());
    this.#live.transport.disconnect();
    await this.#reconnecting;
    await this.#live.finished;
    await this.#ended;
  }

  async #repeated<T>(
    task: (live: LiveConnection) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (;;) {
      if (this.#state === "reconnecting") await this.#until(() => true, signal);
      const live = this.#live;
      try {
        return await task(live);
      } catch (error) {
        if (!live.connection.isOver || this.#again === null || signal?.aborted) throw error;
        await this.after(live, signal);
      }
    }
  }

  /** Waits until there is a connection and the condition holds. */
  async #until(holds: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    using limit = limitOf({ signal });
    while (this.#state === "reconnecting" || (this.#state === "connected" && !holds())) {
      await this.#changed.wait(limit);
    }
    if (this.#state === "closed") throw connectionClosed(this.#cause);
  }

  #watch(live: LiveConnection): void {
    live.transport.closed.then((cause) => {
      const isMeant = this.#stop.signal.aborted || isByUs(cause);
      if (this.#again === null || isMeant || isFinal(cause)) return this.#end(cause);
      this.#reconnecting = this.#reconnect(live, cause, this.#again);
    });
  }

  async #reconnect(
    lost: LiveConnection,
    loss: unknown,
    again: Reconnect["again"],
  ): Promise<void> {
    const { signal } = this.#stop;
    this.#resilience.lost();
    await lost.finished;
    for (let cause = loss;;) {
      this.#set("reconnecting", cause);
      try {
        if (!await this.#resilience.pause(cause, signal)) {
          return this.#end(this.#resilience.gaveUp(loss, cause));
        }
      } catch (error) {
        // Aborted, or the caller's `backoff` failed: without a pause, attempts would block the event loop.
        return this.#end(error);
      }
      try {
        const live = await again(signal);
        this.#live = live;
        if (signal.aborted) live.transport.disconnect();
        this.#resilience.connected();
        const over = new AbortController();
        live.transport.closed.then(() => over.abort());
        const renewing = this.#renewals.map((renew) => renew(live.connection, over.signal));
        await settlesWithin(Promise.all(renewing), RENEWAL_MS);
        if (!live.connection.isOver) this.#set("connected");
        return this.#watch(live);
      } catch (error) {
        if (signal.aborted || isFinal(error)) return this.#end(error);
        cause = error;
      }
    }
  }

  #end(cause: unknown): void {
    this.#cause = cause;
    this.#ended = this.#live.finished.then(this.#release);
    this.#over.resolve(cause);
    this.#set("closed", cause);
  }

  #set(state: ClientState, cause?: unknown): void {
    this.#state = state;
    this.#changed.notify();
    this.#resilience.told(state, cause);
  }
}

/** Whether this side has ended a connection. */
export function isByUs(cause: unknown): boolean {
  return cause instanceof DisconnectError && cause.by === "us";
}

function disconnected(): DisconnectError {
  return new DisconnectError(DISCONNECT.BY_APPLICATION, "us", "Closed by the application");
}
