/**
 * A shell in the browser: xterm.js in the page, a WebSocket to this program, and SSH to the host. Each
 * tab gets a shell on one shared connection.
 *
 *     deno run --allow-net --allow-env --allow-read --allow-import \
 *       examples/web_terminal.ts user@host [PORT]
 *
 * Open the address that it prints. The secret in it keeps other web pages out.
 */
import { connect, type Process } from "@denossh/ssh";
import "npm:@xterm/xterm@6/package.json" with { type: "json" }; // fetches the package

const FILES: Readonly<Record<string, [path: string, type: string]>> = {
  "/": [import.meta.resolve("./web_terminal.html"), "text/html"],
  "/xterm.mjs": [import.meta.resolve("npm:@xterm/xterm@6/lib/xterm.mjs"), "text/javascript"],
  "/xterm.css": [import.meta.resolve("npm:@xterm/xterm@6/css/xterm.css"), "text/css"],
};
const secret = crypto.randomUUID();

await using host = await connect(Deno.args[0]!);

/** Connects a browser to a shell until one of them disconnects. */
async function join(socket: WebSocket, shell: Process): Promise<void> {
  await using _ended = shell;
  for await (const chunk of shell.stdout) {
    socket.send(chunk);
    // A slow browser slows the shell down instead of filling our memory.
    while (socket.bufferedAmount > 1_000_000) await new Promise((done) => setTimeout(done, 10));
  }
}

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (!pathname.startsWith("/xterm.") && searchParams.get("secret") !== secret) {
    return new Response("Forbidden", { status: 403 });
  }
  if (pathname !== "/shell") {
    const [path, type] = FILES[pathname] ?? [];
    if (path === undefined) return new Response("Not found", { status: 404 });
    return new Response(await Deno.readFile(new URL(path)), { headers: { "content-type": type! } });
  }
  const shell = await host.shell();
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => join(socket, shell).catch(console.error).finally(() => socket.close());
  socket.onclose = () => void shell.channel.close();
  socket.onmessage = ({ data }) =>
    typeof data === "string" ? shell.resize(JSON.parse(data)) : shell.send(new Uint8Array(data));
  return response;
}

const server = Deno.serve({ port: Number(Deno.args[1] ?? 8000), hostname: "127.0.0.1" }, answer);
console.log(`http://127.0.0.1:${server.addr.port}/?secret=${secret}`);
await server.finished;
