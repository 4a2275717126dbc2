/**
 * A shell at this terminal, as `ssh -t`: raw mode, the window's size, and everything restored at the end.
 * Asks before it trusts an unknown host, and for a password.
 *
 * deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh --allow-write=$HOME/.ssh \
 *   examples/terminal.ts user@host [known_hosts]
 */
import { agent, connect, knownHosts, password, promptHostKey, promptSecret } from "@denossh/ssh";

const [target, known = `${Deno.env.get("HOME")}/.ssh/known_hosts`] = Deno.args;
await using host = await connect(target!, {
  auth: [agent(), password(async () => await promptSecret(`${target}'s password: `) ?? "")],
  hostKeys: knownHosts(known, { unknown: promptHostKey }),
});
await using shell = await host.shell({ pty: { term: Deno.env.get("TERM") ?? "dumb" } });
const { code } = await shell.attach();
Deno.exitCode = code ?? 255;
