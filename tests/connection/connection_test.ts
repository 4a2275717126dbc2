/** What a connection does with each message, and what it sends, without a transport. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Channel, IncomingOpen } from "../../lib/connection/channel.ts";
import { MAX_CHANNEL_PACKET, MAX_CHANNELS, MAX_SENT_PACKET } from "../../lib/defaults.ts";
import {
  ChannelOpenError,
  ClosedError,
  ConnectError,
  DisconnectError,
  ProtocolError,
  RequestDeniedError,
} from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { DISCONNECT, MSG, OPEN_FAILURE } from "../../lib/wire/numbers.ts";
import { X11Open } from "../../lib/wire/requests.ts";
import { FakeTime } from "../support/fake_time.ts";
import { bareConnection, type BareOptions } from "./bare_connection.ts";
import { adjust, data, none } from "./raw_channel.ts";
import { notedListeners } from "../support/noted_listeners.ts";

const TOO_MANY = OPEN_FAILURE.RESOURCE_SHORTAGE;
const CLOSE_BY = (recipient: number) => m.ChannelClose.encode({ recipient });
const exitStatus = (recipient: number) =>
  m.ChannelRequest.encode({
    ...{ recipient, type: "exit-status", wantReply: false },
    data: new Uint8Array([0, 0, 0, 9]),
  });

/** The peer's request for a channel; its extra data is the number. */
function openBy(sender: number, options: { type?: string; maxPacket?: number } = {}): Uint8Array {
  const { type = "x", maxPacket = 1000 } = options;
  return m.ChannelOpen.encode({
    ...{ type, sender, window: 500, maxPacket, data: Uint8Array.of(sender) },
  });
}

/** A connection that accepts channels of type "x". */
function accepting(role: "client" | "server", options: BareOptions = {}) {
  const accepted: Channel[] = [];
  let asked = 0;
  const accept = (open: IncomingOpen) => {
    asked++;
    accepted.push(open.accept(Uint8Array.of(5, 6)));
  };
  const peer = bareConnection(role, { opens: new Map([["x", accept]]), ...options });
  return { peer, accepted, asked: () => asked };
}

const handled = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("A channel that we open announces its number, window and packet size, and takes the peer's", async () => {
  const peer = bareConnection("client", { window: 4096 });
  const opening = peer.connection.openChannel("x@example.com", { extra: Uint8Array.of(1, 2) });
  assertEquals(m.ChannelOpen.decode(peer.take(MSG.CHANNEL_OPEN)), {
    type: "x@example.com",
    sender: 0,
    window: 4096,
    maxPacket: MAX_CHANNEL_PACKET,
    data: Uint8Array.of(1, 2),
  });
  peer.receive(m.ChannelOpenConfirmation.encode({
    ...{ recipient: 0, sender: 7, window: 500, maxPacket: 30, data: Uint8Array.of(3) },
  }));
  const channel = await opening;
  assertEquals([channel.id, channel.type, channel.extra], [
    0,
    "x@example.com",
    Uint8Array.of(3),
  ]);
  assertEquals([channel.state.sendWindow, channel.state.receiveWindow], [500, 4096]);
  assert(channel.connection === peer.connection);
  channel.tryWrite(new Uint8Array(31));
  assertEquals(peer.sent.map(({ length }) => length - 9), [30, 1]);
  assertEquals(peer.sent[0]!.subarray(0, 5), Uint8Array.of(94, 0, 0, 0, 7));
});

Deno.test("A channel that the peer opens has the peer's number, window and packet size", () => {
  const { peer, accepted } = accepting("server", { window: 4096 });
  peer.receive(openBy(9));
  assertEquals(m.ChannelOpenConfirmation.decode(peer.take(MSG.CHANNEL_OPEN_CONFIRMATION)), {
    recipient: 9,
    sender: 0,
    window: 4096,
    maxPacket: MAX_CHANNEL_PACKET,
    data: Uint8Array.of(5, 6),
  });
  const [channel] = accepted;
  assertEquals([channel!.type, channel!.extra], ["x", Uint8Array.of(9)]);
  assertEquals([channel!.state.sendWindow, channel!.state.receiveWindow], [500, 4096]);
  peer.receive(data(0, 3));
  assertEquals(channel!.readableBytes, 3);
  channel!.tryWrite(new Uint8Array(2));
  assertEquals(peer.take(MSG.CHANNEL_DATA).subarray(0, 5), Uint8Array.of(94, 0, 0, 0, 9));
});

