import type { Channel } from "../connection/channel.ts";
import { decodeHex } from "../encoding.ts";
import { isError } from "../runtime/errors.ts";
import { acceptEach, closeQuietly } from "../runtime/connections.ts";
import { runtime } from "../runtime/runtime.ts";
import { listenOn } from "./sockets.ts";
import { splice } from "./splice.ts";
import { encodeAuthority, WILD } from "./x11_authority.ts";
import { X11_PORT } from "./x11_display.ts";

/** The display numbers to try: from 10, as in OpenSSH, so that those of real displays stay free. */
const FIRST_DISPLAY = 10;
const LAST_DISPLAY = 999;

/** A display that a client forwards, as in `session.x11`. */
export interface X11Source {
  /** The authentication protocol of X clients. */
  readonly protocol: string;
  /** The secret of X clients, in hexadecimal. */
  readonly cookie: string;
  /** The screen of the client's display. */
  readonly screen: number;
  /** Whether the client accepts only one connection. */
  readonly single: boolean;
  /** Opens a connection to the client's display. */
  connect(from?: Deno.Addr, options?: { readonly signal?: AbortSignal }): Promise<Channel>;
}

/** A display that programs on this machine can reach; disposing of it ends it. */
export interface X11Listener extends AsyncDisposable {
  /** Its name, for DISPLAY. */
  readonly display: string;
  /** The file with the cookie, for XAUTHORITY. */
  readonly authority: string;
  /** Stops listening, ends its connections and removes the file. */
  close(): Promise<void>;
}

/**
 * Makes the display that a client forwards available to programs on this machine: as display 10 or the next
 * free one, on the loopback address, with the cookie in a file that only its owner can read.
 *
 * Needs `--allow-net=127.0.0.1`, `--allow-read` and `--allow-write` for the temporary folder.
 *
 * @throws {Deno.errors.AddrInUse} If no display is free
 *
 * @example
 * ```ts
 * import { listenX11 } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assert } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   serve: { forward: { x11: () => true } },
 *   handler: async (session) => {
 *     await using x11 = await listenX11(session.x11!);
 *     // A program that is started with these finds the display.
 *     await session.print(
 *       `DISPLAY=${x11.display} XAUTHORITY=${x11.authority}`,
 *     );
 *   },
 * });
 * const forwardX11 = { display: ":0", authority: null };
 * assert(
 *   (await pair.host.run("env", { forwardX11 })).startsWith(
 *     "DISPLAY=127.0.0.1:",
 *   ),
 * );
 * ```
 */
export async function listenX11(x11: X11Source): Promise<X11Listener> {
  const folder = await runtime.files.makeTempDir({ prefix: "x11-" });
  try {
    const [listener, number] = listenOnFree();
    try {
      const authority = `${folder}/Xauthority`;
      const entry = {
        family: WILD,
        address: new Uint8Array(0),
        number: `${number}`,
        protocol: x11.protocol,
        data: decodeHex(x11.cookie),
      };
      await runtime.files.writeFile(authority, encodeAuthority(entry), { mode: 0o600 });
      return new DisplayListener(x11, listener, number, authority, folder);
    } catch (error) {
      listener.close();
      throw error;
    }
  } catch (error) {
    await runtime.files.remove(folder, { recursive: true });
    throw error;
  }
}

function listenOnFree(): [Deno.Listener, number] {
  for (let number = FIRST_DISPLAY;; number++) {
    try {
      return [listenOn({ hostname: "127.0.0.1", port: X11_PORT + number }), number];
    } catch (error) {
      if (!isError(error, "AddrInUse") || number >= LAST_DISPLAY) throw error;
    }
  }
}

class DisplayListener implements X11Listener {
  readonly display: string;
  readonly authority: string;
  readonly #x11: X11Source;
  readonly #folder: string;
  readonly #accepting: Promise<void>;
  /** Aborts to end listening and all connections. */
  readonly #full = new AbortController();
  readonly #end = new AbortController();
  readonly #lives = new Set<Promise<void>>();
  #closed: Promise<void> | null = null;

  constructor(
    x11: X11Source,
    listener: Deno.Listener,
    number: number,
    authority: string,
    folder: string,
  ) {
    this.#x11 = x11;
    this.#folder = folder;
    this.display = `127.0.0.1:${number}.${x11.screen}`;
    this.authority = authority;
    this.#accepting = acceptEach(listener, this.#full.signal, (conn) => this.#take(conn));
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(conn: Deno.Conn): void {
    if (this.#x11.single) this.#full.abort();
    const life = this.#carry(conn).finally(() => this.#lives.delete(life));
    this.#lives.add(life);
  }

  /** Serves one X client; its errors do not affect others. */
  async #carry(conn: Deno.Conn): Promise<void> {
    const { signal } = this.#end;
    try {
      const channel = await this.#x11.connect(conn.remoteAddr, { signal });
      await splice(channel, conn, { signal });
    } catch {
      // The client refused it, or one of the ends failed: both are closed.
    } finally {
      closeQuietly(conn);
    }
  }

  async #close(): Promise<void> {
    this.#full.abort();
    this.#end.abort();
    await this.#accepting;
    await Promise.all(this.#lives);
    await runtime.files.remove(this.#folder, { recursive: true });
  }
}
