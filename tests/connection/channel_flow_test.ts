/** Windows of channels: the data sent, the credit returned, and the end. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Channel, IncomingOpen } from "../../lib/connection/channel.ts";
import { ChannelCore, type ChannelHost } from "../../lib/connection/channel_core.ts";
import { ChannelWriter } from "../../lib/connection/channel_writer.ts";
import { ChunkMemory } from "../../lib/connection/chunk_memory.ts";
import { lazyError } from "../../lib/connection/lazy_error.ts";
import { ConnectionBudget } from "../../lib/connection/window_budget.ts";
import { Sealer } from "../../lib/crypto/packet_cipher.ts";
import { MAX_SENT_PACKET, OUTBOX_HIGH_WATER, SOCKET_WRITE_BYTES } from "../../lib/defaults.ts";
import { ClosedError, ProtocolError } from "../../lib/errors.ts";
import { PacketSink } from "../../lib/transport/packet_sink.ts";
import { peek32 } from "../../lib/wire/hot.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";
import { adjust, data, none, openChannel, receiveBytes } from "./raw_channel.ts";
import { type RawWorld, rawWorld } from "./raw_world.ts";

/** Returns when everything sent by the raw end has been handled. */
async function handled({ raw }: RawWorld): Promise<void> {
  raw.send(m.GlobalRequest.encode({ type: "are you there", wantReply: true, data: none }));
  await raw.next(MSG.REQUEST_FAILURE);
}

/** The sum of the window adjusts that the raw end has received. */
function credited({ raw }: RawWorld): number {
  return raw.received.filter(([number]) => number === MSG.CHANNEL_WINDOW_ADJUST)
    .reduce((sum, payload) => sum + peek32(payload, 5), 0);
}

for (const maxPacket of [MAX_SENT_PACKET + 1, 1_000_000, 0xffff_ffff]) {
  Deno.test(`Packets have at most MAX_SENT_PACKET bytes of data if the peer accepts ${maxPacket}`, async () => {
    await using world = await rawWorld("client");
    const channel = await openChannel(world, { maxPacket, window: 1_000_000 });
    await channel.writeAll(new Uint8Array(2 * MAX_SENT_PACKET + 1));
    const sizes = await receiveBytes(world, 2 * MAX_SENT_PACKET + 1);
    assertEquals(sizes, [MAX_SENT_PACKET, MAX_SENT_PACKET, 1]);
  });
}

const WINDOW = 8192;
const waysToTake: Record<string, (channel: Channel) => Promise<unknown>> = {
  read: (channel) => channel.read(new Uint8Array(WINDOW)),
  "two reads": async (channel) => {
    await channel.read(new Uint8Array(1000));
    await channel.read(new Uint8Array(WINDOW));
  },
  "put back and read again": async (channel) => {
    const chunk = await channel.readChunk();
    channel.unread(chunk!);
    assertEquals(channel.readableBytes, chunk!.length);
    await channel.read(new Uint8Array(WINDOW));
  },
  "read and discard": async (channel) => {
    await channel.read(new Uint8Array(3000));
    channel.discard("stdout");
    channel.discard("stdout");
  },
  "discard and cancel": async (channel) => {
    channel.discard("stdout");
    await channel.readable.cancel();
    channel.discard("stdout");
  },
  tryRead: async (channel) => {
    await channel.ready("read");
    channel.tryRead(new Uint8Array(WINDOW));
  },
  readChunk: (channel) => channel.readChunk(),
  "a stream": async (channel) => {
    const reader = channel.readable.getReader();
    for (let sum = 0; sum < WINDOW;) sum += (await reader.read()).value!.length;
  },
  "stdout combined with stderr": async (channel) => {
    channel.combineStderr(true);
    channel.combineStderr(false);
    channel.combineStderr(true);
    await channel.read(new Uint8Array(WINDOW));
    channel.discard("stderr");
  },
  consume: async (channel) => {
    const aborter = new AbortController();
    const { signal } = aborter;
    const taken = Promise.withResolvers<void>();
    let bytes = 0;
    const take = (piece: Uint8Array) =>
      void ((bytes += piece.length) === WINDOW && taken.resolve());
    const consuming = channel.consume(take, { signal }).catch(() => {});
    await taken.promise;
    aborter.abort();
    await consuming;
  },
  "consume that throws": (channel) =>
    channel.consume(() => {
      throw new Error("enough");
    }).catch(() => {}),
};
for (const [name, take] of Object.entries(waysToTake)) {
  for (const waits of [false, true]) {
    const when = waits ? "before it comes" : "after it came";
    Deno.test(`Data consumed by ${name} is credited once, ${when}`, async () => {
      await using world = await rawWorld("client", { window: WINDOW });
      const channel = await openChannel(world);
      const taking = waits ? take(channel) : null;
      world.raw.send(data(channel.id, WINDOW));
      if (!waits) await handled(world);
      await (taking ?? take(channel));
      await handled(world);
      const { receiveWindow, readableBytes } = channel.state;
      assertEquals(receiveWindow + readableBytes, WINDOW);
      assertEquals(credited(world), WINDOW - readableBytes);
    });
  }
}