Deno.test("A peer's packet has at most MAX_CHANNEL_PACKET bytes, and ours MAX_SENT_PACKET", async () => {
  const peer = bareConnection("client");
  const channel = await peer.open({ maxPacket: 0xffff_ffff, window: 1_000_000 });
  channel.tryWrite(new Uint8Array(MAX_SENT_PACKET + 1));
  assertEquals(peer.sent.map(({ length }) => length - 9), [MAX_SENT_PACKET, 1]);
  peer.receive(data(channel.id, MAX_CHANNEL_PACKET));
  assertThrows(() => peer.receive(data(channel.id, MAX_CHANNEL_PACKET + 1)), ProtocolError);
});

Deno.test("An open with a maximum packet of 0 is refused; a confirmation with it gets no data", async () => {
  const { peer } = accepting("server");
  assertThrows(() => peer.receive(openBy(1, { maxPacket: 0 })), ProtocolError, "size of 0");
  peer.receive(openBy(1, { maxPacket: 1 }));
  peer.take(MSG.CHANNEL_OPEN_CONFIRMATION);
  const client = bareConnection("client");
  const mute = await client.open({ maxPacket: 0 });
  assertEquals([mute.state.sendWindow, mute.writableBytes], [0, 0]);
  const tiny = await client.open({ maxPacket: 1, window: 3 });
  assertEquals([tiny.state.sendWindow, tiny.writableBytes], [3, 3]);
});

Deno.test("Each message reaches the channel with its number, and no other", async () => {
  const peer = bareConnection("client");
  const [one, two] = [await peer.open({ sender: 70 }), await peer.open({ sender: 80 })];
  peer.receive(data(two.id, 4));
  peer.receive(data(two.id, 5, 1));
  peer.receive(adjust(two.id, 11));
  assertEquals([two.readableBytes, two.readableStderrBytes], [4, 5]);
  assertEquals([one.readableBytes, one.readableStderrBytes], [0, 0]);
  assertEquals([one.state.sendWindow, two.state.sendWindow], [100_000, 100_011]);
  const asked = [one.request("a"), two.request("b")];
  peer.numbers();
  peer.receive(m.ChannelSuccess.encode({ recipient: two.id }));
  await asked[1];
  assertEquals([one.state.pendingRequests, two.state.pendingRequests], [1, 0]);
  peer.receive(m.ChannelFailure.encode({ recipient: one.id }));
  await assertRejects(() => asked[0]!, RequestDeniedError, '"a"');
  two.handleRequests(({ type }) => type === "yes");
  for (const type of ["yes", "no"]) {
    peer.receive(
      m.ChannelRequest.encode({ recipient: two.id, type, wantReply: true, data: none }),
    );
  }
  assertEquals(m.ChannelSuccess.decode(peer.take(MSG.CHANNEL_SUCCESS)).recipient, 80);
  assertEquals(m.ChannelFailure.decode(peer.take(MSG.CHANNEL_FAILURE)).recipient, 80);
  peer.receive(m.ChannelEof.encode({ recipient: two.id }));
  assertEquals([one.state.reading, two.state.reading], ["open", "eof"]);
  peer.receive(CLOSE_BY(two.id));
  assertEquals(m.ChannelClose.decode(peer.take(MSG.CHANNEL_CLOSE)).recipient, 80);
  assertEquals([one.isOpen, two.isOpen], [true, false]);
});

Deno.test("Messages for a channel that is not open are refused, unless they may be late", async () => {
  for (const role of ["client", "server"] as const) {
    const peer = bareConnection(role);
    const channel = await peer.open();
    channel.abort();
    peer.receive(CLOSE_BY(channel.id));
    for (const id of [channel.id, 99]) {
      assertThrows(() => peer.receive(data(id, 1)), ProtocolError, "not open");
      assertThrows(() => peer.receive(data(id, 1, 1)), ProtocolError, "not open");
      assertThrows(() => peer.receive(CLOSE_BY(id)), ProtocolError, "not open");
      peer.receive(adjust(id, 1));
      const eof = m.ChannelEof.encode({ recipient: id });
      assertThrows(() => peer.receive(eof), ProtocolError, "not open");
      peer.receive(m.ChannelSuccess.encode({ recipient: id }));
      peer.receive(m.ChannelFailure.encode({ recipient: id }));
      if (role === "client") peer.receive(exitStatus(id));
      else assertThrows(() => peer.receive(exitStatus(id)), ProtocolError, "not open");
    }
    peer.numbers();
    assertEquals(peer.failures, []);
  }
});

