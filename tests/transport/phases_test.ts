/**
 * The messages allowed in each phase, in either role (RFC 4253 §7.1, RFC 4252 §5.1 and §6, RFC 8308
 * §2.4).
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { ConnectError, ProtocolError } from "../../lib/errors.ts";
import { KEX_TIMEOUT_MS } from "../../lib/defaults.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { encodeExtInfo } from "../../lib/transport/ext_info.ts";
import type { TraceEvent } from "../../lib/transport/trace.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { none } from "../connection/raw_channel.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { FakeTime } from "../support/fake_time.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { greetedPair, transportPair } from "./transport_pair.ts";

const userauthRequest = m.UserauthRequest.encode({
  user: "ann",
  service: "ssh-connection",
  method: "none",
  data: none,
});

for (const role of ["client", "server"] as const) {
  for (
    const number of [...role === "server" ? [80] : [], 81, 82, 90, 91, 93, 94, 96, 98, 100, 127]
  ) {
    Deno.test(`Message ${number} of the connection before the login ends it (${role})`, async () => {
      await using pair = await greetedPair();
      const [ours, theirs] = role === "client"
        ? [pair.client, pair.server]
        : [pair.server, pair.client];
      theirs.sink.sendNow(new Uint8Array([number, 0, 0, 0, 0]));
      theirs.disconnect(); // the end, if that was none
      const error = await ours.closed;
      assert(error instanceof ProtocolError, String(error));
      assertStringIncludes(error.message, "Unexpected");
    });
  }

  Deno.test(`Before the login unknown messages are answered, and messages without effect are not (${role})`, async () => {
    const heard: string[] = [];
    const trace = ({ direction, name }: TraceEvent) => {
      if (direction === "received") heard.push(name);
    };
    const peer = role === "client" ? "server" : "client";
    await using pair = await greetedPair({ [peer]: { trace } });
    const [ours, theirs] = [pair[role], pair[peer]];
    const before = ours.sink.packetsSinceRekey;
    theirs.sink.sendNow(m.Ignore.encode({ data: none }));
    theirs.sink.sendNow(m.Debug.encode({ display: true, text: "x", language: "" }));
    theirs.sink.sendNow(m.Unimplemented.encode({ sequence: 1 }));
    theirs.sink.sendNow(m.Pong.encode({ data: none }));
    theirs.sink.sendNow(m.Ping.encode({ data: none }));
    theirs.sink.sendNow(new Uint8Array([128])); // the first number after the connection's
    theirs.sink.sendNow(new Uint8Array([79]));
    assertEquals((await ours.link().receive())[0], 79);
    assertEquals(ours.sink.packetsSinceRekey - before, 2);
    ours.disconnect();
    await theirs.closed;
    assertEquals(heard.slice(-3), ["PONG", "UNIMPLEMENTED", "DISCONNECT"]);
  });
}

Deno.test("A server's global request before the login is answered as unknown", async () => {
  const heard: string[] = [];
  const trace = ({ direction, name }: TraceEvent) => {
    if (direction === "received") heard.push(name);
  };
  await using pair = await greetedPair({ server: { trace } });
  const request = m.GlobalRequest.encode({ type: "keepalive@x", wantReply: true, data: none });
  pair.server.sink.sendNow(request);
  pair.server.sink.sendNow(new Uint8Array([79]));
  assertEquals((await pair.client.link().receive())[0], 79);
  pair.client.disconnect();
  await pair.server.closed;
  assertEquals(heard.slice(-2), ["UNIMPLEMENTED", "DISCONNECT"]);
});

Deno.test("Requests for a login after it succeeded are ignored, without an answer", async () => {
  await using world = await rawWorld("server");
  const before = world.transport.sink.packetsSinceRekey;
  for (let i = 0; i < 3; i++) world.raw.send(userauthRequest);
  world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: true, data: none }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  assertEquals(world.transport.sink.packetsSinceRekey, before + 1);
});

const late: [role: "client" | "server", message: Uint8Array][] = [
  ["client", userauthRequest],
  ["server", new Uint8Array([MSG.USERAUTH_BANNER])],
  ["client", new Uint8Array([MSG.SERVICE_REQUEST])],
  ...[6, 51, 52, 60, 79].flatMap((number): typeof late => [
    ["client", new Uint8Array([number])],
    ["server", new Uint8Array([number])],
  ]),
];
for (const [role, message] of late) {
  Deno.test(`Message ${message[0]} of the login after it ends the connection (${role})`, async () => {
    await using world = await rawWorld(role);
    world.raw.send(message);
    world.raw.transport.disconnect();
    const error = await world.transport.closed;
    assert(error instanceof ProtocolError, String(error));
    assertStringIncludes(error.message, "Unexpected");
  });
}

Deno.test("A request for a service after the login is answered as unknown", async () => {
  await using world = await rawWorld("server");
  const before = world.transport.sink.packetsSinceRekey;
  world.raw.send(m.ServiceRequest.encode({ service: "ssh-connection" }));
  world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: true, data: none }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  assertEquals(world.transport.sink.packetsSinceRekey, before + 2);
});

Deno.test("A banner after the login is ignored", async () => {
  await using world = await rawWorld("client");
  world.raw.send(m.UserauthBanner.encode({ text: "late", language: "" }));
  const asking = world.connection.request("x");
  await world.raw.next(MSG.GLOBAL_REQUEST);
  world.raw.send(m.RequestSuccess.encode({ data: none }));
  assertEquals(await asking, none);
});

Deno.test("Messages of the login within a rekey end the connection", async () => {
  await using world = await rawWorld("server");
  world.raw.transport.rekey().catch(() => {});
  world.raw.send(userauthRequest); // the KEXINIT is on its way
  world.raw.transport.disconnect();
  const error = await world.transport.closed;
  assert(error instanceof ProtocolError, String(error));
});

const text = (transport: Transport, name: string) => {
  const value = transport.extensions.get(name);
  return value && new TextDecoder().decode(value);
};

Deno.test("The first EXT_INFO is used, before the login and after it", async () => {
  await using pair = await greetedPair();
  const { client, server } = pair;
  const link = client.link();
  const send = (extensions: Record<string, string>) =>
    server.sink.sendNow(encodeExtInfo(extensions));
  send({ "server-sig-algs": "ssh-rsa", "second@example.com": "1" });
  server.sink.sendNow(m.ServiceAccept.encode({ service: "ssh-userauth" }));
  await link.receive();
  assertStringIncludes(text(client, "server-sig-algs")!, "rsa-sha2-512");
  assertEquals(text(client, "second@example.com"), undefined);
  server.sink.sendNow(encodeExtInfo({ "server-sig-algs": "none" }));
  server.sink.sendNow(m.ServiceAccept.encode({ service: "ssh-userauth" }));
  await link.receive();
  assertStringIncludes(text(client, "server-sig-algs")!, "rsa-sha2-512");
  client.disconnect();
});

Deno.test("A server that accepts only certificates announces the signatures of their keys", async () => {
  const suite = resolveSuite({ userKey: "rsa-sha2-*-cert-v01@openssh.com,ssh-ed25519*" });
  await using pair = await greetedPair({ server: { suite } });
  const link = pair.client.link();
  pair.server.sink.sendNow(m.ServiceAccept.encode({ service: "ssh-userauth" }));
  await link.receive();
  const names = text(pair.client, "server-sig-algs")!.split(",").sort();
  assertEquals(names, ["rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519"]);
});

Deno.test("A client's EXT_INFO is read, but not a second one", async () => {
  await using pair = await greetedPair();
  const { client, server } = pair;
  const link = server.link();
  for (const value of ["first", "second"]) {
    client.sink.sendNow(encodeExtInfo({ "name@example.com": value }));
  }
  client.sink.sendNow(m.ServiceRequest.encode({ service: "ssh-userauth" }));
  await link.receive();
  assertEquals(text(server, "name@example.com"), "first");
  assertStrictEquals(link.extensions, server.extensions); // although it was made before
});

for (const asks of [true, false]) {
  Deno.test(`A server sends ${asks ? "one" : "no"} EXT_INFO to a client that ${asks ? "asks" : "does not ask"}`, async () => {
    const sent: string[] = [];
    const trace = ({ direction, name }: TraceEvent) => {
      if (direction === "sent") sent.push(name);
    };
    await using pair = transportPair({ server: { trace } });
    const { client, server } = pair;
    const { sink } = client;
    const sendNow = sink.sendNow.bind(sink);
    sink.sendNow = (payload) => {
      if (!asks && client.agreed === null && payload[0] === MSG.KEXINIT) {
        rename(payload, "ext-info-c", "ext-info-x");
      }
      sendNow(payload);
    };
    await Promise.all([client.handshake(), server.handshake()]);
    await server.rekey();
    await server.rekey();
    assertEquals(sent.filter((name) => name === "EXT_INFO").length, asks ? 1 : 0);
    if (asks) assertEquals(sent.slice(2, 4), ["NEWKEYS", "EXT_INFO"]); // RFC 8308 §2.4
    assertEquals(client.extensions.size > 0, asks);
  });
}

/** Overwrites a name, also in the message that enters the exchange hash. */
function rename(payload: Uint8Array, name: string, other: string): void {
  const latin1 = new TextDecoder("latin1").decode(payload);
  const at = latin1.indexOf(name);
  assert(at > 0);
  payload.set(new TextEncoder().encode(other), at);
}