Deno.test("tryWrite sends standard output immediately", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  assertEquals(channel.tryWrite(new Uint8Array(3)), 3);
  const sent = await world.raw.next(MSG.CHANNEL_DATA, MSG.CHANNEL_EXTENDED_DATA);
  assertEquals([sent[0], sent.length], [MSG.CHANNEL_DATA, 12]);
});

Deno.test("A peer with a maximum packet of one byte gets one packet for each byte of its window", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 1, maxPacket: 1 });
  const writing = channel.write(new Uint8Array(3));
  assertEquals(await receiveBytes(world, 1), [1]);
  assertEquals(await writing, 1);
  const rest = channel.write(new Uint8Array(2));
  world.raw.send(adjust(channel.id, 2));
  assertEquals(await receiveBytes(world, 2), [1, 1]);
  assertEquals(await rest, 2);
});

Deno.test("A connection counts the bytes that its open channels carry, both ways and of every type", async () => {
  await using world = await rawWorld("client");
  const [one, other] = [await openChannel(world), await openChannel(world)];
  assertEquals(world.connection.carried, 0);
  await one.write(new Uint8Array(7));
  assertEquals(world.connection.carried, 7);
  world.raw.send(data(one.id, 100));
  world.raw.send(data(one.id, 20, 1));
  world.raw.send(data(other.id, 3, 9)); // of an unknown type
  world.raw.send(m.ChannelRequest.encode({
    ...{ recipient: one.id, type: "are you there", wantReply: true, data: none },
  }));
  await world.raw.next(MSG.CHANNEL_FAILURE);
  assertEquals(world.connection.carried, 7 + 100 + 20 + 3);
  world.raw.send(m.ChannelClose.encode({ recipient: one.id }));
  await one.closed;
  assertEquals(world.connection.carried, 3);
});

Deno.test("After the peer's EOF, reads are not credited any more", async () => {
  await using world = await rawWorld("client", { window: WINDOW });
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, WINDOW));
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  await handled(world);
  assertEquals((await channel.readAll()).length, WINDOW);
  await handled(world);
  assertEquals(credited(world), 0);
});

for (const closer of ["the peer", "this end"]) {
  Deno.test(`After CLOSE by ${closer}, nothing is credited or sent`, async () => {
    await using world = await rawWorld("client", { window: WINDOW });
    const channel = await openChannel(world);
    world.raw.send(data(channel.id, WINDOW, closer === "the peer" ? 0 : 77));
    await handled(world);
    const before = credited(world);
    if (closer === "the peer") {
      world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
      await handled(world);
      assertEquals((await channel.readChunk())!.length, WINDOW); // it came before
    } else {
      channel.abort();
      channel.abort();
      // Data in flight is dropped, but still limited by the window.
      for (const type of [0, 1, 77]) world.raw.send(data(channel.id, 2000, type));
      world.raw.send(adjust(channel.id, 5));
      world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
      await handled(world);
      assertEquals([channel.readableBytes, channel.readableStderrBytes], [0, 0]);
    }
    assertThrows(() => channel.tryWrite(new Uint8Array(1)), ClosedError);
    await assertRejects(() => channel.write(new Uint8Array(1)), ClosedError);
    await assertRejects(() => channel.writeAllStderr(new Uint8Array(1)), ClosedError);
    assertThrows(() => channel.notify("x"), ClosedError);
    await channel.closeWrite();
    await handled(world);
    assertEquals(credited(world), before);
    const numbers = world.raw.received.map(([number]) => number);
    assertEquals(numbers.filter((number) => number === MSG.CHANNEL_CLOSE).length, 1);
    for (const number of [MSG.CHANNEL_DATA, MSG.CHANNEL_EXTENDED_DATA, MSG.CHANNEL_EOF]) {
      assert(!numbers.includes(number));
    }
  });
}