Deno.test("Answers for channels that are not being opened are refused", async () => {
  const peer = bareConnection("client");
  const { id } = await peer.open();
  for (const recipient of [id, 99]) {
    const confirmation = { recipient, sender: 1, window: 1, maxPacket: 1, data: none };
    const failure = { recipient, reason: 1, description: "", language: "" };
    for (
      const answer of [
        m.ChannelOpenConfirmation.encode(confirmation),
        m.ChannelOpenFailure.encode(failure),
      ]
    ) {
      assertThrows(() => peer.receive(answer), ProtocolError, "not being opened");
    }
  }
  const opening = peer.connection.open("x");
  assertThrows(() => peer.receive(data(1, 1)), ProtocolError, "not open");
  peer.connection.closed(new Error("over"));
  await assertRejects(() => opening, Error, "over");
});

Deno.test("A window adjust has nine bytes, and channel data fills its message", async () => {
  const peer = bareConnection("client");
  const { id } = await peer.open();
  for (const wrong of [adjust(id, 1).subarray(0, 8), new Uint8Array([...adjust(id, 1), 0])]) {
    assertThrows(() => peer.receive(wrong), ProtocolError, "wrong length");
  }
  for (const type of [0, 1]) {
    const message = data(id, 3, type);
    assertThrows(() => peer.receive(message.subarray(0, -1)), ProtocolError);
    assertThrows(() => peer.receive(new Uint8Array([...message, 0])), ProtocolError);
  }
});

Deno.test("An unknown message is answered as such", () => {
  const peer = bareConnection("server");
  peer.receive(Uint8Array.of(117, 0));
  assertEquals([peer.unimplemented, peer.sent], [1, []]);
});

Deno.test("A client takes the exit status that follows CLOSE for its last channel, and no other", async () => {
  const peer = bareConnection("client");
  const [one, two] = [await peer.open(), await peer.open()];
  peer.receive(CLOSE_BY(one.id));
  peer.receive(exitStatus(one.id));
  peer.receive(CLOSE_BY(two.id));
  peer.receive(exitStatus(one.id));
  assertEquals([(await one.exitStatus).code, (await two.exitStatus).code], [9, null]);
});

Deno.test("An abort of a closed channel changes nothing for later ones", async () => {
  const peer = bareConnection("client");
  const [one, two] = [await peer.open(), await peer.open()];
  for (const { id } of [one, two]) peer.receive(CLOSE_BY(id));
  one.abort();
  peer.receive(exitStatus(two.id));
  assertEquals((await two.exitStatus).code, 9);

  using time = new FakeTime();
  const { peer: other, accepted } = accepting("server", { window: { initial: 1024, max: 4096 } });
  other.receive(openBy(1));
  other.receive(CLOSE_BY(0));
  other.receive(openBy(2));
  accepted[0]!.abort();
  time.skip(1000);
  other.receive(exitStatus(0)); // the first request, after a round trip
  const [, channel] = accepted;
  assertEquals([channel!.id, other.connection.channelCount], [0, 1]);
  channel!.discard("stdout");
  time.skip(100_000);
  for (let i = 0; i < 8; i++) other.receive(data(0, 128));
  assertEquals(channel!.state.receiveWindow, 2048); // it was measured, and so the window grows
});

Deno.test("A refused open is an error with its reason, and its number and window are free again", async () => {
  const peer = bareConnection("client", { window: { initial: 1024, max: 4096 } });
  for (
    const [description, text] of [["no\x1b way", "no way"], ["", "reason 2"], ["\x07", "reason 2"]]
  ) {
    const opening = peer.connection.open("x\x1b");
    const { sender, window } = m.ChannelOpen.decode(peer.take(MSG.CHANNEL_OPEN));
    assertEquals([sender, window, peer.connection.channelCount], [0, 1024, 1]);
    peer.receive(
      m.ChannelOpenFailure.encode({
        recipient: 0,
        reason: 2,
        description: description!,
        language: "",
      }),
    );
    const error = await assertRejects(() => opening, ChannelOpenError, `channel: ${text}`);
    assertEquals([error.reason, peer.connection.channelCount], [2, 0]);
  }
});