for (const starter of ["this end", "the peer"]) {
  Deno.test(`A rekey that ${starter} started and that stalls ends the connection in time`, async () => {
    using time = new FakeTime();
    await using pair = await greetedPair();
    const { client, server } = pair;
    const { sink } = server;
    const sendNow = sink.sendNow.bind(sink);
    server.fail = () => {};
    // The peer sends only its KEXINIT.
    sink.sendNow = (payload) => {
      if (payload[0] === MSG.KEXINIT && starter === "the peer") sendNow(payload);
    };
    if (starter === "this end") client.rekey().catch(() => {});
    else server.rekey().catch(() => {});
    const over = () => Promise.race([client.closed, Promise.resolve(null)]);
    await time.advance(KEX_TIMEOUT_MS - 1);
    assertEquals(await over(), null);
    await time.advance(1);
    const error = await over();
    assert(error instanceof ConnectError && error.code === "timeout", String(error));
    assertStringIncludes(error.message, "key exchange timed out");
  });
}

Deno.test("A rekey that ends in time leaves no deadline", async () => {
  using time = new FakeTime();
  await using pair = await greetedPair();
  const { client, server } = pair;
  await time.settle(server.rekey(), 1000);
  await time.advance(3 * KEX_TIMEOUT_MS);
  server.sink.sendNow(m.ServiceAccept.encode({ service: "ssh-userauth" }));
  assertEquals((await client.link().receive())[0], MSG.SERVICE_ACCEPT);
});

