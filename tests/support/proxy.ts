/** A TCP proxy on loopback that damages what passes through it. */

/**
 * Maps a chunk to the pieces that are passed on, each in a separate segment. Null cuts the connection
 * in both directions; an empty list drops the chunk.
 */
export type Damage = (chunk: Uint8Array<ArrayBuffer>, offset: number) => Uint8Array[] | null;

/** A proxy in front of a server. */
export interface Proxy extends AsyncDisposable {
  /** Where to connect instead of to the server. */
  readonly port: number;
  /** Bytes that came from clients. */
  readonly bytesToServer: number;
  /** Bytes that came from the server. */
  readonly bytesToClient: number;
}

/** Passes everything on as it is. */
export const untouched: Damage = (chunk) => [chunk];

/** Passes each byte on in a separate segment. */
export const bytewise: Damage = (chunk) => Array.from(chunk, (byte) => Uint8Array.of(byte));

/** Flips the bits of the mask in the byte at an offset. */
export function flip(at: number, mask: number): Damage {
  return (chunk, offset) => {
    const index = at - offset;
    if (index >= 0 && index < chunk.length) chunk[index]! ^= mask;
    return [chunk];
  };
}

/** Cuts the connection at an offset, possibly inside a packet. */
export function cut(at: number): Damage {
  return (chunk, offset) => offset + chunk.length > at ? null : [chunk];
}

/** Drops everything from an offset on; the connection stays open. */
export function swallow(from: number): Damage {
  return (chunk, offset) => offset >= from ? [] : [chunk.subarray(0, from - offset)];
}

/** Listens on loopback and relays to the port, with separate damage for each direction. */
export function startProxy(
  target: number,
  damage: { toServer?: Damage; toClient?: Damage } = {},
): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const relays: Promise<unknown>[] = [];
  const passed = { toServer: 0, toClient: 0 };
  const relay = async (
    direction: "toServer" | "toClient",
    from: Deno.TcpConn,
    to: Deno.TcpConn,
  ): Promise<void> => {
    const change = damage[direction] ?? untouched;
    try {
      for await (const chunk of from.readable.values({ preventCancel: true })) {
        const offset = passed[direction];
        passed[direction] += chunk.length;
        const pieces = change(chunk, offset);
        if (pieces === null) return close(from, to);
        for (const piece of pieces) await writeAll(to, piece);
      }
      await to.closeWrite();
    } catch {
      close(from, to); // one end has closed, so the other is closed
    }
  };
  const close = (...conns: Deno.TcpConn[]) => {
    for (const conn of conns) {
      if (open.delete(conn)) {
        try {
          conn.close();
        } catch { /* its stream has closed it */ }
      }
    }
  };
  const accepting = (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
      for (const conn of [client, server]) {
        conn.setNoDelay(true);
        open.add(conn);
      }
      const both = [relay("toServer", client, server), relay("toClient", server, client)];
      relays.push(Promise.all(both).then(() => close(client, server)));
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    get bytesToServer() {
      return passed.toServer;
    },
    get bytesToClient() {
      return passed.toClient;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      close(...open);
      await Promise.all(relays);
    },
  };
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
