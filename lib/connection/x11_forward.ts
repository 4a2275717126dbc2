import { equalConstantTime } from "../crypto/digest.ts";
import { MAX_PENDING_OPENS } from "../defaults.ts";
import { decodeHex, encodeHex } from "../encoding.ts";
import { IncomingQueue } from "./incoming_queue.ts";
import type { CallOptions } from "../waiting.ts";
import type { X11Authority } from "./x11_setup.ts";

/** Options of X11 forwarding (RFC 4254 §6.3.1). */
export interface X11Options extends CallOptions {
  /** The screen of the display; 0 unless given. */
  readonly screen?: number;
  /** The authentication protocol of X clients; `"MIT-MAGIC-COOKIE-1"` unless given. */
  readonly protocol?: string;
  /** The secret that X clients must present, in hexadecimal; 128 random bits unless given. */
  readonly cookie?: string;
  /** Whether to accept only one connection; any number unless given. */
  readonly single?: boolean;
  /**
   * The secret of the display, which replaces the cookie; none unless given. The server sees only the
   * cookie.
   */
  readonly authority?: X11Authority | (() => X11Authority | null | Promise<X11Authority | null>);
  /**
   * Handles each connection, which is closed afterwards. Without a handler, connections wait for the
   * iteration of the result.
   */
  readonly handler?: (conn: Deno.Conn) => void | Promise<void>;
}

/**
 * The X11 forwarding of a session: iterates over the connections of remote X clients that have presented
 * the cookie. The cookie is already replaced, so the data can be passed to an X server. It ends with the
 * channel.
 */
export interface X11Forward extends AsyncIterable<Deno.Conn, undefined>, Disposable {
  /** The authentication protocol of the X clients. */
  readonly protocol: string;
  /** The secret that X clients must present, in hexadecimal. */
  readonly cookie: string;
  /** The screen of the display. */
  readonly screen: number;
  /** Whether only one connection is accepted. */
  readonly single: boolean;
  /** Accepts no more connections; existing ones continue. */
  close(): void;
}

/** The X11 forwarding of one session, identified by its cookie. */
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
      throw new TypeError("The cookie must be 1 to 256 bytes in hexadecimal");
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

  /** Whether an X client with this secret belongs to this session; only once for `single`. */
  claim(shown: X11Authority): boolean {
    if (this.#closed || this.single && this.#used) return false;
    const same = equalConstantTime(shown.data, decodeHex(this.cookie)) &&
      shown.protocol === this.protocol;
    this.#used ||= same;
    return same;
  }

  /** The secret of the display. */
  async authority(): Promise<X11Authority | null> {
    const { authority = null } = this.#options;
    return typeof authority === "function" ? await authority() : authority;
  }

  /** Passes a connection to the program, or closes it if the program does not take it. */
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
