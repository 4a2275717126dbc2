/**
 * Prints the settings of ~/.ssh/config for hosts, like `ssh -G`:
 *
 *     deno run --allow-env --allow-read=$HOME/.ssh,/etc/ssh examples/config_lookup.ts db1 bastion
 */
import { readConfig } from "@denossh/ssh/config";

const config = await readConfig(); // or readConfig("./ssh_config"), Config.parse("Host …")
for (const alias of Deno.args) {
  const { HostName, User, Port = 22, IdentityFile = [], ProxyJump = [] } = await config.lookup(
    alias,
  );
  console.log(`${alias} is ${User ?? "you"} at ${HostName} port ${Port}`);
  for (const file of IdentityFile) console.log(`  with the key ${file}`);
  for (const { hostname } of ProxyJump) console.log(`  through ${hostname}`);
}
