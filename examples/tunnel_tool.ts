/**
 * Runs a tool without SSH support, such as a migration, against a Postgres behind a gateway. libpq's
 * variables point the tool to the tunnel; its exit code becomes ours.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh --allow-run \
 *       examples/tunnel_tool.ts ops@bastion db.internal:5432 npm:node-pg-migrate@8 up
 */
import { openTunnels } from "@denossh/ssh";

const [gateway, to, ...tool] = Deno.args;
if (gateway === undefined || to === undefined || tool.length === 0) {
  console.error("usage: tunnel_tool.ts [user@]gateway host:port npm:tool argument...");
  Deno.exit(2);
}

await using tunnels = await openTunnels(gateway, {
  local: [{ from: { port: 0 }, to }],
  onState: (state, cause) => console.error(`The tunnel is ${state}`, cause ?? ""),
});
const [{ hostname, port }] = tunnels.addrs as [Deno.NetAddr];
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", ...tool],
  env: { PGHOST: hostname, PGPORT: `${port}` },
}).spawn().status;
Deno.exitCode = code;
