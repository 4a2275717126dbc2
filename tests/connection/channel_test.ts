import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { concat } from "@std/bytes";
import type { IncomingOpen } from "../../lib/connection/channel.ts";
import {
  ChannelOpenError,
  ClosedError,
  DisconnectError,
  ProtocolError,
  RequestDeniedError,
} from "../../lib/errors.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { heap } from "../../lib/crypto/wasm.ts";
import { noise } from "../support/random.ts";
import { peek32 } from "../../lib/wire/hot.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { adjust, data, none, openChannel, receiveBytes } from "./raw_channel.ts";
import { rawWorld } from "./raw_world.ts";

Deno.test("Channel sends no more than the window and continues when it grows", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 1000 });
  const writing = channel.writeAll(new Uint8Array(2500));
  assertEquals(await receiveBytes(world, 1000), [1000]);
  world.raw.send(adjust(channel.id, 900));
  assertEquals(await receiveBytes(world, 900), [900]);
  world.raw.send(adjust(channel.id, 10_000));
  assertEquals(await receiveBytes(world, 600), [600]);
  await writing;
});

Deno.test("Channel splits what it sends at the peer's maximum packet size", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { maxPacket: 300 });
  await channel.writeAll(new Uint8Array(700));
  assertEquals(await receiveBytes(world, 700), [300, 300, 100]);
});

Deno.test("A peer with a maximum packet of 0 gets no data, and its data is read", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { maxPacket: 0 });
  world.raw.send(data(channel.id, 5));
  assertEquals((await channel.readChunk())!.length, 5);
  world.raw.send(adjust(channel.id, 5));
  assertThrows(() => channel.tryWrite(new Uint8Array(5)), Error, "No room");
  const asking = channel.request("x");
  await world.raw.next(MSG.CHANNEL_REQUEST);
  world.raw.send(m.ChannelSuccess.encode({ recipient: channel.id }));
  await asking;
  assertEquals(world.raw.received.filter(([number]) => number === MSG.CHANNEL_DATA), []);
});

Deno.test("Channel.write returns the number of bytes that fitted into the window", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 10 });
  assertEquals(await channel.write(new Uint8Array(25)), 10);
});

Deno.test("Channel returns credit only when the reader consumes", async () => {
  await using world = await rawWorld("client", { window: 8192 });
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, 8192));
  const buffer = new Uint8Array(1000);
  assertEquals(await channel.read(buffer), 1000);
  // Less than an eighth of the window: no credit is sent yet, so there is no adjust of 1000.
  assertEquals(await channel.read(buffer), 1000);
  const credit = await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST);
  assertEquals(peek32(credit, 1), 7);
  assertEquals(peek32(credit, 5), 2000);
});

Deno.test("A paused reader holds exactly its window, and another channel continues", async () => {
  await using world = await rawWorld("client", { window: 4096 });
  const paused = await openChannel(world);
  const busy = await openChannel(world);
  world.raw.send(data(paused.id, 4096));
  let bytes = 0;
  for (let round = 0; round < 64; round++) {
    world.raw.send(data(busy.id, 1024));
    bytes += (await busy.readChunk())!.length;
  }
  assertEquals(bytes, 64 * 1024);
  world.raw.send(data(paused.id, 1));
  const error = await world.transport.closed;
  assert(error instanceof ProtocolError);
  assertStringIncludes(error.message, "beyond the window");
});

Deno.test("Standard error shares the window and arrives on its own stream", async () => {
  await using world = await rawWorld("client", { window: 2048 });
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, 3));
  world.raw.send(data(channel.id, 2045, 1));
  const buffer = new Uint8Array(4096);
  assertEquals(await channel.readStderr(buffer), 2045);
  assertEquals(await channel.read(buffer), 3);
  world.raw.send(data(channel.id, 2049, 1));
  assert(await world.transport.closed instanceof ProtocolError);
});

Deno.test("Channel.readable ends at EOF, after all earlier data", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, 5));
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  const sizes: number[] = [];
  for await (const chunk of channel.readable) sizes.push(chunk.length);
  assertEquals(sizes, [5]);
});