Deno.test("The windows of refused opens are there for later channels", async () => {
  const peer = bareConnection("client");
  for (let i = 0; i < 20; i++) {
    const opening = peer.connection.open("x");
    peer.take(MSG.CHANNEL_OPEN);
    const failure = { recipient: 0, reason: 1, description: "", language: "" };
    peer.receive(m.ChannelOpenFailure.encode(failure));
    await assertRejects(() => opening, ChannelOpenError);
  }
  assertEquals((await peer.open()).state.receiveWindow, 2 * 1024 * 1024);
});

Deno.test("What the peer has left unread in channels of its own makes its next window smaller", async () => {
  const KIB = 1024;
  for (const opener of ["peer", "us"]) {
    const { peer, accepted } = accepting("server", {
      window: { initial: 64 * KIB, max: 256 * KIB },
    });
    if (opener === "peer") peer.receive(openBy(1));
    const channel = opener === "peer" ? accepted[0]! : await peer.open();
    for (let i = 0; i < 2; i++) peer.receive(data(channel.id, 32 * KIB));
    peer.receive(CLOSE_BY(channel.id));
    const next = () => {
      peer.numbers();
      peer.receive(openBy(2));
      const { sender, window } = m.ChannelOpenConfirmation.decode(peer.sent[0]!);
      peer.receive(CLOSE_BY(sender));
      return window / KIB;
    };
    assertEquals(next(), opener === "peer" ? 32 : 64);
    while (channel.readableBytes > 0) await channel.readChunk();
    assertEquals(next(), 64);
  }
});

Deno.test("An aborted open rejects at once; the channel that the peer grants then is closed", async () => {
  const peer = bareConnection("client");
  const aborter = new AbortController();
  const { signal } = aborter;
  const opening = peer.connection.open("x", none, { signal });
  const { sender } = m.ChannelOpen.decode(peer.take(MSG.CHANNEL_OPEN));
  aborter.abort(new Error("enough"));
  await assertRejects(() => opening, Error, "enough");
  assertEquals(peer.connection.channelCount, 1);
  peer.receive(m.ChannelOpenConfirmation.encode({
    ...{ recipient: sender, sender: 3, window: 9, maxPacket: 9, data: none },
  }));
  assertEquals(m.ChannelClose.decode(peer.take(MSG.CHANNEL_CLOSE)).recipient, 3);
  peer.receive(CLOSE_BY(sender));
  assertEquals(peer.connection.channelCount, 0);
  await assertRejects(() => peer.connection.open("x", none, { signal }), Error, "enough");
  assertEquals([peer.sent, peer.connection.channelCount], [[], 0]);
});

Deno.test("A signal is left alone once its open was answered", async () => {
  const peer = bareConnection("client");
  const aborter = new AbortController();
  const { signal } = aborter;
  const listeners = notedListeners(signal);
  const refused = peer.connection.open("x", none, { signal });
  assertEquals(listeners.count, 1);
  peer.receive(
    m.ChannelOpenFailure.encode({ recipient: 0, reason: 1, description: "", language: "" }),
  );
  await assertRejects(() => refused, ChannelOpenError);
  assertEquals(listeners.count, 0);
  const opening = peer.connection.open("x", none, { signal });
  assertEquals(listeners.count, 1);
  peer.receive(m.ChannelOpenConfirmation.encode({
    ...{ recipient: 0, sender: 3, window: 9, maxPacket: 9, data: none },
  }));
  const channel = await opening;
  assertEquals(listeners.count, 0);
  aborter.abort();
  assertEquals(channel.isOpen, true);
});

Deno.test("An open that is too large to send takes neither a number nor a window", async () => {
  const peer = bareConnection("client", { window: { initial: 1024, max: 2048 } });
  for (let i = 0; i < 3; i++) {
    await assertRejects(
      () => peer.connection.open("x\x07", new Uint8Array(300_000)),
      RangeError,
      "The request for a channel of x",
    );
  }
  assertEquals([peer.connection.channelCount, peer.sent], [0, []]);
  const { receiveWindow } = (await peer.open()).state;
  assertEquals(receiveWindow, 1024);
});

