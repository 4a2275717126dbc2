/**
 * Runs a command on a host that is reached through one or more others (`ssh -J`):
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/forward_jump.ts admin@10.0.0.5 uptime ops@bastion ops@inner
 */
import { connect } from "@denossh/ssh";

const [target, command, ...jump] = Deno.args;
if (target === undefined || command === undefined || jump.length === 0) {
  console.error("usage: forward_jump.ts target command jump...");
  Deno.exit(2);
}

await using host = await connect(target, { jump });
console.log(await host.run(command));