Deno.test("Channel.readable serves BYOB readers", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  world.raw.send(data(channel.id, 5));
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  const reader = channel.readable.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(3));
  assertEquals(first.value, new Uint8Array([65, 65, 65]));
  const second = await reader.read(new Uint8Array(3));
  assertEquals(second.value, new Uint8Array([65, 65]));
  assertEquals((await reader.read(new Uint8Array(3))).done, true);
});

Deno.test("A cancelled Channel.readable still grants window", async () => {
  await using world = await rawWorld("client", { window: 1024 });
  const channel = await openChannel(world);
  await channel.readable.cancel();
  for (let round = 0; round < 10; round++) {
    world.raw.send(data(channel.id, 1024));
    await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST);
  }
});

Deno.test("Closing Channel.writable sends EOF after the data, and reading continues", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const writer = channel.writable.getWriter();
  writer.write(new Uint8Array(10));
  await writer.close();
  assertEquals(await receiveBytes(world, 10), [10]);
  await world.raw.next(MSG.CHANNEL_EOF);
  world.raw.send(data(channel.id, 4));
  assertEquals((await channel.readChunk())?.length, 4);
  await assertRejects(() => channel.writeAll(new Uint8Array(1)), ClosedError, "for writing");
});

Deno.test("Channel.close first flushes pending writes", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 10 });
  const writing = channel.writeAll(new Uint8Array(30));
  const closing = channel.close();
  assertEquals(await receiveBytes(world, 10), [10]);
  world.raw.send(adjust(channel.id, 20));
  assertEquals(await receiveBytes(world, 20), [20]);
  await writing;
  await world.raw.next(MSG.CHANNEL_CLOSE);
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await closing;
});

Deno.test("Channel.abort ends pending reads and writes with the reason", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 10 });
  const reason = new Error("enough");
  const writing = assertRejects(() => channel.writeAll(new Uint8Array(30)), Error, "enough");
  const reading = assertRejects(() => channel.readChunk(), Error, "enough");
  await receiveBytes(world, 10);
  channel.abort(reason);
  await Promise.all([writing, reading]);
  await world.raw.next(MSG.CHANNEL_CLOSE);
});

Deno.test("A channel number is used again only after CLOSE both ways", async () => {
  await using world = await rawWorld("client");
  const first = await openChannel(world);
  const closing = first.close();
  await world.raw.next(MSG.CHANNEL_CLOSE);
  const second = await openChannel(world);
  assert(second.id !== first.id);
  // Data in flight when we closed is not a violation.
  world.raw.send(data(first.id, 5));
  world.raw.send(m.ChannelClose.encode({ recipient: first.id }));
  await closing;
  const third = await openChannel(world);
  assertEquals(third.id, first.id);
});

Deno.test("Replies to requests are matched in order", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const first = channel.request("one");
  const second = assertRejects(() => channel.request("two"), RequestDeniedError, '"two"');
  await world.raw.next(MSG.CHANNEL_REQUEST);
  await world.raw.next(MSG.CHANNEL_REQUEST);
  world.raw.send(m.ChannelSuccess.encode({ recipient: channel.id }));
  world.raw.send(m.ChannelFailure.encode({ recipient: channel.id }));
  await Promise.all([first, second]);
});

Deno.test("The peer's requests are answered in order, even if an earlier one takes longer", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const slow = Promise.withResolvers<boolean>();
  channel.handleRequests(({ type }) => type === "slow" ? slow.promise : false);
  for (const type of ["slow", "fast"]) {
    world.raw.send(
      m.ChannelRequest.encode({ recipient: channel.id, type, wantReply: true, data: none }),
    );
  }
  // Another channel's answer shows that both requests have been received.
  world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: true, data: none }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  const answers = () =>
    world.raw.received.map((payload) => payload[0]!).filter((number) =>
      number === MSG.CHANNEL_SUCCESS || number === MSG.CHANNEL_FAILURE
    );
  assertEquals(answers(), []);
  slow.resolve(true);
  await world.raw.next(MSG.CHANNEL_FAILURE);
  assertEquals(answers(), [MSG.CHANNEL_SUCCESS]);
});

