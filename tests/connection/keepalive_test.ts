/** When a silent peer gets a keepalive, and when it counts as dead. */
import { assert, assertEquals } from "@std/assert";
import { KEEPALIVE_COUNT } from "../../lib/defaults.ts";
import { ConnectError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";
import { none } from "./raw_channel.ts";
import { type RawWorld, rawWorld } from "./raw_world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** A world in which all initial messages, such as a server's first IGNORE, have arrived. */
async function quietWorld(role: "client" | "server"): Promise<RawWorld> {
  const world = await rawWorld(role);
  const asking = world.connection.request("x");
  await world.raw.next(MSG.GLOBAL_REQUEST);
  world.raw.send(m.RequestSuccess.encode({ data: none }));
  await asking;
  return world;
}

/** The keepalives that the raw end has received. */
function asked({ raw }: RawWorld): number {
  return raw.received.filter((payload) =>
    payload[0] === MSG.GLOBAL_REQUEST &&
    m.GlobalRequest.decode(payload).type === "keepalive@openssh.com"
  ).length;
}

/** How the connection ended, or null if it has not. */
async function end({ transport }: RawWorld): Promise<unknown> {
  return await Promise.race([transport.closed, Promise.resolve(null)]);
}

for (const role of ["client", "server"] as const) {
  for (const count of [1, KEEPALIVE_COUNT, undefined]) {
    Deno.test(`A silent peer gets ${count ?? "the default number of"} keepalives, and then counts as dead (${role})`, async () => {
      using time = new FakeTime();
      await using world = await quietWorld(role);
      world.connection.keepalive(1000, count);
      const most = count ?? KEEPALIVE_COUNT;
      for (let question = 1; question <= most; question++) {
        await time.advance(999);
        assertEquals(asked(world), question - 1);
        await time.advance(1);
        assertEquals(asked(world), question);
      }
      await time.advance(999);
      assertEquals(await end(world), null);
      await time.advance(1);
      const error = await end(world);
      assert(error instanceof ConnectError && error.code === "timeout", String(error));
      assertEquals(plainMessage(error), `The peer has not answered for ${1000 * (most + 1)} ms`);
      assertEquals(asked(world), most);
    });
  }
}

Deno.test("Any message of the peer counts as a sign of life and resets the count", async () => {
  using time = new FakeTime();
  await using world = await quietWorld("client");
  world.connection.keepalive(1000, 2);
  const signs = [
    m.RequestFailure.encode({}),
    m.Unimplemented.encode({ sequence: 9 }),
    m.GlobalRequest.encode({ type: "x", wantReply: false, data: none }),
  ];
  for (let round = 0; round < 3; round++) {
    await time.advance(2000);
    assertEquals(asked(world), 2 * round + 2);
    world.raw.send(signs[round]!);
    await time.advance(1000); // it was heard, so no keepalive is needed
    assertEquals(asked(world), 2 * round + 2);
  }
  await time.advance(2000);
  assertEquals([asked(world), await end(world)], [8, null]);
  await time.advance(1000);
  assert(await end(world) instanceof ConnectError);
});

Deno.test("A peer that sends regularly gets no keepalives", async () => {
  using time = new FakeTime();
  await using world = await quietWorld("client");
  world.connection.keepalive(1000, 1);
  for (let round = 0; round < 10; round++) {
    world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: false, data: none }));
    await time.advance(1000);
  }
  assertEquals([asked(world), await end(world)], [0, null]);
});

Deno.test("New keepalive settings replace the previous ones", async () => {
  using time = new FakeTime();
  await using world = await quietWorld("client");
  world.connection.keepalive(1000, 1);
  world.connection.keepalive(60_000, 1);
  await time.advance(59_000);
  assertEquals([asked(world), await end(world)], [0, null]);
  await time.advance(1000);
  assertEquals(asked(world), 1);
});
