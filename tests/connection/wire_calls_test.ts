/** The messages of aborts, limits and disposals, and the state after them, seen from a raw peer. */
import { assertEquals, assertRejects } from "@std/assert";
import { bytesWritten, DisconnectError } from "@denossh/ssh";
import { peek32 } from "../../lib/wire/hot.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { adjust, data, none, openChannel, receiveBytes } from "./raw_channel.ts";
import { rawWorld } from "./raw_world.ts";
import { until } from "./until.ts";

for (const role of ["client", "server"] as const) {
  Deno.test(`Stopping reading: OpenSSH is told once (${role})`, async () => {
    await using world = await rawWorld(role, {}, {}, "SSH-2.0-OpenSSH_9.2");
    const channel = await openChannel(world);
    await channel.readable.cancel();
    await channel.shutdown("read");
    await channel.closeWrite();
    await world.raw.next(MSG.CHANNEL_EOF);
    const told = world.raw.received.filter((payload) => payload[0] === MSG.CHANNEL_REQUEST)
      .map((payload) => m.ChannelRequest.decode(payload));
    assertEquals(told.map(({ type, wantReply }) => [type, wantReply]), [[
      "eow@openssh.com",
      false,
    ]]);
  });

  Deno.test(`Stopping reading: others are not told, and their data is granted (${role})`, async () => {
    await using world = await rawWorld(role, { window: 1024 }, {}, "SSH-2.0-dropbear");
    const channel = await openChannel(world);
    world.raw.send(data(channel.id, 500));
    await channel.ready("read");
    await channel.shutdown("read");
    assertEquals(peek32(await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST), 5), 500);
    for (let round = 0; round < 10; round++) {
      world.raw.send(data(channel.id, 1024, round % 2));
      assertEquals(peek32(await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST), 5), 1024);
    }
    assertEquals(world.raw.received.filter((p) => p[0] === MSG.CHANNEL_REQUEST), []);
  });
}

Deno.test("After the peer's eow, EOF can still be sent", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  world.raw.send(m.ChannelRequest.encode({
    recipient: channel.id,
    type: "eow@openssh.com",
    wantReply: false,
    data: none,
  }));
  await until(() => channel.state.writing === "ended");
  await channel.closeWrite();
  await world.raw.next(MSG.CHANNEL_EOF);
});

Deno.test("Combined stderr is credited once, when it is read", async () => {
  await using world = await rawWorld("client", { window: 1024 });
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, 1024, 1));
  await channel.ready("stderr");
  channel.combineStderr(true);
  assertEquals(channel.state.receiveWindow, 0);
  assertEquals(await channel.read(new Uint8Array(2000)), 1024);
  assertEquals(peek32(await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST), 5), 1024);
  assertEquals(channel.state.receiveWindow, 1024);
});

Deno.test("An aborted request still consumes its own reply", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const aborter = new AbortController();
  const first = channel.request("one", none, { signal: aborter.signal });
  const second = channel.request("two");
  await world.raw.next(MSG.CHANNEL_REQUEST);
  aborter.abort(new Error("never mind"));
  await assertRejects(() => first, Error, "never mind");
  assertEquals(channel.state.pendingRequests, 2);
  world.raw.send(m.ChannelFailure.encode({ recipient: channel.id }));
  world.raw.send(m.ChannelSuccess.encode({ recipient: channel.id }));
  await second;
});

Deno.test("Replies in flight when a channel is aborted are not violations", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const asked = assertRejects(() => channel.request("one"), Error, "enough");
  await world.raw.next(MSG.CHANNEL_REQUEST);
  channel.abort(new Error("enough"));
  await asked;
  world.raw.send(m.ChannelSuccess.encode({ recipient: channel.id }));
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await channel.closed;
});

Deno.test("When a connection dies, each channel learns how much of its write was sent", async () => {
  await using world = await rawWorld("client");
  const writes = [];
  for (const window of [10, 20]) {
    const channel = await openChannel(world, { window });
    writes.push(channel.writeAll(new Uint8Array(100)).catch((error) => error));
    await receiveBytes(world, window);
  }
  world.raw.transport.disconnect(11, "good night");
  const errors = await Promise.all(writes);
  assertEquals(errors.map((error) => error instanceof DisconnectError), [true, true]);
  const kinds = errors.map((error) => [error.name, Object.prototype.toString.call(error)]);
  assertEquals(kinds, Array(2).fill(["DisconnectError", "[object Error]"]));
  assertEquals(errors.map(bytesWritten), [10, 20]);
  assertEquals(errors.map((error) => error.by), ["peer", "peer"]);
});

Deno.test("Calls with a time limit that wait during a rekey continue after it", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  channel.timeout = 10_000;
  const rekey = world.transport.rekey();
  const writing = channel.writeAll(new Uint8Array(100));
  await Promise.all([rekey, writing, channel.ready("write")]);
  assertEquals(await receiveBytes(world, 100), [100]);
});

Deno.test("A write whose window opens when its time limit ends tells how much was sent", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 10 });
  const aborter = new AbortController();
  const write = channel.write(new Uint8Array(30), { signal: aborter.signal });
  assertEquals(await write, 10);
  const second = channel.write(new Uint8Array(30), { signal: aborter.signal });
  world.raw.send(adjust(channel.id, 5));
  assertEquals(await second, 5);
});

Deno.test("Disposing of a channel waits only for a peer that has finished", async () => {
  await using world = await rawWorld("client");
  const busy = await openChannel(world);
  await busy[Symbol.asyncDispose]();
  await world.raw.next(MSG.CHANNEL_CLOSE);
  const done = await openChannel(world);
  world.raw.send(m.ChannelEof.encode({ recipient: done.id }));
  const status = new Uint8Array(4);
  world.raw.send(m.ChannelRequest.encode({
    recipient: done.id,
    type: "exit-status",
    wantReply: false,
    data: status,
  }));
  await done.exitStatus;
  const disposed = done[Symbol.asyncDispose]().then(() => done.state.phase);
  await world.raw.next(MSG.CHANNEL_CLOSE);
  world.raw.send(m.ChannelClose.encode({ recipient: done.id }));
  assertEquals(await disposed, "closed");
});
