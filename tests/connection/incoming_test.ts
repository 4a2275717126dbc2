/** The seed's features of the connection: Transport.accept, custom channels, global requests. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { toText } from "@std/streams";
import {
  type Channel,
  ChannelOpenError,
  type ChannelOwner,
  ClosedError,
  type IncomingOpen,
  RequestDeniedError,
} from "@denossh/ssh";
import { connectedPair, type ConnectedPairOptions } from "../../lib/testing/connected_pair.ts";
import { ChannelOpen } from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { rawWorld } from "./raw_world.ts";
import { sessionPair } from "./session_pair.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const CUSTOM = "mail@example.com";

/** Runs a test with each end of a connection as `ours`. */
function inBothRoles(
  name: string,
  test: (ours: ChannelOwner, theirs: ChannelOwner) => Promise<void>,
): void {
  for (const role of ["client", "server"] as const) {
    Deno.test(`${name} (${role})`, async () => {
      await using pair = await ownersPair();
      const ours = role === "client" ? pair.client : pair.server;
      const theirs = role === "client" ? pair.server : pair.client;
      assertEquals([ours.role, theirs.role === role], [role, false]);
      await test(ours, theirs);
    });
  }
}

async function ownersPair(
  options: ConnectedPairOptions = {},
): Promise<AsyncDisposable & { client: ChannelOwner; server: ChannelOwner }> {
  const arrived = Promise.withResolvers<ChannelOwner>();
  const pair = await connectedPair({
    ...options,
    serve: { ...options.serve, onConnection: (connection) => arrived.resolve(connection) },
    handler: () => {},
  });
  const channel = await pair.host.openSession();
  const client = channel.connection;
  await channel.close();
  return {
    client,
    server: await arrived.promise,
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

/** The next open of a loop that continues. */
async function next(opens: AsyncIterator<IncomingOpen, undefined>): Promise<IncomingOpen> {
  const { value } = await opens.next();
  assert(value !== undefined);
  return value;
}

Deno.test("get_transport: a channel knows its connection, in both roles", async () => {
  await using pair = await sessionPair();
  const { client, server } = pair;
  assertEquals([client.connection.role, server.connection.role], ["client", "server"]);
  assertEquals(client.connection.channelCount, 1);
  const another = await client.connection.openChannel("session");
  assertEquals(another.connection === client.connection, true);
  assertEquals(client.connection.channelCount, 2);
  await another.close();
});

inBothRoles("accept: channels of any type, with extra data both ways", async (ours, theirs) => {
  const opens = ours.incoming[Symbol.asyncIterator]();
  const opening = theirs.openChannel(CUSTOM, { extra: bytes("to: you") });
  const open = await next(opens);
  assertEquals([open.type, text(open.data)], [CUSTOM, "to: you"]);
  await using here: Channel = open.accept(bytes("from: me"));
  await using there = await opening;
  assertEquals([text(here.extra), text(there.extra)], ["to: you", "from: me"]);
  assertEquals([here.type, there.type], [CUSTOM, CUSTOM]);
  await there.writeAll(bytes("a letter"));
  await there.closeWrite();
  assertEquals(await toText(here.readable), "a letter");
});

inBothRoles("accept: a rejection is the opener's error, with its reason", async (ours, theirs) => {
  const opens = ours.incoming[Symbol.asyncIterator]();
  const refused = theirs.openChannel(CUSTOM).catch((error) => error);
  (await next(opens)).reject(4, "Too busy");
  const error = await refused;
  assert(error instanceof ChannelOpenError);
  assertEquals([error.reason, error.message.includes("Too busy")], [4, true]);
  const plain = theirs.openChannel(CUSTOM).catch((error) => error);
  (await next(opens)).reject();
  assertEquals((await plain).reason, 1);
});

inBothRoles(
  "accept: without a loop channels are refused, and leaving the loop refuses the rest",
  async (
    ours,
    theirs,
  ) => {
    const reason = async (opening: Promise<Channel>) =>
      (await assertRejects(() => opening, ChannelOpenError)).reason;
    assertEquals(await reason(theirs.openChannel(CUSTOM)), 3);
    const opens = ours.incoming[Symbol.asyncIterator]();
    const waiting = [theirs.openChannel(CUSTOM), theirs.openChannel(CUSTOM)].map(reason);
    (await next(opens)).reject(2);
    await opens.return!();
    assertEquals(await Promise.all(waiting), [2, 1]);
    assertEquals(await reason(theirs.openChannel(CUSTOM)), 3);
    assertEquals((await opens.next()).done, true);
  },
);

inBothRoles("accept: standard channel types cannot be accepted", async (ours, theirs) => {
  const opens = ours.incoming[Symbol.asyncIterator]();
  for (const type of ["x11", "auth-agent@openssh.com", "forwarded-tcpip", "tun@openssh.com"]) {
    const error = await assertRejects(() => theirs.openChannel(type), ChannelOpenError);
    assertEquals(error.reason, 3, type);
  }
  await opens.return!();
});

inBothRoles("accept: a second or a late answer is an error", async (
  ours,
  theirs,
) => {
  const opens = ours.incoming[Symbol.asyncIterator]();
  const opening = theirs.openChannel(CUSTOM);
  const open = await next(opens);
  await using _here = open.accept();
  await using _there = await opening;
  for (const again of [() => open.accept(), () => open.reject()]) {
    await assertRejects(async () => await again(), TypeError, "answered already");
  }
});

Deno.test("accept: the loop ends with the connection, in order or with its error", async () => {
  const pair = await ownersPair();
  const opens = [pair.client, pair.server].map((end) => end.incoming[Symbol.asyncIterator]());
  const ends = opens.map((loop) => loop.next());
  const opening = pair.server.openChannel(CUSTOM).catch((error) => error);
  const open = (await ends[0]!).value!;
  await pair[Symbol.asyncDispose]();
  assertEquals(await ends[1], { value: undefined, done: true });
  assertEquals(await opens[0]!.next(), { value: undefined, done: true });
  await assertRejects(async () => await open.accept(), ClosedError);
  assert(await opening instanceof Error);

  await using world = await rawWorld("client");
  const loop = world.connection.incoming[Symbol.asyncIterator]();
  const waiting = loop.next();
  world.transport.fail(new Error("the cable"));
  await assertRejects(() => waiting, Error, "the cable");
  assertEquals((await loop.next()).done, true);
});

Deno.test("accept: thousands of opens are refused beyond the backlog, and the loop continues", async () => {
  await using world = await rawWorld("server");
  const opens = world.connection.incoming[Symbol.asyncIterator]();
  const wish = { type: CUSTOM, window: 1024, maxPacket: 1024, data: new Uint8Array(0) };
  for (let sender = 0; sender < 1000; sender++) {
    world.raw.send(ChannelOpen.encode({ ...wish, sender }));
  }
  for (let i = 0; i < 1000 - 256; i++) await world.raw.next(MSG.CHANNEL_OPEN_FAILURE);
  for (let i = 0; i < 256; i++) (await next(opens)).reject();
  world.raw.send(ChannelOpen.encode({ ...wish, sender: 7 }));
  (await next(opens)).accept();
  await world.raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
});

inBothRoles("global_request: accepted, refused, and without an answer", async (ours, theirs) => {
  const told: string[] = [];
  ours.handleGlobals("double@example.com", (data) => data.map((byte) => byte * 2));
  ours.handleGlobals("note@example.com", (data) => {
    told.push(text(data));
    return null;
  });
  ours.handleGlobals("broken@example.com", () => {
    throw new Error("a policy that throws has refused");
  });
  theirs.notify("note@example.com", bytes("by the way"));
  const answer = await theirs.request("double@example.com", Uint8Array.of(1, 2));
  assertEquals([...answer], [2, 4]);
  assertEquals(told, ["by the way"]);
  for (const type of ["unknown@example.com", "broken@example.com"]) {
    await assertRejects(() => theirs.request(type), RequestDeniedError, type);
  }
});

inBothRoles("global_request: an aborted request gets no answer", async (ours, theirs) => {
  const first = Promise.withResolvers<Uint8Array>();
  ours.handleGlobals("slow@example.com", () => first.promise);
  ours.handleGlobals("quick@example.com", () => bytes("second"));
  const aborter = new AbortController();
  const given = theirs.request("slow@example.com", undefined, { signal: aborter.signal });
  const kept = theirs.request("quick@example.com");
  aborter.abort(new Error("no patience"));
  await assertRejects(() => given, Error, "no patience");
  await assertRejects(
    () => theirs.request("quick@example.com", undefined, { signal: aborter.signal }),
    Error,
    "no patience",
  );
  first.resolve(bytes("first"));
  assertEquals(text(await kept), "second"); // in order, since replies have no id
});

Deno.test("An error of a server's onConnection is passed to onError, and the login continues", async () => {
  const told = Promise.withResolvers<unknown>();
  await using pair = await connectedPair({
    serve: {
      onConnection: () => Promise.reject(new Error("not today")),
      onError: (error) => told.resolve(error),
    },
    handler: (session) => session.print("alive"),
  });
  assertEquals(`${await told.promise}`, "Error: not today");
  assertEquals(await pair.host.run("x"), "alive");
});