Deno.test("Channels are opened up to MAX_CHANNELS, by either end", async () => {
  const { peer, accepted, asked } = accepting("server");
  const half = MAX_CHANNELS / 2;
  for (let i = 0; i < half; i++) await peer.open();
  for (let i = 0; i < half; i++) peer.receive(openBy(i));
  assertEquals([accepted.length, peer.connection.channelCount], [half, MAX_CHANNELS]);
  peer.numbers();
  peer.receive(openBy(9));
  const { recipient, reason } = m.ChannelOpenFailure.decode(peer.take(MSG.CHANNEL_OPEN_FAILURE));
  assertEquals([recipient, reason, asked()], [9, TOO_MANY, half]); // the handler is not asked
  await assertRejects(() => peer.connection.open("x"), ChannelOpenError, "at most");
  peer.receive(CLOSE_BY(accepted[0]!.id));
  peer.receive(openBy(9));
  assertEquals(peer.numbers(), [MSG.CHANNEL_CLOSE, MSG.CHANNEL_OPEN_CONFIRMATION]);
});

Deno.test("An open that is accepted too late is refused: after the last free number, or after the end", () => {
  let asked: IncomingOpen | undefined;
  const opens = new Map([["x", (open: IncomingOpen) => {
    asked = open;
    return new Promise<void>(() => {});
  }]]);
  const peer = bareConnection("server", { opens });
  peer.receive(openBy(4));
  for (let i = 0; i < MAX_CHANNELS; i++) peer.connection.open("y").catch(() => {});
  assertThrows(() => asked!.accept(), ChannelOpenError);
  const { recipient, reason } = m.ChannelOpenFailure.decode(peer.take(MSG.CHANNEL_OPEN_FAILURE));
  assertEquals([recipient, reason], [4, TOO_MANY]);
  const over = bareConnection("server", { opens });
  over.receive(openBy(4));
  over.connection.closed(new Error("lost"));
  assertThrows(() => asked!.accept(), ClosedError, "The connection is closed: lost");
  assertEquals(over.sent, []);
});

Deno.test("An open that is accepted with too much data is refused, and takes no number", async () => {
  let failure: unknown;
  const opens = new Map([["x", (open: IncomingOpen) => {
    failure = assertThrows(() => open.accept(new Uint8Array(300_000)));
  }]]);
  const peer = bareConnection("server", { opens });
  peer.receive(openBy(4));
  await handled();
  assert(failure instanceof RangeError, String(failure));
  assertEquals(m.ChannelOpenFailure.decode(peer.take(MSG.CHANNEL_OPEN_FAILURE)).recipient, 4);
  assertEquals([peer.sent, peer.connection.channelCount], [[], 0]);
});

Deno.test("A handler that neither accepts nor rejects refuses the channel", async () => {
  const opens = new Map([["x", () => {}]]);
  const peer = bareConnection("server", { opens });
  peer.receive(openBy(4));
  await handled();
  assertEquals(
    m.ChannelOpenFailure.decode(peer.take(MSG.CHANNEL_OPEN_FAILURE)),
    { recipient: 4, reason: 1, description: "Refused", language: "" },
  );
});

Deno.test("A connection's addresses and the peer's software are those of its transport", async () => {
  const software = { openssh: "SSH-2.0-OpenSSH_9.9", other: "SSH-2.0-dropbear" };
  const cases: ["client" | "server", string, string, boolean][] = [
    ["client", software.other, software.openssh, true],
    ["client", software.openssh, software.other, false],
    ["server", software.openssh, software.other, true],
    ["server", software.other, software.openssh, false],
    ["client", "", "SSH-2.0-denossh_1.0", true],
    ["client", "", "SSH-1.99-OpenSSH_3.0", false],
    ["client", "", "SSH-2.0-My-SSH-2.0-OpenSSH_", false],
    ["client", "", "", false],
  ];
  for (const [role, client, server, told] of cases) {
    const peer = bareConnection(role, { identification: { client, server } });
    const channel = await peer.open();
    assertEquals([channel.localAddr, channel.remoteAddr], [
      { transport: "tcp", hostname: "192.0.2.1", port: 4022 },
      { transport: "tcp", hostname: "192.0.2.2", port: 22 },
    ]);
    await channel.readable.cancel();
    assertEquals(peer.numbers(), told ? [MSG.CHANNEL_REQUEST] : [], `${role} ${server}`);
  }
});

