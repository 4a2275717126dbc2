import type { Connection } from "../connection/connection.ts";
import { acceptEach, closeQuietly } from "../runtime/connections.ts";
import { onAbort } from "../waiting.ts";
import { BoundPort } from "../wire/requests.ts";
import type { ForwardAddress, HostPort } from "./address.ts";
import { decodeBind, encodeForwarded, type Family, familyOf, NAMES } from "./messages.ts";
import { listenOn } from "./sockets.ts";
import { splice } from "./splice.ts";

/** The most addresses to listen on for one client: far more than needed, far less than the file descriptors. */
const MAX_BINDINGS = 64;

/** Decides about one address; only `true` allows it, and an exception refuses it. */
export type ForwardPermit = (address: ForwardAddress) => boolean | Promise<boolean>;

/** The addresses that a server listens on for one client. */
export class ServedBindings {
  readonly #connection: Connection;
  readonly #signal: AbortSignal;
  readonly #bound = new Map<string, { end: AbortController; accepting: Promise<unknown> }>();

  /** @param signal Aborted when the connection has ended */
  constructor(connection: Connection, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
    onAbort(signal, () => {
      for (const { end } of this.#bound.values()) end.abort();
      this.#bound.clear();
    });
  }

  /** Listens if allowed; resolves to the data of the answer, or null to refuse. */
  async bind(family: Family, data: Uint8Array, permit: ForwardPermit): Promise<Uint8Array | null> {
    const asked = decodeBind(family, data);
    if (this.#bound.size >= MAX_BINDINGS || await permit(asked) !== true) return null;
    if (this.#signal.aborted || this.#bound.has(keyOf(asked))) return null;
    const listeners = "path" in asked ? [listenOn(asked)] : listenFor(asked);
    const address = "path" in asked ? asked : { ...asked, port: portOf(listeners[0]!) };
    const end = new AbortController();
    const accepting = listeners.map((listener) =>
      acceptEach(listener, end.signal, (conn) => void this.#carry(conn, address))
    );
    this.#bound.set(keyOf(address), { end, accepting: Promise.all(accepting) });
    const chosen = "port" in asked && asked.port === 0;
    return chosen ? BoundPort.encode({ port: portOf(listeners[0]!) }) : new Uint8Array(0);
  }

  /** Stops listening; accepted connections continue. */
  async cancel(family: Family, data: Uint8Array): Promise<Uint8Array | null> {
    const key = keyOf(decodeBind(family, data));
    const bound = this.#bound.get(key);
    if (!bound) return null;
    this.#bound.delete(key);
    bound.end.abort();
    await bound.accepting;
    return new Uint8Array(0);
  }

  /** Carries one connection; its errors do not affect others. */
  async #carry(conn: Deno.Conn, address: ForwardAddress): Promise<void> {
    try {
      const { forwarded } = NAMES[familyOf(address)];
      const data = encodeForwarded(address, conn.remoteAddr);
      const channel = await this.#connection.open(forwarded, data);
      await splice(channel, conn, { signal: this.#signal });
    } catch {
      // The client refused it, or one of the ends failed: both are closed.
    } finally {
      closeQuietly(conn);
    }
  }
}

/** RFC 4254 §7.1: "" means every address, "localhost" the loopback address of every family. */
function listenFor({ hostname, port }: HostPort): Deno.Listener[] {
  switch (hostname) {
    case "":
    case "*":
      try {
        return [listenOn({ hostname: "::", port })];
      } catch {
        return [listenOn({ hostname: "0.0.0.0", port })]; // a machine without IPv6
      }
    case "localhost": {
      const first = listenOn({ hostname: "127.0.0.1", port });
      try {
        return [first, listenOn({ hostname: "::1", port: portOf(first) })];
      } catch {
        return [first];
      }
    }
    default:
      return [listenOn({ hostname, port })];
  }
}

function portOf(listener: Deno.Listener): number {
  return (listener.addr as Deno.NetAddr).port;
}

function keyOf(address: ForwardAddress): string {
  return "path" in address ? address.path : `${address.port} ${address.hostname}`;
}
