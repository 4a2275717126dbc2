/** The end of a connection: the DISCONNECT, and the wait for the peer. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { CLOSE_LINGER_MS, MAX_PACKET_LENGTH } from "../../lib/defaults.ts";
import {
  ConnectError,
  DisconnectError,
  HostKeyError,
  KeyFormatError,
  NegotiationError,
  ProtocolError,
  SshError,
} from "../../lib/errors.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { none } from "../connection/raw_channel.ts";
import { until } from "../connection/until.ts";
import * as m from "../../lib/wire/messages.ts";
import { FakeTime } from "../support/fake_time.ts";
import { greetedPair, transportPair } from "./transport_pair.ts";
import type { TraceEvent } from "../../lib/transport/trace.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const nothingInCommon = new NegotiationError("cipher", ["one"], ["two"]);
const endings: [name: string, error: unknown, reason: number | null, told: string][] = [
  ["a protocol error", new ProtocolError("Bad \x1bthing"), 2, "Bad thing"],
  [
    "a protocol error with a reason for itself",
    new ProtocolError("Too many", { disconnectReason: 14 }),
    14,
    "Too many",
  ],
  ["a host key that is not trusted", new HostKeyError("unknown", "", "SHA256:x", "No"), 9, "No"],
  ["a key that cannot be read", new KeyFormatError("Not a key"), 3, "Not a key"],
  ["nothing in common", nothingInCommon, 3, plainMessage(nothingInCommon)],
  ["a word of ours", new DisconnectError(12, "us", "Too many users"), 12, "Too many users"],
  ["another error of ours", new SshError("command", "Enough"), 11, "Enough"],
  ["an error of the program's, in confidence", new Error("password is hunter2"), 11, ""],
  ["a reason that is not an error", "hunter2", 11, ""],
  ["a lost connection", new ConnectError("The line is dead"), null, ""],
  ["the peer's own word", new DisconnectError(2, "peer", "You are wrong"), null, ""],
];
for (const [name, error, reason, told] of endings) {
  for (const role of ["client", "server"] as const) {
    Deno.test(`An end by ${name} sends reason ${reason ?? "none"} (${role})`, async () => {
      await using pair = await greetedPair();
      const [ours, theirs] = [pair[role], pair[role === "client" ? "server" : "client"]];
      ours.fail(error);
      ours.fail(new Error("a second end"));
      assertEquals(await ours.closed, error);
      const heard = await theirs.closed;
      if (reason === null) {
        assert(heard instanceof ConnectError, String(heard));
        return;
      }
      assert(heard instanceof DisconnectError, String(heard));
      assertEquals([heard.by, heard.reason], ["peer", reason]);
      const words = plainMessage(heard).replace(/^.*?\(reason \d+\)/, "");
      assertEquals(words, told === "" ? "" : `: ${told}`);
    });
  }
}

Deno.test("Ends without a common algorithm send reason 3, in both directions", async () => {
  await using pair = transportPair({
    client: { suite: resolveSuite({ cipher: ["aes256-gcm@openssh.com"] }) },
    server: { suite: resolveSuite({ cipher: ["aes128-ctr"] }) },
  });
  pair.client.handshake().catch(() => {});
  pair.server.handshake().catch(() => {});
  const ends = await Promise.all([pair.client.closed, pair.server.closed]);
  for (const error of ends) {
    if (error instanceof DisconnectError) assertEquals([error.by, error.reason], ["peer", 3]);
    else assert(error instanceof NegotiationError, String(error));
  }
  assert(ends.some((error) => error instanceof NegotiationError));
});

const words: [args: [reason?: number, description?: string], told: [number, string]][] = [
  [[], [11, "Closed by the application"]],
  [[7, "Not served"], [7, "Not served"]],
];
for (const [args, [reason, description]] of words) {
  Deno.test(`disconnect(${args.join(", ")}) sends reason ${reason} and its text`, async () => {
    await using pair = await greetedPair();
    pair.client.disconnect(...args);
    const heard = await pair.server.closed;
    assert(heard instanceof DisconnectError);
    assertEquals([heard.reason, plainMessage(heard).endsWith(`: ${description}`)], [reason, true]);
  });
}

for (const who of ["this end", "the peer"]) {
  Deno.test(`After a fault of ${who}, the peer is read for CLOSE_LINGER_MS unless it hangs up`, async () => {
    using time = new FakeTime();
    await using pair = await greetedPair();
    const { client, server, sockets } = pair;
    // The peer ignores the end, and keeps sending.
    const { close } = server.socket;
    server.fail = () => {};
    server.socket.close = () => {};
    let finished = false;
    client.finished.then(() => finished = true);
    if (who === "this end") client.fail(new ProtocolError("Enough"));
    else server.sink.send(m.RequestSuccess.encode({ data: none })); // too early
    await time.advance(0);
    assert(await client.closed instanceof ProtocolError);
    client.fail(new ConnectError("This comes late")); // and has no effect
    assertEquals([sockets.client.closedWrite, sockets.client.closed], [1, 0]);
    const before = sockets.client.read;
    await time.advance(CLOSE_LINGER_MS - 1);
    server.sink.send(m.Ping.encode({ data: new Uint8Array(5000) }));
    await time.advance(0);
    assert(sockets.client.read - before >= 5000);
    assertEquals([finished, sockets.client.closed], [false, 0]);
    await time.advance(1);
    assertEquals([finished, sockets.client.closed > 0], [true, true]);
    close();
  });
}

Deno.test("An end with a DISCONNECT to send does not wait once the peer has hung up", async () => {
  using time = new FakeTime();
  await using pair = await greetedPair();
  pair.client.fail(new ProtocolError("Enough"));
  await pair.client.finished;
  assertEquals(time.now, 0);
  await time.advance(2 * CLOSE_LINGER_MS);
  assertEquals([pair.sockets.client.closedWrite, pair.sockets.client.closed], [1, 1]);
});

for (const role of ["client", "server"] as const) {
  for (const busy of [true, false, undefined]) {
    const waits = role === "server" || busy !== false;
    Deno.test(`disconnect() of a ${role} that is${busy === false ? " not" : ""} busy ${waits ? "waits for the peer's end" : "closes the socket"}${busy === undefined ? " (unknown)" : ""}`, async () => {
      using time = new FakeTime();
      await using pair = await greetedPair();
      const [ours, theirs] = [pair[role], pair[role === "client" ? "server" : "client"]];
      const { close } = theirs.socket;
      theirs.socket.close = () => {}; // it is slow
      ours.open({ handle() {}, closed() {}, ...(busy !== undefined && { busy }) });
      ours.disconnect();
      await time.advance(0);
      const { closedWrite, closed } = pair.sockets[role];
      assertEquals([closedWrite, closed > 0], waits ? [1, false] : [0, true]);
      assert(await theirs.closed instanceof DisconnectError);
      close();
    });
  }
}

for (const error of [new ConnectError("lost"), new DisconnectError(11, "peer", "bye")]) {
  Deno.test(`An end by ${error.name} closes the socket immediately, and sends nothing`, async () => {
    const sent: string[] = [];
    const trace = ({ direction, name }: TraceEvent) => {
      if (direction === "sent") sent.push(name);
    };
    await using pair = await greetedPair({ client: { trace } });
    pair.client.fail(error);
    assertEquals([pair.sockets.client.closedWrite, pair.sockets.client.closed], [0, 1]);
    await pair.client.finished;
    assertEquals(sent.at(-1), "NEWKEYS");
  });
}

Deno.test("The end of the peer's bytes ends the connection, and the upper layer knows it", async () => {
  await using pair = await greetedPair();
  const ends: unknown[] = [];
  pair.client.open({ handle() {}, closed: (error) => void ends.push(error) });
  pair.server.socket.closeWrite();
  const error = await pair.client.closed;
  assert(error instanceof ConnectError, String(error));
  assertEquals(plainMessage(error), "The server closed the connection");
  assertEquals(ends, [error]);
});

Deno.test("After the end nothing more is sent, and the memory of both directions is freed", async () => {
  await using pair = await greetedPair();
  const { client } = pair;
  client.fail(new ProtocolError("Enough"));
  const { packetsSinceRekey } = client.sink;
  client.sink.send(m.Ignore.encode({ data: none }));
  assertEquals(client.sink.packetsSinceRekey, packetsSinceRekey);
  await client.finished;
  assertThrows(() => client.ahead);
  assertThrows(() => client.sink.sealer.pending);
});

Deno.test("Before the identification nothing is sent, and the socket is closed immediately", async () => {
  await using pair = transportPair();
  const handshake = pair.client.handshake().catch((error) => error);
  const error = new ProtocolError("Enough");
  pair.client.fail(error);
  assertEquals(pair.sockets.client.closed, 1);
  assertEquals(await handshake, error);
  pair.server.handshake().catch(() => {});
  const heard = await pair.server.closed;
  assert(heard instanceof ConnectError, String(heard));
});

const late = new ConnectError("Too slow", { timeout: true });
const openings: [name: string, said: string, error: ConnectError, quoted: string | null][] = [
  ["a line", "220 mail\x1b.example.com\r\n", late, "220 mail.example.com"],
  ["half a line", "login: ", late, "login: "],
  ["two lines", "first\r\nsecond\r\n", late, "first"],
  ["half an identification", "SSH-2.0-x", late, null],
  ["nothing", "", late, null],
  ["a line, and is lost", "220 mail\r\n", new ConnectError("Lost"), null],
  ["a line, and its identification", "220 mail\r\n", late, null],
];
for (const [name, said, error, quoted] of openings) {
  Deno.test(`A server that is too slow and has sent ${name} is ${quoted === null ? "not " : ""}quoted`, async () => {
    await using pair = transportPair();
    const { client, server, sockets } = pair;
    const handshake = client.handshake().catch((error) => error);
    server.socket.write(new TextEncoder().encode(said)).catch(() => {}); // nothing may be read
    await until(() => sockets.client.read === said.length);
    const identifies = name.includes("its identification");
    if (identifies) {
      server.handshake().catch(() => {});
      await until(() => client.agreed !== null);
    }
    client.fail(error);
    const found = await client.closed;
    if (!identifies) assertStrictEquals(await handshake, found);
    if (quoted === null) return assertStrictEquals(found, error);
    assert(found instanceof ConnectError && found.code === "timeout" && found.cause === error);
    assertEquals(
      plainMessage(found),
      `Too slow: the server said "${quoted}" and did not identify itself`,
    );
  });
}

Deno.test("Opening a channel on an ended connection rejects with the reason", async () => {
  await using pair = await greetedPair();
  pair.client.disconnect();
  const ended = Promise.withResolvers<unknown>();
  pair.client.open({ handle() {}, closed: ended.resolve });
  assertStrictEquals(await ended.promise, await pair.client.closed);
});

Deno.test("A DISCONNECT is shown without control characters, and may lack its language or its texts", async () => {
  const full = m.Disconnect.encode({ reason: 12, description: "full", language: "" });
  const told: [payload: Uint8Array, message: string][] = [
    [full.subarray(0, -4), "The server disconnected (reason 12): full"],
    [full.subarray(0, 5), "The server disconnected (reason 12)"],
    [
      m.Disconnect.encode({ reason: 12, description: "full\x1b[2J", language: "" }),
      "The server disconnected (reason 12): full[2J",
    ],
  ];
  for (const [payload, message] of told) {
    await using pair = await greetedPair();
    pair.server.sink.sendNow(payload);
    const error = await pair.client.closed;
    assert(error instanceof DisconnectError && error.reason === 12, String(error));
    assertEquals(plainMessage(error), message);
  }
});

Deno.test("A connection that ends as the peer's identification arrives exchanges no keys", async () => {
  await using pair = transportPair();
  const { client, server } = pair;
  const error = new ProtocolError("Enough");
  const { read } = client.socket;
  client.socket.read = async (into) => {
    const n = await read(into);
    client.fail(error);
    return n;
  };
  server.handshake().catch(() => {});
  assertStrictEquals(await assertRejects(() => client.handshake()), error);
  await client.finished;
  assertEquals([pair.sockets.client.closedWrite, pair.sockets.client.closed], [0, 1]);
});

Deno.test("A rekey of an ended connection rejects with the reason", async () => {
  await using pair = await greetedPair();
  const error = new ProtocolError("Enough");
  pair.client.fail(error);
  // A promise as the reason would pass for its value.
  const reasons: unknown[] = [];
  await pair.client.rekey().catch((reason) => void reasons.push(reason));
  assertStrictEquals(reasons[0], error);
});

Deno.test("The control characters of an error are not sent to the peer", async () => {
  await using pair = await greetedPair();
  const { client } = pair;
  const said: string[] = [];
  const send = client.sink.sendNow.bind(client.sink);
  client.sink.sendNow = (payload) => {
    said.push(m.Disconnect.decode(payload).description);
    send(payload);
  };
  client.fail(new ProtocolError("Bad \x1bthing"));
  assertEquals(said, ["Bad thing"]);
});

Deno.test("A packet that is longer than MAX_PACKET_LENGTH ends the connection", async () => {
  await using pair = await greetedPair();
  pair.server.sink.sendNow(m.Ignore.encode({ data: new Uint8Array(MAX_PACKET_LENGTH) }));
  pair.server.disconnect();
  const error = await pair.client.closed;
  assert(error instanceof ProtocolError, String(error));
});
