/**
 * Fetches what only the server can reach (`ssh -D`); names are resolved there:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/forward_fetch.ts deploy@gateway http://wiki.internal/
 */
import { connect } from "@denossh/ssh";

const [gateway, url] = Deno.args;
if (gateway === undefined || url === undefined) {
  console.error("usage: forward_fetch.ts [user@]host[:port] url");
  Deno.exit(2);
}

await using host = await connect(gateway);
const answer = await host.fetch(url);
console.log(answer.status, await answer.text());