Deno.test("After our CLOSE the window still limits the peer's data in flight", async () => {
  await using world = await rawWorld("client", { window: WINDOW });
  const channel = await openChannel(world);
  channel.abort();
  world.raw.send(data(channel.id, WINDOW));
  world.raw.send(data(channel.id, 1));
  assert(await world.transport.closed instanceof ProtocolError);
});

Deno.test("After our EOF writes fail, and one EOF is sent; after the peer's EOF its adjusts count", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 10 });
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  const writing = channel.writeAll(new Uint8Array(30));
  world.raw.send(adjust(channel.id, 20));
  await writing;
  await Promise.all([channel.closeWrite(), channel.closeWrite(), channel.shutdown("write")]);
  await assertRejects(() => channel.write(new Uint8Array(1)), ClosedError, "for writing");
  assertThrows(() => channel.tryWrite(new Uint8Array(1)), ClosedError, "for writing");
  world.raw.send(adjust(channel.id, 20)); // in flight when we sent EOF
  await handled(world);
  const eofs = world.raw.received.filter(([number]) => number === MSG.CHANNEL_EOF);
  assertEquals([eofs.length, channel.state.bytesSent], [1, 30]);
});

/** A channel without a connection, and how often it was released. */
function bareChannel(budget: ConnectionBudget) {
  let released = 0;
  const host: ChannelHost = {
    send: () => {},
    sendData: () => {},
    congested: false,
    whenRoom: () => {},
    stalled: () => {},
    sendWindowAdjust: () => {},
    ahead: 0,
    memory: new ChunkMemory(),
    released: () => void released++,
    x11: () => {
      throw new Error("There is no X11 here");
    },
  };
  const numbers = { type: "session", id: 0, remoteId: 0, extra: none };
  const receiveWindow = budget.open();
  const windows = { sendWindow: 10, maxSend: 10, maxReceive: 1000, receiveWindow, budget };
  const core = new ChannelCore(host, { ...numbers, ...windows, openedBy: "us" });
  return { core, released: () => released };
}

const ABORTED = lazyError(() => new Error("aborted"));
const ends: Record<string, (core: ChannelCore) => unknown> = {
  "the peer closes": (core) => core.receiveClose(),
  "both close": (core) => (core.abort(ABORTED), core.receiveClose()),
  "it is closed and aborted again": (core) => {
    core.receiveClose();
    core.abort(ABORTED);
    core.close();
  },
};
for (const [name, end] of Object.entries(ends)) {
  Deno.test(`A window's share of the budget is returned once when ${name}`, () => {
    const all = 100_000;
    const budget = new ConnectionBudget({ least: 1000, initial: 1000, max: all }, 1e9);
    const { core } = bareChannel(budget);
    core.stdout.discard();
    for (let i = 0; i < 1000; i++) core.receiveData(0, new Uint8Array(100));
    assert(core.state.receiveWindow > 50_000);
    end(core);
    assertEquals(budget.take(Infinity), all);
  });
}

