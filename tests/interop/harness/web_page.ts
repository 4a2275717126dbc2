/** A web server with one page, whose WebSockets are relayed to a TCP server on loopback. */
import { webSocketTransport } from "@denossh/ssh";

/** The server. */
export interface WebPage extends AsyncDisposable {
  /** The page, which loads the script. */
  readonly url: string;
  /** The WebSocket that is relayed. */
  readonly relay: string;
}

/** Starts it on loopback. */
export function startWebPage(script: string, port: number): WebPage {
  const relays: Promise<unknown>[] = [];
  const relay = async (socket: WebSocket) => {
    const page = await webSocketTransport(socket);
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.allSettled([
      page.readable.pipeTo(conn.writable),
      conn.readable.pipeTo(page.writable),
    ]);
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/relay") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      relays.push(relay(socket));
      return response;
    }
    if (pathname !== "/script.js") {
      const page = '<!DOCTYPE html><script type="module" src="script.js"></script>';
      return new Response(page, { headers: { "content-type": "text/html" } });
    }
    const headers = { "content-type": "text/javascript" };
    return new Response(await Deno.readFile(script), { headers });
  });
  const address = `127.0.0.1:${server.addr.port}`;
  return {
    url: `http://${address}/`,
    relay: `ws://${address}/relay`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Promise.all(relays);
    },
  };
}