Deno.test("An X client's channel has the address that the server tells, and its bytes are put back", async () => {
  const peer = bareConnection("client");
  const channel = await peer.open();
  const arrived: [Deno.Conn, number][] = [];
  const handler = (conn: Deno.Conn) => void arrived.push([conn, (conn as Channel).readableBytes]);
  const asking = channel.requestX11({ handler });
  peer.receive(m.ChannelSuccess.encode({ recipient: channel.id }));
  const x11 = await asking;
  const again = channel.requestX11();
  peer.receive(m.ChannelFailure.encode({ recipient: channel.id }));
  await assertRejects(() => again, RequestDeniedError);
  peer.receive(m.ChannelOpen.encode({
    ...{ type: "x11", sender: 4, window: 1000, maxPacket: 1000 },
    data: X11Open.encode({ originatorAddress: "198.51.100.7", originatorPort: 6010 }),
  }));
  const { sender } = m.ChannelOpenConfirmation.decode(peer.take(MSG.CHANNEL_OPEN_CONFIRMATION));
  const hello = new Uint8Array(12 + 20 + 16);
  hello.set([0x6c, 0, 11, 0, 0, 0, 18, 0, 16, 0]);
  hello.set(new TextEncoder().encode("MIT-MAGIC-COOKIE-1"), 12);
  hello.set(x11.cookie.match(/../g)!.map((byte) => parseInt(byte, 16)), 32);
  const message = new Uint8Array(9 + hello.length);
  message.set(data(sender, hello.length));
  message.set(hello, 9);
  peer.receive(message);
  while (arrived.length === 0) await handled();
  const [conn, readable] = arrived[0]!;
  assertEquals(conn.remoteAddr, { transport: "tcp", hostname: "198.51.100.7", port: 6010 });
  assertEquals(conn.localAddr, { transport: "tcp", hostname: "192.0.2.1", port: 4022 });
  assertEquals(readable, 12); // the head without the cookie
  await handled();
  assertEquals(m.ChannelClose.decode(peer.take(MSG.CHANNEL_CLOSE)).recipient, 4);
});

Deno.test("A connection is busy with channels, requests, and channels that the peer may open", async () => {
  const { connection, receive, open } = bareConnection("client");
  assertEquals(connection.busy, false);
  const opening = open();
  assertEquals(connection.busy, true);
  const channel = await opening;
  assertEquals(connection.busy, true);
  channel.abort();
  assertEquals([connection.busy, connection.channelCount], [false, 1]);
  receive(CLOSE_BY(channel.id));
  const asking = connection.request("x");
  assertEquals(connection.busy, true);
  receive(m.RequestSuccess.encode({ data: none }));
  await asking;
  assertEquals(connection.busy, false);
  connection.handleOpens("x", () => {});
  assertEquals(connection.busy, true);
});

Deno.test("carried is the data of the open channels, both ways", async () => {
  const peer = bareConnection("client");
  assertEquals(peer.connection.carried, 0);
  const [one, two] = [await peer.open(), await peer.open()];
  peer.receive(data(one.id, 5));
  one.tryWrite(new Uint8Array(7));
  peer.receive(data(two.id, 100, 1));
  assertEquals(peer.connection.carried, 112);
  peer.receive(CLOSE_BY(two.id));
  assertEquals(peer.connection.carried, 12);
});

Deno.test("The end of a connection ends all that waits, once, with its error", async () => {
  const peer = bareConnection("client");
  const { connection } = peer;
  const channel = await peer.open();
  const waiting = [
    channel.readChunk(),
    channel.closed,
    connection.open("x"),
    connection.request("x"),
    connection.incoming[Symbol.asyncIterator]().next(),
  ];
  assertEquals(connection.isOver, false);
  connection.closed(new Error("lost"));
  connection.closed(new Error("again"));
  for (const result of await Promise.allSettled(waiting)) {
    assert(result.status === "rejected" && result.reason.message === "lost", String(result));
  }
  assertEquals([connection.isOver, connection.channelCount, connection.busy], [true, 0, false]);
  peer.numbers();
  for (const call of [() => connection.open("x"), () => connection.request("x")]) {
    const error = await assertRejects(call, ClosedError, "The connection is closed: lost");
    assertEquals((error.cause as Error).message, "lost");
  }
  assertEquals(peer.sent, []);
});