Deno.test("exit-status may come after EOF, and a close without one gives nulls", async () => {
  await using world = await rawWorld("client");
  const told = await openChannel(world);
  world.raw.send(m.ChannelEof.encode({ recipient: told.id }));
  world.raw.send(m.ChannelRequest.encode({
    recipient: told.id,
    type: "exit-status",
    wantReply: false,
    data: new Uint8Array([0, 0, 0, 9]),
  }));
  assertEquals((await told.exitStatus).code, 9);
  const silent = await openChannel(world);
  world.raw.send(m.ChannelClose.encode({ recipient: silent.id }));
  const status = await silent.exitStatus;
  assertEquals([status.success, status.code, status.signal], [false, null, null]);
});

Deno.test("Channel open refused gives the reason, without control characters", async () => {
  await using world = await rawWorld("client");
  const opening = world.connection.open("session");
  const { sender } = m.ChannelOpen.decode(await world.raw.next(MSG.CHANNEL_OPEN));
  world.raw.send(m.ChannelOpenFailure.encode({
    recipient: sender,
    reason: 1,
    description: "no\x1b[31m way",
    language: "",
  }));
  const error = await assertRejects(() => opening, ChannelOpenError, "no[31m way");
  assertEquals(error.reason, 1);
});

Deno.test("Aborting an open rejects immediately, and a late confirmation is closed", async () => {
  await using world = await rawWorld("client");
  const aborter = new AbortController();
  const opening = world.connection.open("session", none, { signal: aborter.signal });
  const { sender } = m.ChannelOpen.decode(await world.raw.next(MSG.CHANNEL_OPEN));
  aborter.abort(new Error("changed my mind"));
  await assertRejects(() => opening, Error, "changed my mind");
  world.raw.send(m.ChannelOpenConfirmation.encode({
    recipient: sender,
    sender: 3,
    window: 100,
    maxPacket: 100,
    data: none,
  }));
  assertEquals(m.ChannelClose.decode(await world.raw.next(MSG.CHANNEL_CLOSE)).recipient, 3);
});

Deno.test("When the connection dies, all pending operations reject with its error", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 1 });
  const waits = [
    channel.readChunk(),
    channel.writeAll(new Uint8Array(10)),
    channel.request("env"),
    channel.exitStatus,
    channel.closed,
    world.connection.open("session"),
    world.connection.request("anything"),
  ];
  await world.raw.next(MSG.GLOBAL_REQUEST);
  const settled = Promise.allSettled(waits);
  world.raw.transport.disconnect(11, "good night");
  for (const result of await settled) {
    assert(result.status === "rejected");
    assert(result.reason instanceof DisconnectError, String(result.reason));
    assertEquals(result.reason.by, "peer");
  }
  await assertRejects(() => world.connection.open("session"), ClosedError);
  await assertRejects(() => world.connection.request("anything"), ClosedError);
  await assertRejects(() => channel.request("env"), ClosedError);
});

for (const [stream, other] of [["stdout", "stderr"], ["stderr", "stdout"]] as const) {
  Deno.test(`A stream that has a reader cannot be read to its end: ${stream}, and not ${other}`, async () => {
    await using world = await rawWorld("client");
    const channel = await openChannel(world);
    const reader = (stream === "stdout" ? channel.readable : channel.stderr).getReader();
    world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
    await assertRejects(() => channel.readAll({ stream }), TypeError, `all of ${stream}`);
    assertEquals(await channel.readAll({ stream: other }), none);
    await reader.cancel();
  });
}

Deno.test("Keepalive ends the connection to a peer that does not answer", async () => {
  await using world = await rawWorld("client");
  world.connection.keepalive(5, 2);
  const error = await world.transport.closed;
  assertStringIncludes(String(error), "has not answered");
});

Deno.test("Keepalive leaves a peer alone that answers, even with a failure", async () => {
  await using world = await rawWorld("client");
  world.connection.keepalive(5, 1);
  for (let round = 0; round < 5; round++) {
    await world.raw.next(MSG.GLOBAL_REQUEST);
    world.raw.send(m.RequestFailure.encode({}));
  }
});

function request(
  recipient: number,
  type: string,
  wantReply: boolean,
  body: Uint8Array = none,
): Uint8Array {
  return m.ChannelRequest.encode({ recipient, type, wantReply, data: body });
}

