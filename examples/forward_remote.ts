/**
 * Offers a local web server on a port of the server (`ssh -R`):
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/forward_remote.ts deploy@example.com 8080
 */
import { connect } from "@denossh/ssh";

const [target, port] = Deno.args;
if (target === undefined || port === undefined) {
  console.error("usage: forward_remote.ts [user@]host[:port] port");
  Deno.exit(2);
}

await using web = Deno.serve({ port: 0, hostname: "127.0.0.1" }, (request) => {
  return new Response(`You asked for ${new URL(request.url).pathname}\n`);
});
await using host = await connect(target);
await using tunnel = await host.forwardRemote({
  from: { port: Number(port) },
  to: { hostname: "127.0.0.1", port: web.addr.port },
});
console.log(`Try: ssh ${target} curl http://localhost:${tunnel.addr.port}/`);
await tunnel.closed;