/** A socket that accepts a write only when a test allows it. */
function slowSink(): { sink: PacketSink; takeOne: () => Promise<void> } {
  let taken = Promise.withResolvers<void>();
  const sink = new PacketSink(
    {
      read: () => new Promise(() => {}),
      write: () => taken.promise,
      closeWrite: () => {},
      close: () => {},
      localAddr: null,
      remoteAddr: null,
    },
    () => {},
    new Sealer(),
  );
  const takeOne = () => {
    taken.resolve();
    taken = Promise.withResolvers();
    return new Promise<void>((resolve) => void setTimeout(resolve));
  };
  return { sink, takeOne };
}

Deno.test("Bulk writers get the same share of bytes, whatever the size of their packets", async () => {
  const { sink, takeOne } = slowSink();
  const packets = [32_768, 8192, 1000, 32_768];
  const writers = packets.map((maxSend, remoteId) => {
    const host = {
      send: () => {},
      sendData: (to: number, type: number, bytes: Uint8Array) => sink.sendData(to, type, bytes),
      get congested() {
        return sink.congested;
      },
      whenRoom: (send: () => void) => sink.whenRoom(send),
      stalled: () => {},
    };
    const opening = { remoteId, sendWindow: 0xffff_ffff, maxSend };
    return new ChannelWriter(host, opening);
  });
  while (!sink.congested) sink.sendData(99, 0, new Uint8Array(32_768));
  const much = new Uint8Array(64 * 1024 * 1024);
  const writing = writers.map((writer) => writer.writeAll([much], 0, null));
  for (let round = 0; round < 80; round++) await takeOne();
  const sent = writers.map((writer) => writer.sent);
  const error = new Error("The test is over");
  for (const writer of writers) writer.end(() => error, "over");
  await Promise.allSettled(writing);
  sink.close();
  await takeOne();
  // A turn fills at most the room that one write has emptied.
  const turn = Math.max(SOCKET_WRITE_BYTES, OUTBOX_HIGH_WATER - SOCKET_WRITE_BYTES) + 32_768;
  assert(Math.min(...sent) > 4 * turn, `${sent}`);
  assert(Math.max(...sent) - Math.min(...sent) <= turn, `${sent}`);
});

Deno.test("A server uses the time until a channel's first request as the round trip", async () => {
  using time = new FakeTime();
  const { sawRoundTrip } = ConnectionBudget.prototype;
  const seen: number[] = [];
  ConnectionBudget.prototype.sawRoundTrip = (milliseconds) => void seen.push(milliseconds);
  try {
    const opens = new Map([["x", (open: IncomingOpen) => void open.accept()]]);
    await using world = await rawWorld("server", { opens });
    const open = { type: "x", sender: 3, window: 1000, maxPacket: 1000, data: none };
    world.raw.send(m.ChannelOpen.encode(open));
    const { sender: recipient } = m.ChannelOpenConfirmation.decode(
      await world.raw.next(MSG.CHANNEL_OPEN_CONFIRMATION),
    );
    for (const milliseconds of [30, 40]) {
      time.skip(milliseconds);
      const ask = { recipient, type: "env", wantReply: true, data: none };
      world.raw.send(m.ChannelRequest.encode(ask));
      await world.raw.next(MSG.CHANNEL_FAILURE);
    }
    assertEquals(seen, [30]);

    // A channel that closes without a request leaves nothing for the next one with its number, which is ours.
    world.raw.send(m.ChannelOpen.encode({ ...open, sender: 4 }));
    const { sender: closing } = m.ChannelOpenConfirmation.decode(
      await world.raw.next(MSG.CHANNEL_OPEN_CONFIRMATION),
    );
    world.raw.send(m.ChannelClose.encode({ recipient: closing }));
    await world.raw.next(MSG.CHANNEL_CLOSE);
    const ours = await openChannel(world);
    assertEquals(ours.id, closing);
    time.skip(50);
    const ask = { recipient: closing, type: "env", wantReply: true, data: none };
    world.raw.send(m.ChannelRequest.encode(ask));
    await world.raw.next(MSG.CHANNEL_FAILURE);
    assertEquals(seen, [30, 0]); // the second one is that of the confirmation
  } finally {
    ConnectionBudget.prototype.sawRoundTrip = sawRoundTrip;
  }
});
