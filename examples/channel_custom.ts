/**
 * Custom channel types and global requests, in both roles: Transport.accept, open_channel,
 * global_request. Client and server are in one process here:
 *
 *     deno run --allow-net examples/channel_custom.ts
 */
import { type ChannelOwner, connect, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** Accepts the channels that the other end opens; types without a handler are refused. */
async function answer(connection: ChannelOwner): Promise<void> {
  connection.handleGlobals("time@example.com", () => bytes(new Date(0).toISOString()));
  for await (const open of connection.incoming) {
    if (open.type !== "echo@example.com") {
      open.reject(3, "Only echoes here");
      continue;
    }
    const channel = open.accept(bytes(`hello ${text(open.data)}`)); // extra data, both ways
    channel.readable.pipeTo(channel.writable).catch(() => {});
  }
}

const hostKey = await generateKey();
await using server = serve({
  port: 0,
  hostname: "127.0.0.1",
  hostKeys: [hostKey],
  auth: { none: () => true },
  onConnection: answer,
});
await using host = await connect({
  hostname: "127.0.0.1",
  port: server.addr.port,
  user: "me",
  auth: [none()],
  hostKeys: hostKey.publicKey,
});
await using channel = await host.openChannel("echo@example.com", { extra: bytes("me") });
console.log(text(channel.extra));
await channel.writeAll(bytes("an echo\n"));
await channel.closeWrite();
for await (const line of channel.lines()) console.log(line);
console.log(text(await host.request("time@example.com")));
await host.openChannel("spam@example.com").catch((error) => console.log(error.message));
