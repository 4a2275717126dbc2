/**
 * A raw channel used as a socket: the methods of paramiko's `Channel`, in Deno's style.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/channel_socket.ts user@host
 */
import { connect } from "@denossh/ssh";

await using host = await connect(Deno.args[0]!);
await using channel = await host.openSession();

channel.timeout = 10_000; // settimeout: reads and writes end with Deno.errors.TimedOut
channel.combineStderr(true); // set_combine_stderr
await channel.setEnv("LC_ALL", "C"); // set_environment_variable: silent; { strict: true } throws
await channel.exec("tr a-z A-Z; ls /nonexistent"); // exec_command

await channel.writeAll(new TextEncoder().encode("over the wire\n")); // sendall
await channel.shutdown("write"); // shutdown_write: EOF

for await (const line of channel.lines()) console.log(line); // makefile().readlines()
console.log("exit status", await channel.recvExitStatus()); // recv_exit_status: -1 if there is none
console.log(channel); // __repr__: state, windows, buffered bytes
