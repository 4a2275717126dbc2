import type { Channel } from "../connection/channel.ts";
import { ClosedError, DisconnectError } from "../errors.ts";
import { tell } from "../listener.ts";
import { type ByteCounts, splice } from "./splice.ts";

/** Options of a check of a tunnel. */
export interface CheckOptions {
  /** Aborts the check. */
  readonly signal?: AbortSignal;
}

/** An open tunnel. Dispose of it to end it; an error of one connection does not affect others. */
export interface Forwarder<A extends Deno.Addr = Deno.Addr> extends AsyncDisposable {
  /** The start of the tunnel, with the chosen port if 0 was given. */
  readonly addr: A;
  /** The number of current connections. */
  readonly connections: number;
  /** Bytes received from the server. */
  readonly bytesIn: number;
  /** Bytes sent to the server. */
  readonly bytesOut: number;
  /** Resolves when the tunnel is closed; rejects with the error that ended the SSH connection. */
  readonly closed: Promise<void>;
  /**
   * Whether the tunnel works: it is open, and the server answers. To check, `forwardLocal` connects to the
   * target through the server, `forwardRemote` to the target on this side.
   */
  check(options?: CheckOptions): Promise<boolean>;
  /** Stops listening and ends the connections through the tunnel. */
  close(): Promise<void>;
}

/** The parts that differ between kinds of tunnels. */
export interface TunnelParts<A extends Deno.Addr> {
  readonly addr: A;
  /** Resolves with the error that ended the SSH connection. */
  readonly over: Promise<unknown>;
  /** Throws if the tunnel does not work. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Stops listening. */
  readonly stop: () => Promise<void>;
  /** Called with the error of a failed connection. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The common part of all kinds of tunnels: counters, and ending the tunnel with its connections. */
export class Tunnel<A extends Deno.Addr> implements Forwarder<A>, ByteCounts {
  readonly addr: A;
  readonly closed: Promise<void>;
  bytesIn = 0;
  bytesOut = 0;
  readonly #parts: TunnelParts<A>;
  readonly #lives = new Set<Promise<void>>();
  readonly #end = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  /** Resolves when it does not listen any more. */
  #stopping: Promise<void> = Promise.resolve();

  constructor(parts: TunnelParts<A>) {
    this.#parts = parts;
    this.addr = parts.addr;
    this.closed = this.#closed.promise;
    this.closed.catch(() => {});
    parts.over.then((cause) => this.#over(cause));
  }

  get connections(): number {
    return this.#lives.size;
  }

  /** Aborted when the tunnel ends. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  async check(options: CheckOptions = {}): Promise<boolean> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.signal.aborted) return false;
    try {
      await this.#parts.probe(signal ? AbortSignal.any([signal, this.signal]) : this.signal);
      return true;
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }

  async close(): Promise<void> {
    this.#stop(new ClosedError("The tunnel is closed"));
    await this.#stopping;
    await Promise.all(this.#lives);
    this.#closed.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs one connection; its error does not end the tunnel. */
  run(live: () => Promise<void>): Promise<void> {
    const life = live().catch((error) => this.#failed(error)).finally(() =>
      this.#lives.delete(life)
    );
    this.#lives.add(life);
    return life;
  }

  /** Connects a channel with a connection of the tunnel. */
  carry(channel: Channel, conn: Deno.Conn, early?: Uint8Array): Promise<void> {
    return splice(channel, conn, { counts: this, signal: this.signal, early });
  }

  #failed(error: unknown): void {
    if (!this.signal.aborted) tell(this.#parts.onError, error);
  }

  #stop(reason: unknown): void {
    if (this.signal.aborted) return;
    this.#end.abort(reason);
    this.#stopping = this.#parts.stop();
  }

  #over(cause: unknown): void {
    if (this.signal.aborted) return;
    this.#stop(cause);
    const inOrder = cause instanceof DisconnectError && cause.by === "us";
    if (inOrder) this.#closed.resolve();
    else this.#closed.reject(cause);
  }
}
