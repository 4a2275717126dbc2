/**
 * Answers connections to a port of the server, without a local port:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/forward_listen.ts deploy@example.com
 */
import { connect } from "@denossh/ssh";

const [target] = Deno.args;
if (target === undefined) {
  console.error("usage: forward_listen.ts [user@]host[:port]");
  Deno.exit(2);
}

await using host = await connect(target);
await using listener = await host.listen({ port: 0 });
console.log(`Try: ssh ${target} nc localhost ${listener.addr.port}`);
for await (const inbound of listener) {
  // Echoes; an error ends only its own connection.
  inbound.readable.pipeTo(inbound.writable).catch((error) => console.error(`${error}`));
}
