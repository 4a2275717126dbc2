/** Many parallel channels: some stall or close while others work. */
import { assert, assertEquals } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { inBothRoles, sessionPair } from "./session_pair.ts";
import { until } from "./until.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("A thousand channels work in parallel on one connection", async () => {
  await using pair = await connectedPair({
    connect: { window: 4096 },
    serve: { maxSessions: 1000, window: 4096 },
    handler: (session) => session.stdin.pipeTo(session.stdout),
  });
  const channels = await Promise.all(Array.from({ length: 1000 }, async () => {
    const channel = await pair.host.openSession();
    await channel.shell();
    return channel;
  }));
  assertEquals(new Set(channels.map(({ id }) => id)).size, 1000);
  const back = await Promise.all(channels.map(async (channel) => {
    const text = `channel ${channel.id}\n`.repeat(300); // beyond the window
    const writing = channel.writeAll(bytes(text)).then(() => channel.closeWrite());
    const lines = await Array.fromAsync(channel.lines());
    await writing;
    return lines.length === 300 && lines.every((line) => line === `channel ${channel.id}`);
  }));
  assert(back.every((whole) => whole));
  await Promise.all(channels.map((channel) => channel.close()));
  assertEquals(channels[0]!.connection.channelCount, 0);
});

Deno.test("A hundred stalled channels hold at most their windows, and others continue unhindered", async () => {
  const WINDOW = 16 * 1024;
  await using pair = await connectedPair({
    connect: { window: WINDOW },
    serve: { maxSessions: 200 },
    handler: async ({ channel, command }) => {
      const length = command === "stall" ? 1_000_000 : 200_000;
      await channel.writeAll(new Uint8Array(length));
    },
  });
  const stalled: Channel[] = [];
  for (let i = 0; i < 100; i++) {
    const channel = await pair.host.openSession();
    await channel.exec("stall");
    stalled.push(channel);
  }
  await until(() => stalled.every((channel) => channel.state.stalled));
  for (const channel of stalled) assertEquals(channel.readableBytes, WINDOW);
  const others = Array.from({ length: 9 }, () => pair.host.command("go").output());
  for (const { stdout, code } of await Promise.all(others)) {
    assertEquals([stdout.length, code], [200_000, 0]);
  }
  for (const channel of stalled) assertEquals(channel.readableBytes, WINDOW);
  // One that is read again resumes; the others may stay stalled.
  let sum = 0;
  for await (const chunk of stalled[50]!) sum += chunk.length;
  assertEquals([sum, await stalled[50]!.recvExitStatus()], [1_000_000, 0]);
  for (const channel of stalled) channel.abort();
});

inBothRoles(
  "A hundred channels are granted little more than the connection's windows at either end",
  async (ours, theirs, role) => {
    const opens = theirs.connection.incoming[Symbol.asyncIterator]();
    const both = async (): Promise<[Channel, Channel]> => {
      const opening = ours.connection.openChannel("bulk@example.com");
      const taken = (await opens.next()).value!.accept();
      return [await opening, taken];
    };
    const channels = await Promise.all(Array.from({ length: 100 }, both));
    const [client, server] = role === "client" ? [0, 1] as const : [1, 0] as const;
    for (const [end, least] of [[client, 128 * KIB], [server, 32 * KIB]] as const) {
      const granted = channels.map((pair) => pair[end].state.receiveWindow);
      assertEquals(channels.map((pair) => pair[1 - end]!.state.sendWindow), granted);
      assertEquals([granted[0], granted[99]], [2 * MIB, least]);
      assert(granted.reduce((sum, window) => sum + window) < 40 * MIB + 100 * least);
    }
    await Promise.all(channels.map(([channel]) => channel.close()));
    for (let i = 0; i < 10; i++) { // refused ones take nothing
      const refused = ours.connection.openChannel("bulk@example.com");
      (await opens.next()).value!.reject();
      await refused.catch(() => {});
    }
    for (const channel of await both()) assertEquals(channel.state.receiveWindow, 2 * MIB);
  },
);

inBothRoles("A peer that stops reading one channel stalls only that one of ten", async (
  ours,
  theirs,
) => {
  const stalled = ours.writeAll(new Uint8Array(1_000_000));
  const opens = theirs.connection.incoming[Symbol.asyncIterator]();
  const others: { channel: Channel; taken: Channel }[] = [];
  for (let i = 0; i < 9; i++) {
    const opening = ours.connection.openChannel("bulk@example.com");
    others.push({ taken: (await opens.next()).value!.accept(), channel: await opening });
  }
  const sums = await Promise.all(others.map(async ({ channel, taken }) => {
    const sending = channel.writeAll(new Uint8Array(200_000)).then(() => channel.closeWrite());
    let sum = 0;
    for await (const chunk of taken) sum += chunk.length;
    await sending;
    return sum;
  }));
  assertEquals(sums, Array(9).fill(200_000));
  assertEquals([ours.state.sendWindow, theirs.readableBytes], [0, 16 * 1024]);
  for (let sum = 0; sum < 1_000_000;) sum += (await theirs.read(new Uint8Array(65536)))!;
  await stalled;
}, { window: 16 * 1024 });

inBothRoles(
  "close race: both ends at once, with data in flight both ways",
  async (ours, theirs) => {
    const { connection } = ours;
    const closing: Promise<unknown>[] = [
      ours.writeAll(new Uint8Array(100_000)).catch(() => {}),
      theirs.writeAll(new Uint8Array(100_000)).catch(() => {}),
      ours.close(),
      theirs.close(),
    ];
    await Promise.all(closing);
    await Promise.all([ours.closed, theirs.closed]);
    assertEquals([ours.state.phase, theirs.state.phase], ["closed", "closed"]);
    await until(() => connection.channelCount === 0);
  },
);

Deno.test("close race: after every order of closing, the numbers are free again", async () => {
  await using pair = await sessionPair();
  const { connection } = pair.client;
  const opens = pair.server.connection.incoming[Symbol.asyncIterator]();
  const before = connection.channelCount;
  for (let i = 0; i < 100; i++) {
    const opening = connection.openChannel("race@example.com");
    const theirs = (await opens.next()).value!.accept();
    const ours = await opening;
    const ends = [
      () => ours.close(),
      () => theirs.close(),
      () => ours.abort(),
      () => theirs.closeWrite(),
      () => ours.shutdown("both"),
      () => theirs.abort(),
      () => ours.writeAll(bytes("x")).catch(() => {}),
      () => theirs.request("x").catch(() => {}),
    ];
    // A different order each time, but reproducible.
    const order = ends.map((end, at) => [(i * 7919 + at * 104729) % 97, end] as const)
      .sort((a, b) => a[0] - b[0]);
    await Promise.allSettled(order.map(([, end]) => end()));
    await Promise.all([ours.closed, theirs.closed]);
  }
  assertEquals(connection.channelCount, before);
  const opening = connection.openChannel("race@example.com");
  (await opens.next()).value!.reject();
  await opening.catch(() => {});
  assert(pair.client.isOpen);
});
