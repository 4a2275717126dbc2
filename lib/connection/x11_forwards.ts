import { printable, ProtocolError } from "../errors.ts";
import { writeAll } from "../runtime/write_all.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { X11Open, X11Req } from "../wire/requests.ts";
import { type CallOptions, onTimeout } from "../waiting.ts";
import { CookieForward, type X11Forward, type X11Options } from "./x11_forward.ts";
import { encodeRefusal, encodeSetup, readSetup } from "./x11_setup.ts";

/** An X client that does not present its cookie within this many milliseconds is closed. */
const SETUP_MS = 10_000;

/** The most X clients of one connection that have not presented their cookies yet. */
const MAX_UNKNOWN = 64;

/** The session that requests X11. */
export interface X11Session {
  readonly closed: Promise<void>;
  request(type: string, data: Uint8Array, options: CallOptions): Promise<void>;
}

/** A channel of an X client. */
export interface X11Arrival {
  readonly conn: Deno.Conn;
  /** Puts bytes before the data of the X client. */
  unread(bytes: Uint8Array<ArrayBuffer>): void;
  /** Closes after pending writes. */
  close(): Promise<void>;
  abort(reason: unknown): void;
}

/** The peer's request to open a channel for an X client. */
export interface X11Wish {
  readonly data: Uint8Array;
  accept(from: Deno.NetAddr): X11Arrival;
  reject(reason: number, message: string): void;
}

/** The sessions of one connection with X11. The cookie of an X client identifies its session. */
export class X11Forwards {
  readonly #forwards = new Set<CookieForward>();
  #unknown = 0;

  /** @throws {RequestDeniedError} If the peer refuses */
  async request(session: X11Session, options: X11Options): Promise<X11Forward> {
    const forward = new CookieForward(options);
    const { protocol, cookie, screen, single } = forward;
    const end = () => {
      this.#forwards.delete(forward);
      forward.close();
    };
    this.#forwards.add(forward);
    session.closed.then(end, end);
    try {
      const data = X11Req.encode({ single, protocol, cookie, screen });
      await session.request("x11-req", data, options);
      return forward;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Handles the peer's request for a channel of an X client. */
  async take(wish: X11Wish): Promise<void> {
    if (this.#forwards.size === 0) {
      return wish.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "X11 was not requested");
    }
    if (this.#unknown >= MAX_UNKNOWN) {
      return wish.reject(OPEN_FAILURE.RESOURCE_SHORTAGE, "Too many X clients");
    }
    const { originatorAddress, originatorPort: port } = X11Open.decode(wish.data);
    const hostname = printable(originatorAddress, 255);
    const arrival = wish.accept({ transport: "tcp", hostname, port });
    const forward = await this.#identify(arrival);
    if (forward === null) return;
    try {
      await forward.deliver(arrival.conn);
    } catch (error) {
      arrival.abort(error);
    }
  }

  /** Identifies the session of an X client and replaces the cookie; null if the client was refused. */
  async #identify(arrival: X11Arrival): Promise<CookieForward | null> {
    const { conn } = arrival;
    const late = new ProtocolError("The X client did not show its cookie in time");
    using _late = onTimeout(SETUP_MS, () => arrival.abort(late));
    this.#unknown++;
    try {
      const setup = await readSetup((into) => readFull(conn, into));
      const forward = this.#forwards.values().find((one) => one.claim(setup));
      if (forward === undefined) {
        const refusal = encodeRefusal(setup, "Wrong authentication for forwarded X11");
        await writeAll(conn, refusal);
        await arrival.close();
        return null;
      }
      arrival.unread(encodeSetup(setup, await forward.authority()));
      return forward;
    } catch (error) {
      arrival.abort(error);
      return null;
    } finally {
      this.#unknown--;
    }
  }
}

async function readFull(conn: Deno.Conn, into: Uint8Array): Promise<void> {
  for (let at = 0; at < into.length;) {
    const n = await conn.read(into.subarray(at));
    if (n === null) throw new ProtocolError("The X client closed the connection too early");
    at += n;
  }
}