const confirm = { sender: 1, window: 1, maxPacket: 1, data: none };
const violations: Record<string, (id: number, raw: (payload: Uint8Array) => void) => void> = {
  "data beyond the maximum packet": (id, send) => send(data(id, 32_769)),
  "data beyond the window": (id, send) => {
    for (let sent = 0; sent <= 2 * 1024 * 1024; sent += 32_768) send(data(id, 32_768));
  },
  "standard error beyond the window": (id, send) => {
    for (let sent = 0; sent <= 2 * 1024 * 1024; sent += 32_768) send(data(id, 32_768, 1));
  },
  "standard error after EOF": (id, send) => {
    send(m.ChannelEof.encode({ recipient: id }));
    send(data(id, 1, 1));
  },
  "data for an unknown channel": (_, send) => send(data(99, 1)),
  "data whose length is a lie": (id, send) => {
    const payload = data(id, 10);
    payload[8] = 200;
    send(payload);
  },
  "data after EOF": (id, send) => {
    send(m.ChannelEof.encode({ recipient: id }));
    send(data(id, 1));
  },
  "data after CLOSE": (id, send) => {
    send(m.ChannelClose.encode({ recipient: id }));
    send(data(id, 1));
  },
  "EOF after CLOSE": (id, send) => {
    send(m.ChannelClose.encode({ recipient: id }));
    send(m.ChannelEof.encode({ recipient: id }));
  },
  "CLOSE twice": (id, send) => {
    send(m.ChannelClose.encode({ recipient: id }));
    send(m.ChannelClose.encode({ recipient: id }));
  },
  "a window beyond 2^32 - 1 (CVE-2025-54804)": (id, send) => send(adjust(id, 0xffff_ffff)),
  "a truncated window adjust": (id, send) => send(adjust(id, 1).subarray(0, 8)),
  "a confirmation of an open channel": (id, send) =>
    send(m.ChannelOpenConfirmation.encode({ recipient: id, ...confirm })),
  "a confirmation of nothing": (_, send) =>
    send(m.ChannelOpenConfirmation.encode({ recipient: 55, ...confirm })),
  "a request with trailing bytes in EOF": (id, send) => {
    send(new Uint8Array([...m.ChannelEof.encode({ recipient: id }), 0]));
  },
  "an open with a maximum packet of 0 ": (_, send) =>
    send(m.ChannelOpen.encode({ type: "x", sender: 0, window: 1, maxPacket: 0, data: none })),
  "USERAUTH_SUCCESS after authentication": (_, send) => send(m.UserauthSuccess.encode({})),
  "NEWKEYS without a key exchange": (_, send) => send(m.NewKeys.encode({})),
  "KEX_ECDH_REPLY without a key exchange": (_, send) =>
    send(m.KexEcdhReply.encode({ hostKey: none, publicValue: none, signature: none })),
};

const cases = Object.entries(violations)
  .flatMap(([name, violate]) => [["client", name, violate], ["server", name, violate]] as const);
for (const [role, name, violate] of cases) {
  Deno.test(`A ${role}'s peer that sends ${name} is disconnected with a protocol error`, async () => {
    await using world = await rawWorld(role);
    const channel = await openChannel(world);
    violate(channel.id, (payload) => world.raw.send(payload));
    const error = await world.transport.closed;
    assert(error instanceof ProtocolError, String(error));
    const told = await world.raw.transport.closed;
    assert(told instanceof DisconnectError && told.reason === 2, String(told));
  });
}

Deno.test("A client's request for a channel that is closed ends the connection", async () => {
  await using world = await rawWorld("server");
  const channel = await openChannel(world);
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  world.raw.send(request(channel.id, "x", true));
  assert(await world.transport.closed instanceof ProtocolError);
});

