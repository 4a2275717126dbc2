import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { MAX_STRAGGLERS, OUTBOX_LIMIT } from "../../lib/defaults.ts";
import { DisconnectError, HostKeyError, ProtocolError } from "../../lib/errors.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import * as m from "../../lib/wire/messages.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import type { RekeyLimits } from "../../lib/transport/key_use.ts";
import type { TraceEvent } from "../../lib/transport/trace.ts";
import { password } from "../../lib/auth/password.ts";
import { FakeTime } from "../support/fake_time.ts";
import { until } from "../connection/until.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { greetedPair, transportPair } from "./transport_pair.ts";
import { noise } from "../support/random.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** Echoes standard input; the rekeys happen on the way. */
const echo = (session: { stdin: ReadableStream<Uint8Array>; channel: Channel }) =>
  session.stdin.pipeTo(
    new WritableStream({ write: (chunk) => session.channel.writeAll(chunk) }),
  );

async function echoed(pair: Awaited<ReturnType<typeof connectedPair>>, bytes: number) {
  const sent = noise(60_000);
  const total = Math.ceil(bytes / sent.length) * sent.length;
  const process = await pair.host.command("echo").spawn();
  const writing = (async () => {
    for (let at = 0; at < total; at += sent.length) await process.channel.writeAll(sent);
    await process.channel.closeWrite();
  })();
  let at = 0;
  for await (const chunk of process.stdout) {
    for (let i = 0; i < chunk.length; i += 997) {
      if (chunk[i] !== sent[(at + i) % sent.length]) throw new Error(`Byte ${at + i} is wrong`);
    }
    at += chunk.length;
  }
  await writing;
  assertEquals(at, total);
  assertEquals((await process.status).code, 0);
}

/** An end's sent and received messages, for its `trace` option. */
class Messages {
  readonly #lines: string[] = [];
  readonly note = ({ direction, name }: TraceEvent) =>
    void this.#lines.push(`${direction} ${name}`);

  /** Key exchanges so far, the first one included. */
  get exchanges(): number {
    return this.#lines.filter((line) => line === "sent KEXINIT").length;
  }

  before(line: string): readonly string[] {
    return this.#lines.slice(0, this.#lines.indexOf(line));
  }
}

const BULK = 2_000_000;
const rekeyed: [what: string, limits: RekeyLimits, atLeast: number][] = [
  // Each direction carries 2 MB; a rekey follows once a direction reaches its limit.
  ["bytes", { bytes: 100_000 }, 3],
  ["packets", { packets: 8 }, 3],
  ["bytes fewer than a packet has", { bytes: 1 }, 3],
];
for (const [what, limits, atLeast] of rekeyed) {
  for (const side of ["connect", "serve"] as const) {
    Deno.test(`Rekeying by ${what} starts by itself at the end of ${side}, and loses nothing`, async () => {
      const messages = new Messages();
      await using pair = await connectedPair({
        handler: echo,
        [side]: { rekey: limits, trace: messages.note },
      });
      await echoed(pair, BULK);
      assert(messages.exchanges > atLeast, `${messages.exchanges} exchanges`);
    });
  }
}

for (
  const [direction, unit] of [
    ["sent", "bytes"],
    ["received", "bytes"],
    ["sent", "packets"],
    ["received", "packets"],
  ] as const
) {
  Deno.test(`Rekeying by ${unit} counts ${direction} ${unit} separately`, async () => {
    await using world = await rawWorld("client", {}, {
      [unit]: unit === "bytes" ? 10_000 : 10,
    });
    const { sink } = world.transport;
    const send = sink.sendNow.bind(sink);
    let begun = 0;
    sink.sendNow = (payload) => {
      if (payload[0] === MSG.KEXINIT) begun++;
      send(payload);
    };
    const note = (from: { send(payload: Uint8Array): void }, type = "note") =>
      from.send(m.GlobalRequest.encode({ type, wantReply: false, data: new Uint8Array(1000) }));
    const from = direction === "sent" ? world.connection : world.raw;
    for (let i = 0; i < 12; i++) note(from);
    // The limits are checked after the packets of a read.
    const noted = Promise.withResolvers<void>();
    world.connection.handleGlobals("last", () => (noted.resolve(), null));
    note(world.raw, "last");
    await noted.promise;
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(begun, 1);
  });
}

