/**
 * Several tunnels through one gateway, like sshtunnel's `open_tunnel`: they are checked, restarted,
 * and reconnect by themselves.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/tunnels.ts ops@bastion db.internal:5432 wiki.internal:80
 */
import { openTunnels } from "@denossh/ssh";

const [gateway, ...targets] = Deno.args;
if (gateway === undefined || targets.length === 0) {
  console.error("usage: tunnels.ts [user@]host[:port] host:port...");
  Deno.exit(2);
}

await using tunnels = await openTunnels(gateway, { // start()
  local: targets.map((to) => ({ from: { port: 0 }, to })), // remote_bind_addresses
  onState: (state) => console.log(state),
});
for (const [at, { addr, up }] of (await tunnels.check()).entries()) { // check_tunnels()
  console.log(`127.0.0.1:${(addr as Deno.NetAddr).port} -> ${targets[at]} ${up ? "up" : "down"}`);
}
Deno.addSignalListener("SIGHUP", () => void tunnels.restart()); // restart()
Deno.addSignalListener("SIGINT", () => void tunnels.stop()); // stop()
await tunnels.closed;
