/**
 * A shell in the browser: xterm.js in a page, a WebSocket to here, and SSH from here on. Each tab has a
 * shell of its own on the one connection.
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

/** Connects a browser with a shell until one of them leaves. */
async function join(socket: WebSocket, shell: Process): Promise<void> {
  await using _ended = shell;
  for await (const chunk of shell.stdout) {
    socket.send(chunk);
    // A browser that cannot keep up holds the shell up, and does not fill our memory.
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
