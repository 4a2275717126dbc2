/**
 * Lists the keys of the running ssh-agent and logs in with them:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh,$SSH_AUTH_SOCK \
 *       --allow-write=$SSH_AUTH_SOCK examples/agent_login.ts deploy@example.com uptime
 */
import { agent, connect, connectAgent } from "@denossh/ssh";

const [target, command] = Deno.args;
if (target === undefined || command === undefined) {
  console.error("usage: agent_login.ts [user@]host[:port] command");
  Deno.exit(2);
}

await using keys = await connectAgent(); // at SSH_AUTH_SOCK
for (const { publicKey } of await keys.identities()) {
  console.log(publicKey.fingerprint(), publicKey.comment);
}
await using host = await connect(target, { auth: [agent()] });
console.log(await host.run(command));
