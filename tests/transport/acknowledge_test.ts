/** What OpenSSH's Nagle algorithm would turn into 40 ms: an end that has nothing to say, and says it. */
import { assert, assertEquals } from "@std/assert";
import { followHostKeys } from "../../lib/client/host_key_updates.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import * as m from "../../lib/wire/messages.ts";
import { rawWorld } from "../connection/raw_world.ts";

Deno.test("A server answers the first NEWKEYS of a client with IGNORE", async () => {
  await using world = await rawWorld("server");
  // The numbers start anew with the keys, so EXT_INFO is 0.
  assertEquals(world.transport.sink.packetsSinceRekey, 1);
  await world.raw.transport.rekey();
  assertEquals(world.transport.sink.packetsSinceRekey, 0);
});

Deno.test("A client answers the keys that a server announces, learned or not", async () => {
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
  // Answers come in order: when this one is there, what went before has been sent.
  world.raw.send(m.GlobalRequest.encode({
    type: "unknown@example.com",
    wantReply: true,
    data: new Uint8Array(0),
  }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  assert(sink.packetsSinceRekey === before + 2);
});