for (const role of ["client", "server"] as const) {
  Deno.test(`Messages without effect on a channel or the connection are ignored, as by OpenSSH (${role})`, async () => {
    await using world = await rawWorld(role);
    const { raw } = world;
    const [closed, channel] = [await openChannel(world), await openChannel(world)];
    raw.send(m.ChannelClose.encode({ recipient: closed.id }));
    for (const id of [closed.id, 99, channel.id]) {
      raw.send(m.ChannelSuccess.encode({ recipient: id }));
      raw.send(m.ChannelFailure.encode({ recipient: id }));
      raw.send(adjust(id, 1));
      if (role === "client" && id !== channel.id) raw.send(request(id, "x", true));
    }
    raw.send(m.RequestSuccess.encode({ data: none }));
    raw.send(m.RequestFailure.encode({}));
    raw.send(data(channel.id, 1));
    await channel.readChunk(); // everything has arrived
    const asking = channel.request("x"); // is not answered by earlier data
    await raw.next(MSG.CHANNEL_REQUEST);
    raw.send(m.ChannelFailure.encode({ recipient: channel.id }));
    await assertRejects(() => asking, RequestDeniedError);
  });

  Deno.test(`An EOF that comes twice is one end of the data, and nothing else ends (${role})`, async () => {
    await using world = await rawWorld(role);
    const channel = await openChannel(world);
    world.raw.send(data(channel.id, 10));
    for (let i = 0; i < 2; i++) world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
    const buffer = new Uint8Array(100);
    assertEquals(await channel.read(buffer), 10);
    assertEquals(await channel.read(buffer), null);
    await channel.writeAll(new Uint8Array(3));
    assertEquals((await world.raw.next(MSG.CHANNEL_DATA)).length, 9 + 3);
  });

  Deno.test(`Unknown requests and channel types are answered, and nothing breaks (${role})`, async () => {
    await using world = await rawWorld(role);
    const { raw } = world;
    const channel = await openChannel(world);
    for (const type of ["x11-req", "nonsense@example.com", "\u0000", "x".repeat(10_000)]) {
      const wantReply = true;
      raw.send(m.ChannelRequest.encode({ recipient: channel.id, type, wantReply, data: none }));
      assertEquals(m.ChannelFailure.decode(await raw.next(MSG.CHANNEL_FAILURE)).recipient, 7);
      raw.send(m.GlobalRequest.encode({ type, wantReply, data: none }));
      await raw.next(MSG.REQUEST_FAILURE);
      raw.send(m.ChannelOpen.encode({ type, sender: 4, window: 9, maxPacket: 9, data: none }));
      assertEquals(m.ChannelOpenFailure.decode(await raw.next(MSG.CHANNEL_OPEN_FAILURE)).reason, 3);
      raw.send(m.ChannelRequest.encode({
        recipient: channel.id,
        type,
        wantReply: false,
        data: none,
      }));
    }
    assertEquals(channel.isOpen, true);
  });

  Deno.test(`IGNORE, DEBUG and data of no known kind, in floods, hurt nothing (${role})`, async () => {
    await using world = await rawWorld(role);
    const channel = await openChannel(world);
    const debug = m.Debug.encode({ display: true, text: "x".repeat(1000), language: "" });
    for (let i = 0; i < 5000; i++) {
      world.raw.send(m.Ignore.encode({ data: none }));
      world.raw.send(debug);
    }
    // Data without a reader is credited: many windows of it.
    for (let i = 0; i < 200; i++) {
      world.raw.send(data(channel.id, 32_768, 77));
      if (i % 32 === 31) await world.raw.next(MSG.CHANNEL_WINDOW_ADJUST);
    }
    world.raw.send(data(channel.id, 3));
    assertEquals((await channel.readChunk())!.length, 3);
    assertEquals([channel.readableBytes, channel.readableStderrBytes], [0, 0]);
  });
}

const exits: [
  what: string,
  type: string,
  data: Uint8Array,
  expected: [number | null, string | null],
][] = [
  ["exit-status", "exit-status", new Writer().u32(7).take(), [7, null]],
  ["exit-status with trailing bytes", "exit-status", new Writer().u32(7).u32(0).take(), [7, null]],
  ["exit-status without a number", "exit-status", none, [null, null]],
  ["exit-signal with a name alone", "exit-signal", new Writer().text("TERM").take(), [
    null,
    "TERM",
  ]],
  ["exit-signal of SIGTERM", "exit-signal", new Writer().text("SIGTERM").u8(0).take(), [
    null,
    "TERM",
  ]],
  ["exit-signal without a name", "exit-signal", none, [null, null]],
];
for (const [what, type, body, expected] of exits) {
  for (const order of ["before CLOSE", "after CLOSE", "wanting a reply"] as const) {
    Deno.test(`The exit is known from ${what}, ${order}`, async () => {
      await using world = await rawWorld("client");
      const channel = await openChannel(world);
      const close = m.ChannelClose.encode({ recipient: channel.id });
      const exit = request(channel.id, type, order === "wanting a reply", body);
      for (const message of order === "after CLOSE" ? [close, exit] : [exit, close]) {
        world.raw.send(message);
      }
      const { code, signal } = await channel.exitStatus;
      assertEquals([code, signal], expected);
      assertEquals((await openChannel(world)).isOpen, true); // the connection continues
    });
  }
}