const strictFlag = "kex-strict-s-v00@openssh.com";
const firsts: [name: string, order: "before" | "after", strict: boolean, error: string][] = [
  ["before a strict peer's KEXINIT", "before", true, "KEXINIT was not the first packet"],
  ["after a strict peer's KEXINIT", "after", true, "Unexpected IGNORE"],
  // This check passes; then the signature over the KEXINIT actually sent fails.
  ["before another peer's KEXINIT", "before", false, "does not hold the host key"],
  ["after another peer's KEXINIT", "after", false, "does not hold the host key"],
];
for (const [name, order, strict, message] of firsts) {
  Deno.test(`An IGNORE ${name}: ${message}`, async () => {
    await using pair = transportPair();
    const { sink } = pair.server;
    const send = sink.sendNow.bind(sink);
    const ignore = m.Ignore.encode({ data: none });
    sink.sendNow = (payload) => {
      if (payload[0] !== MSG.KEXINIT) return send(payload);
      if (order === "before") send(ignore);
      const init = m.KexInit.decode(payload);
      const kex = init.kex.filter((method) => strict || method !== strictFlag);
      send(m.KexInit.encode({ ...init, kex }));
      if (order === "after") send(ignore);
    };
    const server = pair.server.handshake().catch(() => {});
    const error = await assertRejects(() => pair.client.handshake());
    assertStringIncludes((error as Error).message, message);
    await server;
  });
}

