/** Compression on whole connections (RFC 4253 §6.2). */
import { assertEquals } from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { DisconnectError, ProtocolError } from "../../lib/errors.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import { Ignore, ServiceAccept, UserauthSuccess } from "../../lib/wire/messages.ts";
import { noise } from "../support/random.ts";
import { greetedPair } from "./transport_pair.ts";

const text = new TextEncoder().encode("all work and no play makes a dull boy, ".repeat(20_000));

for (const compression of ["zlib", "zlib@openssh.com"]) {
  Deno.test(`${compression} carries data both ways, through rekeys of both ends`, async () => {
    const algorithms = { compression };
    await using pair = await connectedPair({
      handler: (session) => session.stdin.pipeTo(session.stdout),
      connect: { algorithms, rekey: { bytes: 200_000 } },
      serve: { algorithms, rekey: { packets: 30 } },
    });
    assertEquals(pair.host.info.compression, compression);
    for (const stdin of [text, noise(60_000), text]) {
      assertEquals((await pair.host.command("cat", { stdin }).output()).stdout, stdin);
    }
  });
}

Deno.test("compression is used only if both ends request it", async () => {
  await using pair = await connectedPair({
    handler: () => 0,
    connect: { algorithms: { compression: "zlib@openssh.com,none" } },
  });
  assertEquals(pair.host.info.compression, "none");
});

Deno.test("compression starts with the server's SUCCESS, not with a client's", async () => {
  const suite = resolveSuite({ compression: "zlib@openssh.com" });
  await using pair = await greetedPair({ client: { suite }, server: { suite } });
  const [client, server] = [pair.client.link(), pair.server.link()];
  pair.client.sink.onSuccess = () => {}; // it knows that it is wrong
  client.send(UserauthSuccess.encode({}));
  assertEquals((await server.receive())[0], UserauthSuccess.number);
  client.send(UserauthSuccess.encode({}));
  assertEquals((await server.receive())[0], UserauthSuccess.number);
  server.send(ServiceAccept.encode({ service: "ssh-userauth" }));
  assertEquals((await client.receive())[0], ServiceAccept.number);
});

Deno.test("the message directly after SUCCESS is compressed", async () => {
  const suite = resolveSuite({ compression: "zlib@openssh.com" });
  await using pair = await greetedPair({ client: { suite }, server: { suite } });
  const link = pair.client.link();
  pair.server.sink.send(UserauthSuccess.encode({}));
  pair.server.sink.send(ServiceAccept.encode({ service: "ssh-userauth" }));
  assertEquals((await link.receive())[0], UserauthSuccess.number);
  assertEquals((await link.receive())[0], ServiceAccept.number);
});

Deno.test("a bomb ends the connection with RFC 4253's reason for it", async () => {
  const suite = resolveSuite({ compression: "zlib@openssh.com" });
  const [a, b] = memoryPair();
  using key = await generateKey("ed25519");
  const client = new Transport(streamSocket(a), { role: "client", suite });
  const server = new Transport(streamSocket(b), { role: "server", suite, hostKeys: [key] });
  await Promise.all([client.handshake(), server.handshake()]);
  server.sink.send(UserauthSuccess.encode({}));
  const link = client.link();
  assertEquals((await link.receive())[0], UserauthSuccess.number);
  const more = link.receive().catch(() => null); // whoever asks for nothing reads nothing
  // Zeros compress to a thousandth.
  client.sink.sendNow(Ignore.encode({ data: new Uint8Array(2_000_000) }));
  const [ours, theirs] = await Promise.all([server.closed, client.closed]);
  assertEquals((ours as ProtocolError).constructor, ProtocolError);
  assertEquals((theirs as DisconnectError).constructor, DisconnectError);
  assertEquals((theirs as DisconnectError).reason, 6);
  await Promise.all([client.finished, server.finished, more]);
});
