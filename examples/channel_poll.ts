/**
 * Two commands read from one loop without blocking, as with `select()` on `fileno()`.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/channel_poll.ts user@host
 */
import { type Channel, connect } from "@denossh/ssh";

await using host = await connect(Deno.args[0]!);

async function start(command: string): Promise<Channel> {
  const channel = await host.openSession();
  channel.name = command;
  await channel.exec(command);
  return channel;
}

const running = new Set([
  await start("for i in 1 2 3; do echo $i; sleep 1; done"),
  await start("for i in a b; do echo $i; sleep 1.5; done"),
]);
const buffer = new Uint8Array(4096);
const decoder = new TextDecoder();
while (running.size > 0) {
  const ready = [...running].map((channel) => channel.ready("read").then(() => channel));
  const channel = await Promise.race(ready);
  const n = channel.tryRead(buffer); // recv on a non-blocking channel; null at the end
  if (n !== null) {
    console.log(`${channel.name}: ${decoder.decode(buffer.subarray(0, n)).trimEnd()}`);
    continue;
  }
  console.log(`${channel.name}: exit status ${await channel.recvExitStatus()}`);
  running.delete(channel);
}
