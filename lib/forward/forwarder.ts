import type { Channel } from "../connection/channel.ts";
import { ClosedError, DisconnectError } from "../errors.ts";
import { tell } from "../listener.ts";
import { type ByteCounts, splice } from "./splice.ts";

/** How to look whether a tunnel works. */
export interface CheckOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** A tunnel at work. Dispose of it to end it; an error of one connection hurts no other. */
export interface Forwarder<A extends Deno.Addr = Deno.Addr> extends AsyncDisposable {
  /** Where the tunnel begins, with the port that was chosen if any would do. */
  readonly addr: A;
  /** Connections that go through it at the moment. */
  readonly connections: number;
  /** Bytes that came from the far side. */
  readonly bytesIn: number;
  /** Bytes that went to the far side. */
  readonly bytesOut: number;
  /** Resolves when the tunnel is closed; rejects with the error that ended the SSH connection. */
  readonly closed: Promise<void>;
  /**
   * Whether the tunnel works: it is open, and the server answers. `forwardLocal` connects to the target
   * through the server for it, `forwardRemote` to the target on this side.
   */
  check(options?: CheckOptions): Promise<boolean>;
  /** Stops listening and ends the connections that go through the tunnel. */
  close(): Promise<void>;
}

/** What a kind of tunnel brings along. */
export interface TunnelParts<A extends Deno.Addr> {
  readonly addr: A;
  /** Resolves with what ended the SSH connection. */
  readonly over: Promise<unknown>;
  /** Throws if the tunnel does not work. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Stops listening. */
  readonly stop: () => Promise<void>;
  /** Told what ended one connection out of order. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What all kinds of tunnel have in common: counters, an end, and the end of what goes through. */
export class Tunnel<A extends Deno.Addr> implements Forwarder<A>, ByteCounts {
  readonly addr: A;
  readonly closed: Promise<void>;
  bytesIn = 0;
  bytesOut = 0;
  readonly #parts: TunnelParts<A>;
  readonly #lives = new Set<Promise<void>>();
  readonly #end = new AbortController();
  readonly #closed = Promise.withResolvers<void>();

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
    if (!this.signal.aborted) {
      this.#end.abort(new ClosedError("The tunnel is closed"));
      await this.#parts.stop();
    }
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

  /** Joins a channel and a connection of the tunnel's. */
  carry(channel: Channel, conn: Deno.Conn, early?: Uint8Array): Promise<void> {
    return splice(channel, conn, { counts: this, signal: this.signal, early });
  }

  #failed(error: unknown): void {
    if (!this.signal.aborted) tell(this.#parts.onError, error);
  }

  #over(cause: unknown): void {
    if (this.signal.aborted) return;
    this.#end.abort(cause);
    const inOrder = cause instanceof DisconnectError && cause.by === "us";
    if (inOrder) this.#closed.resolve();
    else this.#closed.reject(cause);
  }
}