Deno.test("Rekeying by time starts while nothing is sent", async () => {
  using time = new FakeTime();
  const world = await rawWorld("client", {}, { milliseconds: 60_000 });
  const before = world.transport.agreed;
  await time.advance(59_000);
  assertEquals(world.transport.agreed, before);
  await time.advance(2_000);
  await until(() => world.transport.agreed !== before);
  await world[Symbol.asyncDispose]();
});

Deno.test("The age of the keys is counted from the last key exchange", async () => {
  using time = new FakeTime();
  const world = await rawWorld("client", {}, { milliseconds: 60_000 });
  await time.advance(50_000);
  await time.settle(world.raw.transport.rekey(), 1000);
  const before = world.transport.agreed;
  await time.advance(59_000);
  assertEquals(world.transport.agreed === before, true);
  await time.advance(1000);
  await until(() => world.transport.agreed !== before);
  await world[Symbol.asyncDispose]();
});

Deno.test("A rekey that the end of the connection interrupts rejects with the reason", async () => {
  await using world = await rawWorld("client");
  const reasons: unknown[] = [];
  const rekeyed = world.transport.rekey().catch((reason) => void reasons.push(reason));
  const error = new ProtocolError("Enough");
  world.transport.fail(error);
  await rekeyed;
  assertStrictEquals(reasons[0], error); // not a promise of it
});

Deno.test("A rekey that started by itself ends quietly with the connection", async () => {
  for (const role of ["client", "server"] as const) {
    await using world = await rawWorld(role, {}, { bytes: 10_000 });
    const { transport, raw } = world;
    const begun = Promise.withResolvers<void>();
    const send = transport.sink.sendNow.bind(transport.sink);
    transport.sink.sendNow = (payload) => {
      send(payload);
      if (payload[0] === MSG.KEXINIT) begun.resolve();
    };
    raw.send(m.Ignore.encode({ data: new Uint8Array(10_000) }));
    await begun.promise;
    const error = new ProtocolError("Enough");
    transport.fail(error);
    assertStrictEquals(await transport.closed, error);
  }
});

Deno.test("A rekey that is due before the end of the login starts after it", async () => {
  for (const side of ["connect", "serve"] as const) {
    const messages = new Messages();
    await using pair = await connectedPair({
      serve: {
        auth: { password: (_, secret) => secret === "right" },
        ...side === "serve" && { rekey: { packets: 1, bytes: 1 }, trace: messages.note },
      },
      connect: {
        auth: [password("wrong"), password("right")],
        ...side === "connect" && { rekey: { packets: 1, bytes: 1 }, trace: messages.note },
      },
    });
    const [success] = side === "connect"
      ? ["received USERAUTH_SUCCESS"]
      : ["sent USERAUTH_SUCCESS"];
    const before = messages.before(success!).filter((line) => line === "sent KEXINIT");
    assertEquals(before.length, 1);
    await until(() => messages.exchanges > 1);
    assertEquals(pair.host.info.user, "tester");
  }
});

Deno.test("A client that starts a rekey before the login is disconnected, one after it is not", async () => {
  await using pair = await greetedPair();
  const error = await pair.client.rekey().then(() => null, () => pair.server.closed);
  assert(error instanceof ProtocolError, "the rekey succeeded");
  assertEquals(plainMessage(error), "Unexpected KEXINIT");
});

Deno.test("Both ends may start a rekey at the same time", async () => {
  await using world = await rawWorld("client");
  for (let round = 0; round < 5; round++) {
    await Promise.all([world.transport.rekey(), world.raw.transport.rekey()]);
  }
  world.connection.notify("still alive");
  assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, "still alive");
});

Deno.test("Data sent during a key exchange waits for the new keys and arrives in order", async () => {
  await using world = await rawWorld("client");
  const rekeyed = world.transport.rekey();
  for (let i = 0; i < 10; i++) world.connection.notify(`note ${i}`);
  assert(world.transport.sink.congested);
  await rekeyed;
  for (let i = 0; i < 10; i++) {
    assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, `note ${i}`);
  }
});

Deno.test("A key exchange whose last message crosses the end of the connection starts no timer", async () => {
  using time = new FakeTime();
  const pair = transportPair({
    client: {
      trace: ({ direction, name }) => {
        // The exchange has not continued with it yet.
        if (direction === "received" && name === "NEWKEYS") {
          queueMicrotask(() => pair.client.disconnect());
        }
      },
    },
  });
  pair.server.handshake().catch(() => {});
  pair.client.handshake().catch(() => {});
  await Promise.all([pair.client.finished, pair.server.finished]);
  assertEquals(time.timers, 0);
});