const ends: [what: string, cause: unknown, inOrder: boolean][] = [
  ["our own disconnect", new DisconnectError(2, "us", "bye"), true],
  [
    "the peer's disconnect in order",
    new DisconnectError(DISCONNECT.BY_APPLICATION, "peer", ""),
    true,
  ],
  ["the peer's disconnect for another reason", new DisconnectError(2, "peer", "error"), false],
  ["an error", new Error("the cable"), false],
];
for (const [what, cause, inOrder] of ends) {
  Deno.test(`The loop over a peer's channels ${inOrder ? "ends" : "fails"} after ${what}`, async () => {
    const { connection } = bareConnection("client");
    const next = connection.incoming[Symbol.asyncIterator]().next();
    connection.closed(cause);
    const result = await next.then(({ done }) => done, (error) => error);
    assertEquals(result, inOrder ? true : cause);
  });
}

Deno.test("Only the control master sends global requests on a shared connection", async () => {
  const peer = bareConnection("client", { shared: true });
  assertEquals(peer.connection.shared, true);
  await assertRejects(() => peer.connection.request("x"), RequestDeniedError, "control master");
  assertThrows(() => peer.connection.notify("x"), RequestDeniedError, "control master");
  assertEquals([peer.sent, peer.connection.busy], [[], false]);
  const own = bareConnection("client");
  own.connection.notify("x");
  assertEquals(m.GlobalRequest.decode(own.take(MSG.GLOBAL_REQUEST)).data, none);
  own.connection.request("x").catch(() => {});
  assertEquals(m.GlobalRequest.decode(own.take(MSG.GLOBAL_REQUEST)).data, none);
  own.connection.open("x").catch(() => {});
  assertEquals(m.ChannelOpen.decode(own.take(MSG.CHANNEL_OPEN)).data, none);
  own.connection.notify("x", Uint8Array.of(4));
  assertEquals(own.connection.shared, false);
  assertEquals(m.GlobalRequest.decode(own.take(MSG.GLOBAL_REQUEST)), {
    type: "x",
    wantReply: false,
    data: Uint8Array.of(4),
  });
});

Deno.test("A peer's global requests go to their handler, and the answers of ours come back", async () => {
  const peer = bareConnection("server", { globals: new Map([["x", (data) => data]]) });
  const ask = (type: string) =>
    peer.receive(m.GlobalRequest.encode({ type, wantReply: true, data: Uint8Array.of(3) }));
  ask("x");
  assertEquals(m.RequestSuccess.decode(peer.take(MSG.REQUEST_SUCCESS)).data, Uint8Array.of(3));
  ask("y");
  assertEquals(peer.numbers(), [MSG.REQUEST_FAILURE]);
  peer.connection.handleGlobals("y", () => none);
  ask("y");
  assertEquals(peer.numbers(), [MSG.REQUEST_SUCCESS]);
  const [yes, no] = [peer.connection.request("yes"), peer.connection.request("no")];
  peer.receive(m.RequestSuccess.encode({ data: Uint8Array.of(8) }));
  peer.receive(m.RequestFailure.encode({}));
  assertEquals(await yes, Uint8Array.of(8));
  await assertRejects(() => no, RequestDeniedError, '"no"');
});

Deno.test("The round trip of a connection is that of an open, or of the peer's first request", async () => {
  using time = new FakeTime();
  const { peer, accepted } = accepting("server", { window: { initial: 1024, max: 1_000_000 } });
  /** Whether a window that is filled within `elapsed` ms grows: the round trip is longer. */
  const grows = (channel: Channel, elapsed: number): boolean => {
    channel.discard("stdout");
    const before = channel.state.receiveWindow;
    time.skip(100_000);
    for (const half of [0, 1]) {
      if (half) time.skip(elapsed);
      for (let i = 0; i < 4; i++) peer.receive(data(channel.id, 128));
    }
    return channel.state.receiveWindow > before;
  };
  peer.receive(openBy(1));
  assertEquals(grows(accepted[0]!, 0), false); // not known yet
  time.skip(300);
  const ask = () =>
    m.ChannelRequest.encode({
      ...{ recipient: accepted[1]!.id, type: "env", wantReply: false, data: none },
    });
  peer.receive(openBy(2));
  time.skip(80);
  peer.receive(ask());
  time.skip(20);
  peer.receive(ask()); // only the first one is an answer
  assertEquals(grows(accepted[1]!, 80), false);
  assertEquals(grows(accepted[1]!, 79), true);
  const aborter = new AbortController();
  const aborted = peer.connection.open("x", none, { signal: aborter.signal });
  peer.take(MSG.CHANNEL_OPEN);
  time.skip(5);
  aborter.abort(new Error("enough")); // which is not an answer
  await assertRejects(() => aborted, Error, "enough");
  const opening = peer.connection.open("y");
  const { sender: recipient } = m.ChannelOpen.decode(peer.take(MSG.CHANNEL_OPEN));
  time.skip(40);
  peer.receive(m.ChannelOpenConfirmation.encode({
    ...{ recipient, sender: 3, window: 9, maxPacket: 9, data: none },
  }));
  const channel = await opening;
  assertEquals(grows(channel, 40), false);
  assertEquals(grows(channel, 39), true);
});