Deno.test("Two ends identify themselves on streams without buffers", async () => {
  const size = { highWaterMark: 0 };
  const pipe = () => new TransformStream<Uint8Array, Uint8Array>({}, size, size);
  const [toServer, toClient] = [pipe(), pipe()];
  const hostKeys = [await generateKey()];
  const suite = resolveSuite();
  const ends = [
    new Transport(
      streamSocket({ readable: toClient.readable, writable: toServer.writable }),
      { role: "client", suite },
    ),
    new Transport(
      streamSocket({ readable: toServer.readable, writable: toClient.writable }),
      { role: "server", suite, hostKeys },
    ),
  ];
  await Promise.all(ends.map((end) => end.handshake()));
  for (const end of ends) end.disconnect();
  await Promise.all(ends.map((end) => end.finished));
});

Deno.test("Each end sends its identification with CR LF first, and has the other's", async () => {
  const lines = { client: "SSH-2.0-Ours", server: "SSH-2.0-Theirs 1.0" };
  await using pair = transportPair({
    client: { identification: lines.client },
    server: { identification: lines.server },
  });
  const first: Record<string, string> = {};
  for (const { role, socket } of [pair.client, pair.server]) {
    const { write } = socket;
    socket.write = (bytes) => {
      first[role] ??= new TextDecoder().decode(bytes);
      return write(bytes);
    };
  }
  await Promise.all([pair.client.handshake(), pair.server.handshake()]);
  assertEquals(first, { client: `${lines.client}\r\n`, server: `${lines.server}\r\n` });
  assertEquals([pair.client.identification, pair.server.identification], [lines, lines]);
});

Deno.test("Messages of the transport are reported upwards as signs of life", async () => {
  await using pair = await greetedPair();
  let heard = 0;
  pair.client.open({ handle() {}, closed() {}, heard: () => void heard++ });
  pair.server.sink.sendNow(m.Ignore.encode({ data: none }));
  pair.server.sink.sendNow(m.Debug.encode({ display: false, text: "", language: "" }));
  pair.server.disconnect();
  await pair.client.closed;
  assert(heard >= 3, `${heard}`); // EXT_INFO may be one more
});

Deno.test("Before the first key exchange a transport has no session, and before the login no channels", async () => {
  await using pair = transportPair();
  const { client, server } = pair;
  assertThrows(() => client.sessionId, TypeError, "No key exchange yet");
  assertThrows(() => client.host, TypeError, "No key exchange yet");
  assertEquals([client.agreed, client.hostKey], [null, null]);
  await Promise.all([client.handshake(), server.handshake()]);
  assertEquals(client.host.sessionId, client.sessionId);
  assertEquals(client.channelCount, 0);
});

for (const number of [MSG.NEWKEYS, 30, 49]) {
  Deno.test(`Message ${number} outside of a key exchange ends the connection`, async () => {
    await using world = await rawWorld("server");
    world.raw.send(new Uint8Array([number]));
    world.raw.transport.disconnect();
    const error = await world.transport.closed;
    assert(error instanceof ProtocolError, String(error));
    assertStringIncludes(error.message, "Unexpected");
  });
}

