import { equalConstantTime } from "../crypto/digest.ts";
import { MAX_PENDING_OPENS } from "../defaults.ts";
import { decodeHex, encodeHex } from "../encoding.ts";
import { IncomingQueue } from "./incoming_queue.ts";
import type { CallOptions } from "../waiting.ts";
import type { X11Authority } from "./x11_setup.ts";

/** How X11 is asked for (RFC 4254 §6.3.1). */
export interface X11Options extends CallOptions {
  /** The screen of the display; 0 unless given. */
  readonly screen?: number;
  /** How the X clients are to show that they may connect; `"MIT-MAGIC-COOKIE-1"` unless given. */
  readonly protocol?: string;
  /** The secret that they are to show, in hexadecimal; 128 random bits unless given. */
  readonly cookie?: string;
  /** Whether one connection is all; any number unless given. */
  readonly single?: boolean;
  /**
   * The display's own secret, which takes the cookie's place; none unless given. The server sees the
   * cookie only.
   */
  readonly authority?: X11Authority | (() => X11Authority | null | Promise<X11Authority | null>);
  /**
   * Takes each connection, which is closed when it ends. Without one they wait until somebody asks
   * for them.
   */
  readonly handler?: (conn: Deno.Conn) => void | Promise<void>;
}

/**
 * X11 that was asked for on a session's channel: the connections of the X clients on the other side,
 * each shown to hold the cookie, and the cookie replaced. What they send then is for an X server as it
 * is. It ends with the channel.
 */
export interface X11Forward extends AsyncIterable<Deno.Conn, undefined>, Disposable {
  /** How the X clients show that they may connect. */
  readonly protocol: string;
  /** The secret that they show, in hexadecimal. */
  readonly cookie: string;
  /** The screen of the display. */
  readonly screen: number;
  /** Whether one connection is all. */
  readonly single: boolean;
  /** Takes no more connections; those that were taken go on. */
  close(): void;
}

/** What one session asked for: its cookie, and who has come with it. */
export class CookieForward implements X11Forward {
  readonly protocol: string;
  readonly cookie: string;
  readonly screen: number;
  readonly single: boolean;
  readonly #options: X11Options;
  readonly #waiting = new IncomingQueue<Deno.Conn>((conn) => conn.close(), MAX_PENDING_OPENS);
  #used = false;
  #closed = false;

  constructor(options: X11Options) {
    const { screen = 0, protocol = "MIT-MAGIC-COOKIE-1", cookie = randomCookie() } = options;
    if (!Number.isInteger(screen) || screen < 0 || screen > 0xffff) {
      throw new RangeError(`Screen must be 0 to 65535, not ${screen}`);
    }
    if (!/^(?:[0-9a-f]{2}){1,256}$/i.test(cookie)) {
      throw new TypeError("A cookie is hexadecimal, of at least a byte");
    }
    this.#options = options;
    this.protocol = protocol;
    this.cookie = cookie.toLowerCase();
    this.screen = screen;
    this.single = options.single ?? false;
  }

  close(): void {
    this.#closed = true;
    this.#waiting.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Deno.Conn, undefined> {
    return this.#waiting[Symbol.asyncIterator]();
  }

  /** Whether an X client that shows this belongs here; for `single`, once. */
  claim(shown: X11Authority): boolean {
    if (this.#closed || this.single && this.#used) return false;
    const same = equalConstantTime(shown.data, decodeHex(this.cookie)) &&
      shown.protocol === this.protocol;
    this.#used ||= same;
    return same;
  }

  /** What the display wants to see. */
  async authority(): Promise<X11Authority | null> {
    const { authority = null } = this.#options;
    return typeof authority === "function" ? await authority() : authority;
  }

  /** Hands a connection to the program; it is closed if nobody will take it. */
  async deliver(conn: Deno.Conn): Promise<void> {
    const { handler } = this.#options;
    if (handler === undefined) {
      if (!this.#waiting.offer(conn)) conn.close();
      return;
    }
    await handler(conn);
    conn.close();
  }
}

function randomCookie(): string {
  return encodeHex(crypto.getRandomValues(new Uint8Array(16)));
}
