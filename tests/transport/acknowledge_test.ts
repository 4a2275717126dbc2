/**
 * An end without data sends a message anyway, which avoids a delay of 40 ms by OpenSSH's Nagle
 * algorithm.
 */
import { assert, assertEquals } from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { KEXINIT_PATIENCE_MS } from "../../lib/defaults.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import { FakeTime } from "../support/fake_time.ts";
import { followHostKeys } from "../../lib/client/host_key_updates.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import * as m from "../../lib/wire/messages.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { greetedPair } from "./transport_pair.ts";

Deno.test("A server answers the first NEWKEYS of a client with IGNORE", async () => {
  await using world = await rawWorld("server");
  // The sequence numbers restart with the keys, so EXT_INFO is 0.
  assertEquals(world.transport.sink.packetsSinceRekey, 1);
  assertEquals(world.raw.transport.sink.packetsSinceRekey, 0); // a client does not
  await world.raw.transport.rekey();
  assertEquals(world.transport.sink.packetsSinceRekey, 0);
});

Deno.test("A client answers a server's announced keys, whether it adds them or not", async () => {
  await using world = await rawWorld("client");
  followHostKeys(world.connection, world.transport, {
    host: { hostname: "localhost", port: 22 },
    policy: { verify: () => true },
    algorithms: [],
  });
  const { sink } = world.transport;
  const before = sink.packetsSinceRekey;
  world.raw.send(m.GlobalRequest.encode({
    type: "hostkeys-00@openssh.com",
    wantReply: false,
    data: new Uint8Array(0),
  }));
  // Answers are in order: once this one arrives, earlier messages have been sent.
  world.raw.send(m.GlobalRequest.encode({
    type: "unknown@example.com",
    wantReply: true,
    data: new Uint8Array(0),
  }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  assert(sink.packetsSinceRekey === before + 2);
});

Deno.test("A server waits for the client's KEXINIT first, but only for a limited time", async () => {
  const hostKey = await generateKey();
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const options = { role: "server", suite: resolveSuite(), hostKeys: [hostKey] } as const;
  const server = new Transport(streamSocket(far), options);
  const { sink } = server;
  const send = sink.sendNow.bind(sink);
  let sent = 0;
  sink.sendNow = (payload) => {
    if (payload[0] === MSG.KEXINIT) sent++;
    send(payload);
  };
  const handshake = server.handshake().catch(() => {});
  const client = streamSocket(near);
  const lines = new Uint8Array(256);
  await Promise.all([
    client.write(new TextEncoder().encode("SSH-2.0-x\r\n")),
    client.read(lines),
  ]);
  await time.advance(KEXINIT_PATIENCE_MS - 1);
  assertEquals(sent, 0);
  await time.advance(1);
  assertEquals(sent, 1);
  server.disconnect();
  client.close();
  await handshake;
  await server.finished;
});

for (const compression of ["none", "zlib", "zlib@openssh.com"]) {
  const delayed = compression === "zlib@openssh.com";
  Deno.test(`With ${compression} a client ${delayed ? "does not acknowledge" : "acknowledges"} before the end of the login`, async () => {
    const suite = resolveSuite({ compression });
    await using pair = await greetedPair({ client: { suite }, server: { suite } });
    const acknowledged = (end: Transport) => {
      const before = end.sink.packetsSinceRekey;
      end.link().acknowledge();
      return end.sink.packetsSinceRekey > before;
    };
    assertEquals([pair.client, pair.server].map(acknowledged), [!delayed, true]);
    for (const end of [pair.client, pair.server]) end.open({ handle() {}, closed() {} });
    assertEquals([pair.client, pair.server].map(acknowledged), [true, true]);
  });
}
