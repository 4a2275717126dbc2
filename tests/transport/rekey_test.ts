import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { HostKeyError, ProtocolError } from "../../lib/errors.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import * as m from "../../lib/wire/messages.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { noise } from "../support/random.ts";

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

Deno.test("Rekeying by bytes while data flows both ways loses nothing", async () => {
  await using pair = await connectedPair({
    handler: echo,
    connect: { rekey: { bytes: 100_000 } },
  });
  await echoed(pair, 5_000_000);
});

Deno.test("Rekeying by packets, started by the server, loses nothing", async () => {
  await using pair = await connectedPair({ handler: echo, serve: { rekey: { packets: 20 } } });
  await echoed(pair, 3_000_000);
});

Deno.test("Rekeying by time loses nothing", async () => {
  await using pair = await connectedPair({
    handler: echo,
    connect: { rekey: { milliseconds: 3 } },
  });
  await echoed(pair, 3_000_000);
});

Deno.test("Both ends may start a rekey in the same instant", async () => {
  await using world = await rawWorld("client");
  for (let round = 0; round < 5; round++) {
    await Promise.all([world.transport.rekey(), world.raw.transport.rekey()]);
  }
  world.connection.notify("still alive");
  assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, "still alive");
});

Deno.test("What is sent during a key exchange waits for the new keys and arrives in order", async () => {
  await using world = await rawWorld("client");
  const rekeyed = world.transport.rekey();
  for (let i = 0; i < 10; i++) world.connection.notify(`note ${i}`);
  assert(world.transport.sink.congested);
  await rekeyed;
  for (let i = 0; i < 10; i++) {
    assertEquals(m.GlobalRequest.decode(await world.raw.next(80)).type, `note ${i}`);
  }
});

Deno.test("The session identifier is the first exchange hash for ever", async () => {
  await using world = await rawWorld("client");
  const before = world.transport.sessionId;
  await world.transport.rekey();
  assertEquals(world.transport.sessionId, before);
});

Deno.test("With strict kex the sequence numbers start anew at every NEWKEYS", async () => {
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
  assertStringIncludes(error.message, "KEX");
});

Deno.test("Data between the peer's KEXINIT and its NEWKEYS ends the connection", async () => {
  await using world = await rawWorld("server");
  world.raw.transport.rekey().catch(() => {});
  world.raw.send(m.GlobalRequest.encode({
    type: "smuggled",
    wantReply: false,
    data: new Uint8Array(0),
  }));
  const error = await world.transport.closed;
  assert(error instanceof ProtocolError, String(error));
  assertStringIncludes(error.message, "Unexpected GLOBAL_REQUEST");
});

Deno.test("A server that changes its host key in a rekey is refused", async () => {
  const keys = [await generateKey("ed25519")];
  const [near, far] = memoryPair();
  const client = new Transport(streamSocket(near), { role: "client", suite: resolveSuite() });
  const server = new Transport(streamSocket(far), {
    role: "server",
    suite: resolveSuite(),
    hostKeys: keys,
  });
  await Promise.all([client.handshake(), server.handshake()]);
  keys[0] = await generateKey("ed25519");
  server.rekey().catch(() => {});
  const error = await client.closed;
  assert(error instanceof HostKeyError);
  assertEquals(error.reason, "changed");
  await Promise.all([client.finished, server.finished]);
});

Deno.test("A PING flood that is never read ends the connection, not the memory", async () => {
  await using world = await rawWorld("server");
  // The server starts a rekey, so that its PONGs are held; the raw end never answers the KEXINIT.
  world.transport.sink.hold();
  const ping = m.Ping.encode({ data: new Uint8Array(30_000) });
  for (let i = 0; i < 400; i++) world.raw.send(ping);
  assertStringIncludes(String(await world.transport.closed), "does not read the answers");
});
