/**
 * Fetches what only the server can reach (`ssh -D`); names are resolved there:
 * deno run -A examples/forward_fetch.ts deploy@gateway http://wiki.internal/
 */
import { connect } from "@denossh/ssh";

const [gateway, url] = Deno.args;
if (gateway === undefined || url === undefined) {
  console.error("usage: forward_fetch.ts [user@]host[:port] url");
  Deno.exit(2);
}

await using host = await connect(gateway);
await using socks = await host.forwardSocks({ port: 0 });
const proxy = { url: `socks5h://127.0.0.1:${socks.addr.port}` };
using client = Deno.createHttpClient({ proxy });
const answer = await fetch(url, { client });
console.log(answer.status, await answer.text());
