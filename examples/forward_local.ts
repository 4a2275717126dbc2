/**
 * Reaches a database behind a gateway (`ssh -L`):
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/forward_local.ts deploy@gateway db.internal:5432
 */
import { connect } from "@denossh/ssh";

const [gateway, to] = Deno.args;
if (gateway === undefined || to === undefined) {
  console.error("usage: forward_local.ts [user@]host[:port] host:port");
  Deno.exit(2);
}

await using host = await connect(gateway, { keepaliveInterval: 15_000 });
await using tunnel = await host.forwardLocal({
  from: { port: 0 }, // any free port
  to,
  onError: (error) => console.error(`One connection failed: ${error}`),
});
console.log(`127.0.0.1:${tunnel.addr.port} leads to ${to}`);
if (!await tunnel.check()) console.error(`${gateway} cannot reach ${to} at the moment`);
await tunnel.closed; // until the connection to the gateway is lost
