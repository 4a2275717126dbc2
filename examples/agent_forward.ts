/**
 * Lends one key to one command, for example a git pull on the server (like `ssh -A`, but with one key
 * only):
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/agent_forward.ts deploy@example.com "git -C app pull" ~/.ssh/deploy_key
 */
import { connect, Keyring, loadKey } from "@denossh/ssh";

const [target, command, file] = Deno.args;
if (target === undefined || command === undefined || file === undefined) {
  console.error("usage: agent_forward.ts [user@]host[:port] command key-file");
  Deno.exit(2);
}

// Only this command can use the key, and only while it runs; each use is shown.
using keyring = new Keyring({
  confirm: (key) => {
    console.error(`${target} signs with ${key.fingerprint()}`);
    return true;
  },
});
const passphrase = () => prompt("Passphrase:") ?? "";
keyring.add(await loadKey(file, { passphrase }), { confirm: true, lifetime: 60 * 60 * 1000 });
await using host = await connect(target);
console.log(await host.run(command, { forwardAgent: keyring }));
