import type { IncomingOpen } from "../connection/channel.ts";
import { ClosedError } from "../errors.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import type { Binding } from "./bindings.ts";
import { ChannelConn, type TunnelConn } from "./tunnel_conn.ts";

/** Maximum connections that wait to be accepted, at most the default of `listen(2)` on Linux. */
const BACKLOG = 128;

/**
 * A port or unix socket on the server, shaped like `Deno.Listener`. Dispose of it to stop listening.
 */
export interface RemoteListener<A extends Deno.Addr = Deno.Addr>
  extends Deno.Listener<TunnelConn, A>, AsyncDisposable {
  /** Waits for the next connection; rejects once the listener is closed. */
  accept(): Promise<TunnelConn>;
  /** Stops listening; accepted connections stay open. */
  close(): void;
  /** The address on the server, with the chosen port if 0 was given. */
  readonly addr: A;
  /** Does nothing: the SSH connection keeps the process alive. */
  ref(): void;
  /** Does nothing: the SSH connection keeps the process alive. */
  unref(): void;
}

interface Waiting {
  readonly open: IncomingOpen;
  readonly from: Deno.Addr;
  /** Answered or abandoned. */
  readonly done: () => void;
}

/** The connections to one binding; each is confirmed to the peer when the program accepts it. */
export class Arrivals {
  readonly #waiting: Waiting[] = [];
  #news = Promise.withResolvers<void>();
  #end: { error: unknown } | null = null;

  /** Adds a waiting connection; resolves when it is answered. */
  add(open: IncomingOpen, from: Deno.Addr): Promise<void> {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    if (this.#end) return Promise.resolve();
    if (this.#waiting.length >= BACKLOG) {
      open.reject(OPEN_FAILURE.RESOURCE_SHORTAGE, "Too many connections wait");
      return Promise.resolve();
    }
    this.#waiting.push({ open, from, done });
    this.#wake();
    return promise;
  }

  async next(addr: Deno.Addr): Promise<TunnelConn> {
    for (;;) {
      if (this.#end) throw this.#end.error;
      const first = this.#waiting.shift();
      if (first) {
        try {
          return new ChannelConn(first.open.accept(), addr, first.from);
        } finally {
          first.done();
        }
      }
      await this.#news.promise;
    }
  }

  /** Refuses waiting connections, and rejects waiting calls. */
  end(error: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    for (const { done } of this.#waiting.splice(0)) done();
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

/** Makes a listener for a binding. */
export class BindingListener<A extends Deno.Addr> implements RemoteListener<A> {
  readonly addr: A;
  readonly #binding: Binding;
  readonly #arrivals: Arrivals;
  #cancelled: Promise<void> | null = null;

  constructor(binding: Binding, arrivals: Arrivals, over: Promise<unknown>) {
    this.addr = binding.addr as A & Binding["addr"];
    this.#binding = binding;
    this.#arrivals = arrivals;
    over.then((cause) => arrivals.end(cause));
  }

  accept(): Promise<TunnelConn> {
    return this.#arrivals.next(this.addr);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TunnelConn, undefined> {
    for (;;) {
      let conn;
      try {
        conn = await this.accept();
      } catch (error) {
        if (this.#cancelled) return;
        throw error;
      }
      yield conn;
    }
  }

  close(): void {
    this.#cancel();
  }

  ref(): void {}

  unref(): void {}

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cancel();
  }

  #cancel(): Promise<void> {
    this.#arrivals.end(new ClosedError("The listener is closed"));
    return this.#cancelled ??= this.#binding.cancel();
  }
}
