/**
 * A shell on a terminal, controlled by a program: get_pty, resize_pty, invoke_shell.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/channel_terminal.ts user@host
 */
import { connect } from "@denossh/ssh";

await using host = await connect(Deno.args[0]!);
await using channel = await host.openSession();
await channel.requestPty({ term: "vt100", columns: 90, rows: 30, modes: { ECHO: 0 } }); // get_pty
await channel.shell(); // invoke_shell

const lines = channel.lines();
const type = (line: string) => channel.writeAll(new TextEncoder().encode(`${line}\n`));
const seen = async (pattern: RegExp) => {
  for (let line; !(line = await lines.next()).done;) {
    if (pattern.test(line.value)) return line.value;
  }
};

await type("stty size");
console.log(await seen(/^\d+ \d+$/));
channel.resizePty({ columns: 132, rows: 50 }); // resize_pty
await type("stty size; exit 3");
console.log(await seen(/^\d+ \d+$/));
console.log("exit status", await channel.recvExitStatus());
