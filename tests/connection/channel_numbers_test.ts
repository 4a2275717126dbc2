/** Channel numbers: their limit, and when one is free again. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel, IncomingOpen } from "../../lib/connection/channel.ts";
import { MAX_CHANNELS } from "../../lib/defaults.ts";
import { ChannelOpenError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { data, none, openChannel } from "./raw_channel.ts";
import { type RawWorld, rawWorld } from "./raw_world.ts";

const TOO_MANY = 4; // SSH_OPEN_RESOURCE_SHORTAGE

function refuse(world: RawWorld, recipient: number): void {
  const failure = { recipient, reason: 1, description: "no", language: "" };
  world.raw.send(m.ChannelOpenFailure.encode(failure));
}

function openFromPeer(world: RawWorld, sender: number): void {
  const open = { type: "session", sender, window: 1000, maxPacket: 1000, data: none };
  world.raw.send(m.ChannelOpen.encode(open));
}

const waysToEndAgain: Record<string, (channel: Channel) => unknown> = {
  "abort()": (channel) => channel.abort(),
  "close()": (channel) => channel.close(),
  "a disposal": (channel) => channel[Symbol.dispose](),
  "a cancelled stream": (channel) => channel.readable.cancel(),
};
for (const [name, endAgain] of Object.entries(waysToEndAgain)) {
  Deno.test(`The number of a closed channel stays its successor's after ${name}`, async () => {
    await using world = await rawWorld("client");
    const first = await openChannel(world);
    world.raw.send(m.ChannelClose.encode({ recipient: first.id }));
    await first.closed;
    const second = await openChannel(world);
    assertEquals(second.id, first.id);
    await endAgain(first);
    assertEquals(world.connection.channelCount, 1);
    const third = await openChannel(world);
    assert(third.id !== second.id);
    world.raw.send(data(second.id, 5));
    assertEquals((await second.readChunk())!.length, 5);
  });
}

Deno.test("The number of a channel that was refused, or not requested, is reused", async () => {
  await using world = await rawWorld("client");
  const opening = world.connection.open("session");
  const { sender } = m.ChannelOpen.decode(await world.raw.next(MSG.CHANNEL_OPEN));
  refuse(world, sender);
  await assertRejects(() => opening, ChannelOpenError);
  await assertRejects(() => world.connection.open("session", new Uint8Array(300_000)), RangeError);
  assertEquals(world.connection.channelCount, 0);
  assertEquals((await openChannel(world)).id, sender);
});

Deno.test("A connection is busy with open channels, pending requests, and channels that the peer may open", async () => {
  await using world = await rawWorld("client");
  const { connection, raw } = world;
  assertEquals(connection.busy, false);
  const opening = openChannel(world);
  assertEquals(connection.busy, true);
  const channel = await opening;
  assertEquals(connection.busy, true);
  const closing = channel.close();
  assertEquals([connection.busy, connection.channelCount], [false, 1]);
  raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await closing;
  const asking = connection.request("x@example.com", none);
  assertEquals(connection.busy, true);
  raw.send(m.RequestSuccess.encode({ data: none }));
  await asking;
  assertEquals(connection.busy, false);
  connection.handleOpens("forwarded-tcpip", (open) => open.reject());
  assertEquals(connection.busy, true);
});

Deno.test("The number of an aborted open is reused once it is refused or closed", async () => {
  await using world = await rawWorld("client");
  for (const answer of ["closed", "refused"]) {
    const aborter = new AbortController();
    const opening = world.connection.open("session", none, { signal: aborter.signal });
    const { sender } = m.ChannelOpen.decode(await world.raw.next(MSG.CHANNEL_OPEN));
    aborter.abort(new Error("never mind"));
    await assertRejects(() => opening, Error, "never mind");
    assertEquals(world.connection.channelCount, 1); // the answer still comes
    if (answer === "refused") {
      refuse(world, sender);
    } else {
      const confirmation = { recipient: sender, sender: 5, window: 9, maxPacket: 9, data: none };
      world.raw.send(m.ChannelOpenConfirmation.encode(confirmation));
      await world.raw.next(MSG.CHANNEL_CLOSE);
      world.raw.send(m.ChannelClose.encode({ recipient: sender }));
    }
    const next = await openChannel(world);
    // Answers are handled in order, so the number is free for later ones.
    const again = await openChannel(world);
    assertEquals([next.id, again.id].includes(sender), true);
    for (const { id } of [next, again]) world.raw.send(m.ChannelClose.encode({ recipient: id }));
    await again.closed;
    assertEquals(world.connection.channelCount, 0);
  }
});

for (const role of ["client", "server"] as const) {
  Deno.test(`A connection opens at most MAX_CHANNELS channels (${role})`, async () => {
    await using world = await rawWorld(role);
    const { connection, raw } = world;
    const openings = Array.from({ length: MAX_CHANNELS }, () => connection.open("session"));
    for (const opening of openings) opening.catch(() => {});
    const error = await assertRejects(
      () => connection.open("session"),
      ChannelOpenError,
      `at most ${MAX_CHANNELS} channels`,
    );
    assertEquals(error.reason, TOO_MANY);
    const { sender } = m.ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
    refuse(world, sender);
    await assertRejects(() => openings[0]!, ChannelOpenError);
    connection.open("one more").catch(() => {});
    assertEquals(connection.channelCount, MAX_CHANNELS);
  });

  Deno.test(`A connection accepts at most MAX_CHANNELS channels (${role})`, async () => {
    const accepted: Channel[] = [];
    let asked = 0;
    const accept = (open: IncomingOpen) => {
      asked++;
      accepted.push(open.accept());
    };
    await using world = await rawWorld(role, { opens: new Map([["session", accept]]) });
    for (let sender = 0; sender <= MAX_CHANNELS; sender++) openFromPeer(world, sender);
    const failure = m.ChannelOpenFailure.decode(await world.raw.next(MSG.CHANNEL_OPEN_FAILURE));
    assertEquals([failure.recipient, failure.reason], [MAX_CHANNELS, TOO_MANY]);
    assertEquals([asked, accepted.length], [MAX_CHANNELS, MAX_CHANNELS]);
    await assertRejects(() => world.connection.open("session"), ChannelOpenError);
    world.raw.send(m.ChannelClose.encode({ recipient: accepted[9]!.id }));
    openFromPeer(world, 7);
    await world.raw.next(MSG.CHANNEL_CLOSE);
    await world.raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
    assertEquals(world.connection.channelCount, MAX_CHANNELS);
  });
}

Deno.test("An open that is accepted when there are too many channels is refused", async () => {
  const opens: IncomingOpen[] = [];
  const think = (open: IncomingOpen) => {
    opens.push(open);
    return new Promise<void>(() => {});
  };
  await using world = await rawWorld("server", { opens: new Map([["session", think]]) });
  openFromPeer(world, 3);
  world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: true, data: none }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  for (let i = 0; i < MAX_CHANNELS; i++) world.connection.open("busy").catch(() => {});
  await assertRejects(async () => await opens[0]!.accept(), ChannelOpenError);
  const failure = m.ChannelOpenFailure.decode(await world.raw.next(MSG.CHANNEL_OPEN_FAILURE));
  assertEquals([failure.recipient, failure.reason], [3, TOO_MANY]);
});
