/**
 * A connection in memory with a round trip and windows, on a clock that advances only with pending
 * events.
 */
import { setImmediate } from "node:timers";
import type { SftpChannel, SftpChannelState, SftpClient } from "../../lib/sftp/mod.ts";
import { SftpClient as Client } from "../../lib/sftp/mod.ts";
import { abortable } from "../../lib/waiting.ts";
import { replaced } from "../support/replaced.ts";

/** Turns without a pending event after which none is expected. */
const IDLE_TURNS = 50;

/** The properties of the connection. */
export interface LongPathOptions {
  /** The round trip in milliseconds. */
  readonly roundTrip: number;
  /** Bytes that a channel may send before any are acknowledged. */
  readonly window: number;
  /** Channels that the server allows; any number unless given. */
  readonly sessions?: number;
  /** Bytes that arrive at the server before all channels are lost; others have been sent by then. */
  readonly cutAfter?: number;
  /** Extra delay at the server's end of each channel, in milliseconds, in order. */
  readonly late?: (channel: number) => number;
  /** Whether further channels are never answered. */
  readonly mute?: boolean;
  /** Whether requests follow the OPEN in a further channel immediately. */
  readonly numbersHandles?: boolean;
  /** Connections that channels are spread over, including the first; one unless given. */
  readonly connections?: number;
  /** Bytes a second that the connection carries; any number unless given. */
  readonly rate?: number;
}

interface Event {
  readonly due: number;
  readonly run: () => void;
}

/** The connection, whose channels are served by `serve`. */
export class LongPath implements Disposable {
  /** The number of open channels, and of all channels so far. */
  readonly channels: { open: number; opened: number } = { open: 0, opened: 0 };
  /** Bytes that have arrived at the server. */
  arrived = 0;
  /** Makes the last additional channel close, as if another session needed its slot. */
  giveWay: () => void = () => {};
  readonly #options: LongPathOptions;
  readonly #serve: (channel: SftpChannel) => void;
  readonly #replaced: DisposableStack = new DisposableStack();
  readonly #turns: Turns = this.#replaced.use(new Turns());
  readonly #timers: Map<number, Event> = new Map();
  #timer = 0;
  readonly #ends: Set<() => void> = new Set();
  #events: Event[] = [];
  #now = 0;
  /** The time at which the link has sent everything queued. */
  #free = 0;
  #isCut = false;

