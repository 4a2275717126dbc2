/**
 * Runs a program of the server on this machine's display (`ssh -Y`), and prints each connection:
 * request_x11 with a handler.
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write --allow-sys=hostname \
 *       examples/x11_forward.ts deploy@example.com xclock
 */
import { connect } from "@denossh/ssh";

const [target, command = "xdpyinfo"] = Deno.args;
if (target === undefined) {
  console.error("usage: x11_forward.ts [user@]host[:port] [command]");
  Deno.exit(2);
}

await using host = await connect(target);
// The display of DISPLAY; its cookie stays here, and the server gets a different one.
await using channel = await host.openSession();
const x11 = await host.forwardX11(channel);
console.log(`The server's cookie is ${x11.cookie}`);
await channel.exec(command);
for await (const line of channel.lines()) console.log(line);
Deno.exitCode = await channel.recvExitStatus();
