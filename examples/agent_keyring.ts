/**
 * Runs an ssh-agent with one key while a local program runs:
 *
 *     deno run --allow-env --allow-net --allow-read --allow-write --allow-run \
 *       examples/agent_keyring.ts ~/.ssh/deploy_key git fetch
 */
import { Keyring, listenAgent, loadKey } from "@denossh/ssh";

const [file, program, ...args] = Deno.args;
if (file === undefined || program === undefined) {
  console.error("usage: agent_keyring.ts key-file program [argument…]");
  Deno.exit(2);
}

using keyring = new Keyring();
keyring.add(await loadKey(file, { passphrase: () => prompt("Passphrase:") ?? "" }));
await using listener = await listenAgent(keyring);
const child = new Deno.Command(program, { args, env: { SSH_AUTH_SOCK: listener.path } }).spawn();
Deno.exitCode = (await child.status).code;