  constructor(options: LongPathOptions, serve: (channel: SftpChannel) => void) {
    this.#options = options;
    this.#serve = serve;
    this.#replaced.use(replaced(performance, "now", () => this.#now));
    const set = (run: () => void, ms = 0) => {
      const id = ++this.#timer;
      const timer = this.#at(this.#now + ms, () => (this.#timers.delete(id), run()));
      this.#timers.set(id, timer);
      return id;
    };
    const clear = (id: number) => {
      const timer = this.#timers.get(id);
      this.#events = this.#events.filter((event) => event !== timer);
      this.#timers.delete(id);
    };
    this.#replaced.use(replaced(globalThis, "setTimeout", set as unknown as typeof setTimeout));
    this.#replaced.use(
      replaced(globalThis, "clearTimeout", clear as unknown as typeof clearTimeout),
    );
  }

  /** A client of the server, which may open further channels. */
  client(): Promise<SftpClient> {
    const { connections, numbersHandles = false } = this.#options;
    return this.run(Client.open(this.#channel()!, {
      numbersHandles,
      ...connections !== undefined && { connections },
      further: (giveWay, options) => {
        this.giveWay = giveWay;
        const { signal } = options;
        const opening = this.#options.mute
          ? Promise.withResolvers<null>().promise
          : this.#later(() => this.#channel(signal));
        return abortable(opening, signal);
      },
    }));
  }

  /** Milliseconds since its creation. */
  get now(): number {
    return this.#now;
  }

  /** Loses only the last opened channel. */
  lose(): void {
    [...this.#ends].at(-1)!();
  }

  /** Lets the clock run until the promise is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => void (settled = true);
    promise.then(done, done);
    for (await this.#turns.next(); !settled; await this.#turns.next()) {
      // Code that is loaded on demand takes several turns.
      for (let turns = 0; !settled && this.#events.length === 0; turns++) {
        if (turns === IDLE_TURNS) throw new Error("Nothing more happens");
        await this.#turns.slow();
      }
      if (settled) break;
      this.#now = Math.max(this.#now, this.#events[0]!.due);
      while (this.#events[0] && this.#events[0].due <= this.#now) this.#events.shift()!.run();
    }
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#replaced.dispose();
  }

  #at(due: number, run: () => void): Event {
    let at = this.#events.length;
    while (at > 0 && this.#events[at - 1]!.due > due) at--;
    const event = { due, run };
    this.#events.splice(at, 0, event);
    return event;
  }

  /** Resolves after a round trip. */
  #later<T>(answer: () => T): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#at(this.#now + this.#options.roundTrip, () => resolve(answer()));
    return promise;
  }

  /** A channel; null at the limit. */
  #channel(signal?: AbortSignal): SftpChannel | null {
    if (signal?.aborted) return null;
    const { roundTrip, window, sessions = Infinity, late = () => 0, rate } = this.#options;
    if (this.#isCut) throw new Error("cut");
    if (this.channels.open >= sessions) return null;
    this.channels.open++;
    const delay = roundTrip / 2 + late(this.channels.opened++);
    const [up, down] = [new Inbox(), new Inbox()];
    let credit = window;
    let news = Promise.withResolvers<void>();
    const state = { bytesSent: 0, largestSendWindow: window, waitedForWindow: 0 };
    const notify = () => {
      news.resolve();
      news = Promise.withResolvers();
    };
    let isOpen = true;
    const end = () => {
      if (isOpen) this.channels.open--;
      isOpen = false;
      this.#ends.delete(end);
      up.end();
      down.end();
      notify();
    };
    this.#ends.add(end);
    const send = (bytes: Uint8Array) => {
      credit -= bytes.length;
      state.bytesSent += bytes.length;
      this.#free = Math.max(this.#free, this.#now) + (rate ? bytes.length / rate * 1000 : 0);
      this.#at(this.#free + delay, () => this.#arrive(bytes, up));
      this.#at(this.#free + delay + roundTrip / 2, () => {
        credit += bytes.length;
        notify();
      });
    };
    this.#serve({
      readChunk: () => up.next(),
      writeAll: (...chunks) => {
        for (const chunk of chunks) {
          const bytes = chunk.slice();
          this.#at(this.#now + roundTrip / 2, () => down.push(bytes));
        }
        return Promise.resolve();
      },
      closeWrite: () => Promise.resolve(),
      close: () => Promise.resolve(void this.#at(this.#now + roundTrip / 2, end)),
    });
    return {
      state: state satisfies SftpChannelState,
      readChunk: () => down.next(),
      writeAll: async (...chunks) => {
        for (const chunk of chunks) {
          for (let at = 0; at < chunk.length;) {
            for (const since = this.#now; credit === 0 && isOpen;) {
              await news.promise;
              state.waitedForWindow += this.#now - since;
            }
            if (!isOpen) throw new Error("The channel is closed");
            const bytes = chunk.slice(at, at + credit);
            send(bytes);
            at += bytes.length;
          }
        }
      },
      closeWrite: () => Promise.resolve(void this.#at(this.#now + delay, () => up.end())),
      close: () => Promise.resolve(end()),
    };
  }

  #arrive(bytes: Uint8Array, up: Inbox): void {
    if (this.#isCut) return;
    const { cutAfter = Infinity } = this.#options;
    const left = cutAfter - this.arrived;
    this.arrived += bytes.length;
    up.push(bytes.subarray(0, left));
    if (left > bytes.length) return;
    this.#isCut = true;
    for (const end of [...this.#ends]) end();
  }
}

/** Data that has arrived but is not read. */
class Inbox {
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #news: PromiseWithResolvers<void> = Promise.withResolvers();

  push(chunk: Uint8Array): void {
    if (!this.#ended) this.#chunks.push(chunk);
    this.#news.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#news.resolve();
  }

  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) return chunk;
      if (this.#ended) return null;
      this.#news = Promise.withResolvers();
      await this.#news.promise;
    }
  }
}

/**
 * Turns of the event loop. Before Deno 2.7, `setImmediate` takes a millisecond, and messages are quick;
 * since then, messages arrive before other work of the event loop.
 */
class Turns implements Disposable {
  readonly #channel: MessageChannel | null;
  #resolve: () => void = () => {};

  constructor() {
    const [, minor] = Deno.version.deno.split(".").map(Number);
    this.#channel = minor! < 7 ? new MessageChannel() : null;
    if (this.#channel) this.#channel.port1.onmessage = () => this.#resolve();
  }

  /** Runs everything that does not wait for an event. */
  next(): Promise<void> {
    const channel = this.#channel;
    if (channel === null) return this.slow();
    return new Promise((resolve) => {
      this.#resolve = resolve;
      channel.port2.postMessage(null);
    });
  }

  /** The same after everything else that the event loop has to do. */
  slow(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    this.#channel?.port1.close();
    this.#channel?.port2.close();
  }
}