for (const role of ["client", "server"] as const) {
  Deno.test(`The session identifier and its signature stay those of the first exchange (${role})`, async () => {
    await using pair = await greetedPair();
    const { host, hostKey } = pair[role];
    await pair.server.rekey();
    assertEquals(pair[role].host, host);
    assertStrictEquals(pair[role].hostKey, hostKey);
    assert(hostKey!.verify("ssh-ed25519", host.sessionId, pair[role].host.signature));
  });
}

Deno.test("The traffic is counted over all keys, without the key exchanges", async () => {
  await using world = await rawWorld("client");
  const { transport, raw } = world;
  const [sent, received] = [transport.traffic.sent, raw.transport.traffic.received];
  let bytes = 0;
  for (let round = 0; round < 3; round++) {
    world.connection.notify("note");
    bytes += (await raw.next(MSG.GLOBAL_REQUEST)).length;
    await raw.transport.rekey();
  }
  assertEquals(transport.traffic.sent - sent, bytes);
  assertEquals(raw.transport.traffic.received - received, bytes);
});

Deno.test("With strict kex the sequence numbers restart at every NEWKEYS", async () => {
  await using world = await rawWorld("client");
  world.connection.notify("one");
  await world.transport.rekey();
  assertEquals(world.transport.sink.sealer.sequence, 0);
});

Deno.test("A second KEXINIT within a key exchange ends the connection", async () => {
  await using world = await rawWorld("client");
  const suite = resolveSuite();
  const init = m.KexInit.encode({
    cookie: new Uint8Array(16),
    kex: [...suite.kex],
    hostKey: [...suite.hostKey],
    cipherC2S: [...suite.cipher],
    cipherS2C: [...suite.cipher],
    macC2S: [],
    macS2C: [],
    compressionC2S: ["none"],
    compressionS2C: ["none"],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: false,
    reserved: 0,
  });
  world.raw.send(init);
  world.raw.send(init);
  const error = await world.transport.closed;
  assert(error instanceof ProtocolError, String(error));
  assertEquals(plainMessage(error), "Unexpected KEXINIT");
});

Deno.test("Messages between the peer's KEXINIT and its NEWKEYS are accepted in a rekey", async () => {
  await using world = await rawWorld("server");
  const rekeyed = world.raw.transport.rekey();
  const noted = Promise.withResolvers<void>();
  world.connection.handleGlobals("late", () => (noted.resolve(), null));
  // The raw end holds nothing back.
  world.raw.transport.sink.sendNow(
    m.GlobalRequest.encode({ type: "late", wantReply: false, data: new Uint8Array(0) }),
  );
  await Promise.all([rekeyed, noted.promise]);
  world.connection.notify("still alive");
  assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, "still alive");
});

Deno.test("A rekey with endless messages in between ends the connection", async () => {
  await using world = await rawWorld("server");
  world.raw.transport.rekey().catch(() => {});
  const note = new Uint8Array([110]); // unknown to the connection
  // Sent directly after the KEXINIT, before the raw end has the answer to it.
  for (let i = 0; i <= MAX_STRAGGLERS; i++) world.raw.transport.sink.sendNow(note);
  const error = await world.transport.closed;
  assert(error instanceof ProtocolError, String(error));
  assertStringIncludes(plainMessage(error), "Unexpected message 110");
});

Deno.test("Messages before the peer's KEXINIT are not limited, also after ours", async () => {
  await using world = await rawWorld("server");
  const before = world.transport.agreed;
  const rekeyed = world.transport.rekey();
  for (let i = 0; i <= MAX_STRAGGLERS; i++) world.raw.send(new Uint8Array([110]));
  await rekeyed;
  assert(world.transport.agreed !== before);
});

Deno.test("The transport's messages are accepted between the peer's KEXINIT and its NEWKEYS", async () => {
  await using world = await rawWorld("server");
  const { transport, raw } = world;
  const before = transport.agreed;
  const rekeyed = raw.transport.rekey();
  for (
    const payload of [
      m.Ignore.encode({ data: new Uint8Array(1) }),
      m.Debug.encode({ display: false, text: "", language: "" }),
      m.Unimplemented.encode({ sequence: 0 }),
      m.Pong.encode({ data: new Uint8Array(1) }),
      m.Ping.encode({ data: new Uint8Array(1) }),
    ]
  ) raw.send(payload);
  await rekeyed;
  assert(transport.agreed !== before);
  assertEquals(transport.sink.packetsSinceRekey, 1); // the answer to PING
});

