/**
 * SSH over a program's pipes (ssh_config's ProxyCommand), as over anything with `readable` and `writable`: a
 * channel, a unix socket, a WebSocketStream.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh --allow-run \
 *       examples/transport_command.ts me@inner.example.com ssh -W inner.example.com:22 bastion
 */
import { connect } from "@denossh/ssh";

const [target, program, ...args] = Deno.args;
if (target === undefined || program === undefined) {
  console.error("usage: transport_command.ts [user@]host[:port] program [argument...]");
  Deno.exit(2);
}

await using child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
await using host = await connect(target, {
  transport: { readable: child.stdout, writable: child.stdin },
});
console.log(await host.run("hostname"));