Deno.test("Thousands of channel opens are limited while the policy decides", async () => {
  const opens: IncomingOpen[] = [];
  const think = (open: IncomingOpen) => {
    opens.push(open);
    return new Promise<void>(() => {});
  };
  await using world = await rawWorld("server", { opens: new Map([["session", think]]) });
  for (let sender = 0; sender < 1000; sender++) {
    world.raw.send(
      m.ChannelOpen.encode({ type: "session", sender, window: 1, maxPacket: 1, data: none }),
    );
  }
  const refused = m.ChannelOpenFailure.decode(await world.raw.next(MSG.CHANNEL_OPEN_FAILURE));
  assertEquals(refused.reason, 4);
  assertEquals(refused.recipient, 256);
  assertEquals(opens.length, 256);
});

for (const type of ["x11", "auth-agent@openssh.com", "forwarded-tcpip", "session", "nonsense"]) {
  Deno.test(`A server's open of "${type}", which the client never enabled, is refused`, async () => {
    await using world = await rawWorld("client");
    world.raw.send(m.ChannelOpen.encode({ type, sender: 4, window: 9, maxPacket: 9, data: none }));
    const failure = m.ChannelOpenFailure.decode(await world.raw.next(MSG.CHANNEL_OPEN_FAILURE));
    assertEquals([failure.recipient, failure.reason], [4, 3]);
  });
}

Deno.test("A policy that throws refuses the channel, and the request", async () => {
  const fail = () => {
    throw new Error("policy broke");
  };
  await using world = await rawWorld("server", {
    opens: new Map([["session", fail]]),
    globals: new Map([["tcpip-forward", fail]]),
  });
  world.raw.send(
    m.ChannelOpen.encode({ type: "session", sender: 0, window: 1, maxPacket: 1, data: none }),
  );
  const failure = m.ChannelOpenFailure.decode(await world.raw.next(MSG.CHANNEL_OPEN_FAILURE));
  assertEquals(failure.reason, 1);
  world.raw.send(m.GlobalRequest.encode({ type: "tcpip-forward", wantReply: true, data: none }));
  await world.raw.next(MSG.REQUEST_FAILURE);
});

Deno.test("An unknown message is answered with UNIMPLEMENTED and its sequence number", async () => {
  await using world = await rawWorld("client");
  const sequence = world.raw.transport.sink.sealer.sequence;
  let told: Uint8Array | null = null;
  // UNIMPLEMENTED is sent by the transport, so the test reads it from the output.
  const send = world.transport.sink.send.bind(world.transport.sink);
  const seen = Promise.withResolvers<void>();
  world.transport.sink.send = (payload) => {
    told = payload;
    seen.resolve();
    send(payload);
  };
  world.raw.send(new Uint8Array([117, 1, 2, 3]));
  await seen.promise;
  assertEquals(m.Unimplemented.decode(told!).sequence, sequence);
});

Deno.test("Channel.consume passes on memory that its consumer's sends do not overwrite", async () => {
  const sent = noise(100_000);
  await using pair = await connectedPair({
    handler: async ({ channel }) => {
      await channel.readChunk();
      await channel.writeAll(sent);
    },
  });
  for (const borrowed of [false, true]) {
    const channel = await pair.host.openSession();
    await channel.shell();
    const got: Uint8Array[] = [];
    let ofTheModule = 0;
    const consuming = channel.consume((bytes) => {
      if (bytes.buffer === heap().buffer) ofTheModule++;
      got.push(bytes.slice());
    }, { borrowed });
    await channel.writeAll(none, Uint8Array.of(1));
    await consuming;
    assertEquals(concat(got), sent);
    assertEquals(ofTheModule > 0, borrowed);
    await channel.close();
  }
});
