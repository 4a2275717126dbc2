/**
 * Exit status and output, in either order: exec_command, recv_exit_status. Output larger than the
 * window does not block the command, since `output()` reads both streams.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/channel_output.ts user@host
 */
import { connect } from "@denossh/ssh";

await using host = await connect(Deno.args[0]!);
const command = host.command("head -c 5000000 /dev/zero; echo oops >&2; exit 7");
const { code, stdout, stderr } = await command.output();
console.log(code, stdout.length, new TextDecoder().decode(stderr).trim());

// Output as it arrives, and the status.
await using process = await host.command("for i in 1 2 3; do echo $i; done").spawn();
for await (const line of process.channel.lines()) console.log(line);
console.log(await process.status);

// A timeout, and a signal to the program.
const signal = AbortSignal.timeout(100);
await host.run("exec sleep 60", { signal }).catch((error) => console.log(error.name));