Deno.test("Each rekey may have as many messages in between as the last one", async () => {
  await using world = await rawWorld("server");
  const note = new Uint8Array([110]);
  for (let i = 0; i < 2; i++) {
    const rekeyed = world.raw.transport.rekey();
    for (let i = 0; i < MAX_STRAGGLERS; i++) world.raw.transport.sink.sendNow(note);
    await rekeyed;
  }
  for (let i = 0; i <= MAX_STRAGGLERS; i++) world.raw.send(note); // these are in no rekey
  world.raw.send(m.GlobalRequest.encode({ type: "x", wantReply: true, data: new Uint8Array(0) }));
  await world.raw.next(MSG.REQUEST_FAILURE);
  world.connection.notify("still alive");
  assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, "still alive");
});

Deno.test("Only the first KEXINIT of an end has flags beside the methods", async () => {
  await using world = await rawWorld("client");
  const methods: string[][] = [];
  for (const { sink } of [world.transport, world.raw.transport]) {
    const send = sink.sendNow.bind(sink);
    sink.sendNow = (payload) => {
      if (payload[0] === MSG.KEXINIT) methods.push(m.KexInit.decode(payload).kex);
      send(payload);
    };
  }
  await world.transport.rekey();
  const { kex } = world.transport.suite;
  assertEquals(methods, [[...kex], [...kex]]);
});

for (const starter of ["client", "server"] as const) {
  Deno.test(`A server that changes its host key in a rekey of the ${starter} is refused`, async () => {
    const hostKeys = [await generateKey("ed25519")];
    await using pair = await greetedPair({ server: { hostKeys } });
    const { client, server } = pair;
    for (const end of [client, server]) end.open({ handle() {}, closed() {} });
    hostKeys[0] = await generateKey("ed25519");
    await assertRejects(() => pair[starter].rekey());
    // The connection has ended, as well.
    const turn = new Promise((resolve) => setTimeout(resolve));
    const error = await Promise.race([client.closed, turn]);
    await turn; // leaves no timer
    assert(error instanceof HostKeyError, String(error));
    const fingerprint = hostKeys[0].publicKey.fingerprint();
    assertEquals([error.reason, error.fingerprint], ["changed", fingerprint]);
    assertStringIncludes(
      error.message,
      `changed its host key within the connection, to ${fingerprint}`,
    );
  });
}

Deno.test("The reason for an end is sent within a key exchange, too", async () => {
  await using world = await rawWorld("server");
  const rekeyed = assertRejects(() => world.transport.rekey());
  world.transport.disconnect(12, "Enough");
  const error = await world.raw.transport.closed;
  assert(error instanceof DisconnectError, String(error));
  assertEquals([error.by, error.reason], ["peer", 12]);
  await rekeyed;
});

for (const direction of ["kept back in a rekey", "not taken by the socket"]) {
  Deno.test(`Answers that are ${direction} end the connection, not the memory`, async () => {
    const world = await rawWorld("server");
    const { transport, raw } = world;
    const { sink } = transport;
    // The raw end's data is read immediately, so that its own limits are never reached.
    const ping = m.Ping.encode({ data: new Uint8Array(30_000) });
    if (direction === "kept back in a rekey") sink.hold();
    const stuck = Promise.withResolvers<void>();
    if (direction === "not taken by the socket") transport.socket.write = () => stuck.promise;
    let over: unknown = null;
    transport.closed.then((cause) => over = cause);
    let sent = 0;
    for (; sent < 400 && over === null; sent++) {
      raw.send(ping);
      await raw.transport.sink.drained();
    }
    assert(over instanceof ProtocolError, String(over));
    assertStringIncludes(plainMessage(over), "does not read the answers");
    assert(sent * ping.length > OUTBOX_LIMIT);
    stuck.resolve();
    await world[Symbol.asyncDispose]();
  });
}

Deno.test("A rekey request during a rekey joins it", async () => {
  await using world = await rawWorld("client");
  const { transport } = world;
  const { sink } = transport;
  const send = sink.sendNow.bind(sink);
  let begun = 0;
  sink.sendNow = (payload) => {
    if (payload[0] === MSG.KEXINIT) begun++;
    send(payload);
  };
  const before = transport.agreed;
  const agreedAfter = () => transport.rekey().then(() => transport.agreed);
  const [first, second] = await Promise.all([agreedAfter(), agreedAfter()]);
  assertEquals([begun, first === before], [1, false]);
  assertStrictEquals(second, first);
  await transport.rekey();
  assertEquals(begun, 2);
});
