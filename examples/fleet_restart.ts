/**
 * A rolling restart: a few hosts at a time; it stops if one of them does not come back:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/fleet_restart.ts 2 'systemctl restart web' 'systemctl is-active web' web1 web2 web3
 */
import { fleet } from "@denossh/ssh";

const [count, restart, check, ...hosts] = Deno.args;
const size = Number(count);
if (!(size >= 1) || restart === undefined || check === undefined || hosts.length === 0) {
  console.error("usage: fleet_restart.ts hosts-at-a-time restart-command check-command host…");
  Deno.exit(2);
}

for (let at = 0; at < hosts.length; at += size) {
  const batch = hosts.slice(at, at + size);
  const report = await fleet(batch, { concurrency: size, timeout: 120_000 }).forEach(
    async (host, { signal }) => {
      await host.run(restart);
      // Until the service answers, or the host's time limit has passed.
      while (!(await host.command(check, { signal }).output()).success) {
        await new Promise((later) => setTimeout(later, 500));
        signal.throwIfAborted();
      }
      return "restarted";
    },
  );
  console.log(report.table());
  if (!report.success) {
    console.error(`Stopped; not restarted: ${hosts.slice(at + size).join(" ") || "no others"}`);
    Deno.exit(1);
  }
}