Deno.test("A write that waits for the peer's window is traced, and one for the socket is not", async () => {
  const peer = bareConnection("client");
  const channel = await peer.open({ sender: 5, window: 3 });
  peer.congested = true;
  const writing = channel.writeAll(new Uint8Array(4));
  assertEquals([peer.stalled, peer.sent], [[], []]);
  peer.congested = false;
  await handled();
  assertEquals([peer.stalled, peer.numbers()], [[5], [MSG.CHANNEL_DATA]]);
  peer.receive(adjust(channel.id, 1));
  await writing;
});

Deno.test("Bulk data that arrived together is one chunk", async () => {
  const peer = bareConnection("client");
  const channel = await peer.open();
  for (const type of [0, 1]) {
    for (const ahead of [20_000, 10_000, 0]) {
      peer.ahead = ahead;
      peer.receive(data(channel.id, 10_000, type));
    }
    const chunk = type === 0 ? await channel.readChunk() : await channel.readStderrChunk();
    assertEquals(chunk!.length, 30_000);
  }
});

Deno.test("What is read is credited to the peer's channel", async () => {
  const peer = bareConnection("client", { window: 1024 });
  const channel = await peer.open({ sender: 0x01020304 });
  peer.receive(data(channel.id, 0x203));
  await channel.readChunk();
  assertEquals(peer.sent, [Uint8Array.of(93, 1, 2, 3, 4, 0, 0, 2, 3)]);
});

Deno.test("A message before keepalives are set does not count as an answer to them", async () => {
  using time = new FakeTime();
  const peer = bareConnection("client");
  peer.receive(m.RequestFailure.encode({}));
  peer.connection.keepalive(1000, 1);
  await time.advance(1000);
  assertEquals([peer.numbers(), peer.failures], [[MSG.GLOBAL_REQUEST], []]);
  await time.advance(1000);
  assertEquals([peer.numbers(), peer.failures.length], [[], 1]);
});

Deno.test("Keepalives are sent to a silent peer, and any message is a sign of life", async () => {
  using time = new FakeTime();
  const peer = bareConnection("client");
  peer.connection.keepalive(1000, 2);
  const asked = () => peer.numbers().filter((number) => number === MSG.GLOBAL_REQUEST).length;
  assertEquals(peer.connection.busy, false);
  await time.advance(999);
  assertEquals(asked(), 0);
  await time.advance(1);
  assertEquals(asked(), 1);
  peer.receive(m.RequestFailure.encode({}));
  await time.advance(1000);
  assertEquals(asked(), 0);
  peer.connection.heard(); // as the transport tells of messages of its own
  await time.advance(1000);
  assertEquals(asked(), 0);
  await time.advance(2000);
  assertEquals([asked(), peer.failures], [2, []]);
  await time.advance(1000);
  assertEquals(asked(), 0);
  const [error] = peer.failures;
  assert(error instanceof ConnectError && error.code === "timeout");
  assertEquals(error.message.includes("for 3000 ms"), true);
  assertEquals([peer.failures.length, time.timers], [1, 0]);
});

Deno.test("The end of a connection stops its timers", () => {
  using time = new FakeTime();
  const peer = bareConnection("client");
  peer.connection.keepalive(1000);
  peer.connection.keepalive(2000);
  peer.connection.closeIdle({ session: 1000 });
  peer.connection.closeIdle({ session: 2000 });
  assertEquals(time.timers, 2);
  peer.connection.closed(new Error("over"));
  assertEquals(time.timers, 0);
});
