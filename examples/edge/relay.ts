/**
 * Serves the page of a terminal that speaks SSH in the browser, and relays its bytes to one SSH
 * server. The browser encrypts and checks the host key, so the relay sees neither plain text nor keys.
 *
 *     deno bundle --platform=browser -o bundle.js examples/edge/terminal.js
 *     deno run --allow-net --allow-read examples/edge/relay.ts host:22 bundle.js [PORT]
 */
import { webSocketTransport } from "@denossh/ssh";
import "npm:@xterm/xterm@6/package.json" with { type: "json" }; // fetches the package

const [target = "", script = "", ownPort = "8000"] = Deno.args;
const { hostname, port } = new URL(`ssh://${target}`);
const FILES: Readonly<Record<string, [path: string, type: string]>> = {
  "/": [import.meta.resolve("./terminal.html"), "text/html"],
  "/terminal.js": [new URL(script, `file://${Deno.cwd()}/`).href, "text/javascript"],
  "/xterm.css": [import.meta.resolve("npm:@xterm/xterm@6/css/xterm.css"), "text/css"],
};

async function relay(socket: WebSocket): Promise<void> {
  const browser = await webSocketTransport(socket);
  using server = await Deno.connect({ hostname, port: Number(port || 22) });
  await Promise.all([
    browser.readable.pipeTo(server.writable),
    server.readable.pipeTo(browser.writable),
  ]);
}

async function answer(request: Request): Promise<Response> {
  const { pathname, origin } = new URL(request.url);
  if (pathname === "/ssh") {
    // Without this check, pages of other sites could reach the server through our users' browsers.
    if (request.headers.get("origin") !== origin) return new Response("Forbidden", { status: 403 });
    const { socket, response } = Deno.upgradeWebSocket(request);
    relay(socket).catch((error) => console.error(error.message)).finally(() => socket.close());
    return response;
  }
  const [path, type] = FILES[pathname] ?? [];
  if (path === undefined) return new Response("Not found", { status: 404 });
  return new Response(await Deno.readFile(new URL(path)), { headers: { "content-type": type! } });
}

const server = Deno.serve({ port: Number(ownPort), hostname: "127.0.0.1" }, answer);
console.log(`http://127.0.0.1:${server.addr.port}/`);
await server.finished;