const early: [name: string, message: Uint8Array][] = [
  ["PING", m.Ping.encode({ data: none })],
  ["EXT_INFO", encodeExtInfo({ "name@example.com": "1" })],
  ["SERVICE_REQUEST", m.ServiceRequest.encode({ service: "ssh-userauth" })],
  ["message 195", new Uint8Array([195])],
];
for (const [name, message] of early) {
  Deno.test(`${name} before the first KEXINIT ends the connection`, async () => {
    await using pair = transportPair();
    const { client, server } = pair;
    const send = client.sink.sendNow.bind(client.sink);
    client.sink.sendNow = (payload) => {
      if (payload[0] === MSG.KEXINIT) send(message);
      send(payload);
    };
    client.handshake().catch(() => {});
    const error = await assertRejects(() => server.handshake(), ProtocolError);
    assertEquals(plainMessage(error), `Unexpected ${name}`);
  });
}

Deno.test("After the login messages 80 to 127 are the connection's, and 128 is answered as unknown", async () => {
  const sent: string[] = [];
  const trace = ({ direction, name }: TraceEvent) => {
    if (direction === "sent") sent.push(name);
  };
  await using pair = await greetedPair({ server: { trace } });
  const handled: number[] = [];
  pair.server.open({ handle: (payload) => void handled.push(payload[0]!), closed() {} });
  for (const number of [80, 127, 128]) pair.client.sink.sendNow(new Uint8Array([number]));
  pair.client.disconnect();
  await pair.server.closed;
  assertEquals([handled, sent.at(-1)], [[80, 127], "UNIMPLEMENTED"]);
});

Deno.test("The message after the last one of the login waits until the connection is open", async () => {
  await using pair = await greetedPair();
  const { client, server } = pair;
  const link = server.link();
  for (const number of [79, 80]) client.sink.sendNow(Uint8Array.of(number));
  assertEquals((await link.receive())[0], 79);
  const handled: number[] = [];
  server.open({ handle: (payload) => void handled.push(payload[0]!), closed() {} });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(handled, [80]);
});

Deno.test("A handler knows the bytes that have arrived after its message, and the transport the channels", async () => {
  await using pair = await greetedPair();
  const { client, server } = pair;
  const ahead: number[] = [];
  server.open({ handle: () => void ahead.push(server.ahead), closed() {}, channelCount: 3 });
  assertEquals(server.channelCount, 3);
  for (let i = 0; i < 3; i++) client.sink.sendNow(Uint8Array.of(80)); // in one write
  await client.sink.drained();
  client.disconnect();
  await server.closed;
  const [first, second, third] = ahead;
  assert(first! > second! && first! - second! === second! - third!, `${ahead}`);
});

Deno.test("A server announces the extensions that it has", async () => {
  await using pair = await greetedPair();
  pair.server.sink.sendNow(m.ServiceAccept.encode({ service: "ssh-userauth" }));
  await pair.client.link().receive();
  const names = [...pair.client.extensions.keys()].sort();
  const { userKey } = resolveSuite();
  assertEquals(names.map((name) => [name, text(pair.client, name)]), [
    ["agent-forward", "0"],
    ["ping@openssh.com", "0"],
    ["publickey-hostbound@openssh.com", "0"],
    ["server-sig-algs", userKey.filter((name) => !name.includes("-cert-")).join(",")],
  ]);
});

Deno.test("A PING is answered with its data", async () => {
  await using pair = await greetedPair();
  const answers: Uint8Array[] = [];
  pair.server.sink.send = (payload) => void answers.push(payload);
  pair.client.sink.sendNow(m.Ping.encode({ data: new Uint8Array([1, 2, 3]) }));
  pair.client.disconnect();
  await pair.server.closed;
  assertEquals(answers, [m.Pong.encode({ data: new Uint8Array([1, 2, 3]) })]);
});

Deno.test("The first key exchange has no deadline besides that of the login", async () => {
  using time = new FakeTime();
  await using pair = transportPair();
  const { client, server } = pair;
  server.sink.sendNow = () => {}; // it identifies itself, and stalls
  for (const end of [client, server]) end.handshake().catch(() => {});
  await time.advance(3 * KEX_TIMEOUT_MS);
  const error = new ProtocolError("Enough");
  client.fail(error);
  assertEquals(await client.closed, error);
});
