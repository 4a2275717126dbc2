/**
 * Files over a channel's streams: makefile, makefile_stdin, makefile_stderr.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/channel_files.ts user@host
 */
import { connect } from "@denossh/ssh";

await using host = await connect(Deno.args[0]!);
await using channel = await host.openSession();
await channel.exec('while read line; do echo "$line: ${#line}"; done; echo done >&2');

const stdin = channel.file({ stream: "stdin", mode: "w" }); // makefile_stdin("w")
await stdin.write("first\nsecond\n");
await stdin.close(); // flushes, and sends EOF
const stdout = channel.file(); // makefile("r")
console.log(await stdout.readLine());
for await (const line of stdout.lines()) console.log(line);
console.log(await channel.file({ stream: "stderr" }).readLine()); // makefile_stderr("r")
