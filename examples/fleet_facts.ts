/**
 * Facts about many hosts as JSON, for jq or a spreadsheet; including the hosts that cannot be reached:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/fleet_facts.ts web1 web2 db1 | jq '.[] | [.host, .value.cores]'
 */
import { type Client, fleet } from "@denossh/ssh";

async function facts(host: Client): Promise<Record<string, unknown>> {
  const { server, hostKey, cipher } = host.info;
  // Five commands at once on one connection.
  const [system, cores, load, disk, users] = await Promise.all([
    host.run("uname -srm"),
    host.run("getconf _NPROCESSORS_ONLN"),
    host.run("cat /proc/loadavg"),
    host.command("df -Pk /").lines(),
    host.command("who").lines(),
  ]);
  const [, size, used] = disk.at(-1)!.split(/\s+/);
  return {
    system,
    cores: Number(cores),
    load: Number(load.split(" ")[0]),
    disk: { kilobytes: Number(size), used: Number(used) },
    users: users.length,
    ssh: { server, cipher, hostKey: hostKey.fingerprint() },
  };
}

const report = await fleet(Deno.args, { timeout: 30_000, retries: 1 }).forEach(facts);
console.log(JSON.stringify(report, null, 2));
Deno.exit(report.success ? 0 : 1);
