import type { Channel } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { acceptEach, closeQuietly } from "../runtime/connections.ts";
import { onAbort } from "../waiting.ts";
import { type AddrOf, type BindAddress, bindOf, type ForwardAddress } from "./address.ts";
import { Tunnel, type TunnelParts } from "./forwarder.ts";
import { encodeDirect, familyOf, NAMES } from "./messages.ts";
import { listenOn } from "./sockets.ts";

/** The route of a connection: its channel, and the data that has been read already. */
export interface Route {
  readonly channel: Channel;
  readonly early?: Uint8Array;
}

/** Finds the route of one connection; an error ends only that connection. */
export type Router = (conn: Deno.Conn, signal: AbortSignal) => Promise<Route>;

/** Opens a channel to an address in the server's network. */
export function openDirect(
  connection: Connection,
  target: ForwardAddress,
  from: Deno.Addr | null,
  signal?: AbortSignal,
): Promise<Channel> {
  const { direct } = NAMES[familyOf(target)];
  return connection.open(direct, encodeDirect(target, from), { signal });
}

/** A tunnel from this side; a router chooses the target of each connection. */
export function localTunnel<A extends BindAddress>(
  from: A,
  router: Router,
  parts: Omit<TunnelParts<AddrOf<A>>, "addr" | "stop">,
): Tunnel<AddrOf<A>> {
  const listener = listenOn(bindOf(from, "127.0.0.1"));
  const tunnel: Tunnel<AddrOf<A>> = new Tunnel({
    ...parts,
    addr: listener.addr as AddrOf<A>,
    stop: () => accepting,
  });
  const accepting = acceptEach(listener, tunnel.signal, (conn) =>
    void tunnel.run(async () => {
      using _closing = onAbort(tunnel.signal, () => closeQuietly(conn));
      try {
        const { channel, early } = await router(conn, tunnel.signal);
        await tunnel.carry(channel, conn, early);
      } finally {
        closeQuietly(conn);
      }
    }));
  return tunnel;
}
