/** Further sessions that are opened because a measurement shows a need, or in advance of one. */
import { assertEquals } from "@std/assert";
import { replaced } from "../support/replaced.ts";
import { type FakeRemote, MIB, SMALL, type World, world } from "./further_world.ts";
import { turn } from "./world.ts";

/** A file is sent: each channel sends its window in each round trip, and waits most of the time. */
class Sending implements Disposable {
  #now = 0;
  readonly #replaced = replaced(performance, "now", () => this.#now);
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Sends for two round trips; returns how many further sessions have been asked for. */
  on(left = 1000 * MIB): number {
    const { remote, further } = this.#world;
    this.#now += 100;
    for (const { session } of [remote, ...remote.opened]) {
      const flow = session.flow as { bytesSent: number; waitedForWindow: number };
      flow.bytesSent += 2 * MIB;
      flow.waitedForWindow += 90;
    }
    further.for(left);
    return remote.asked.length;
  }

  /** Lets four round trips of 50 ms pass, in which nothing is sent; returns the sessions to use. */
  idle(): number {
    this.#now += 200;
    return this.#world.further.for(1000 * MIB).length;
  }

  [Symbol.dispose](): void {
    this.#replaced[Symbol.dispose]();
  }
}

Deno.test("channels that wait for their windows most of the time become four, then ten", async () => {
  const slow = world("auto");
  using sending = new Sending(slow);
  assertEquals([sending.on(), sending.on()], [0, 3]);
  await turn();
  assertEquals([sending.on(), sending.on()], [3, 9]); // at first it is not known what four send
  await turn();
  assertEquals([sending.on(), sending.on()], [9, 9]);
  const { further, notes, remote } = slow;
  assertEquals(further.windows(3), 3 * MIB);
  assertEquals(notes.map((note) => note.slice(0, 30)), [
    "Spreading over 4 channels: wri",
    "Spreading over 10 channels: wr",
  ]);
  remote.session.flow = undefined;
  assertEquals(further.windows(3), 0);
});

for (const isOpen of [true, false]) {
  const when = isOpen ? "is open" : "is being opened";
  Deno.test(`no more channels are opened once one that ${when} has given way`, async () => {
    const slow = world("auto", { isQuick: isOpen });
    using sending = new Sending(slow);
    sending.on();
    assertEquals(sending.on(), 3);
    if (isOpen) await turn();
    slow.remote.asked[0]!.giveWay();
    if (!isOpen) { for (const { resolve } of slow.remote.asked) slow.remote.open(resolve); }
    await turn();
    assertEquals([sending.on(), sending.on(), sending.on()], [3, 3, 3]);
  });
}

/** A transfer over a long path, for which channels are opened in advance. */
function longWorld(changes: Partial<FakeRemote> = {}): World {
  const long = world("auto", changes);
  long.remote.session.pathEstimates.write.roundTrip = 100;
  long.further.expect(1000 * MIB);
  return long;
}

Deno.test("channels opened in advance are used once a measurement shows that they are needed", async () => {
  const long = longWorld();
  using sending = new Sending(long);
  const { further, notes, remote } = long;
  assertEquals([remote.asked.length, further.opening], [9, null]); // no write waits for them
  await turn();
  assertEquals([sending.on(), further.for(SMALL)], [9, []]);
  sending.on();
  assertEquals(further.for(SMALL).length, 9);
  assertEquals(notes.map((note) => note.slice(0, 30)), [
    "Opening 10 channels while one ",
    "Spreading over 10 channels: wr",
  ]);
  remote.opened[0]!.session.cause = new Error("lost");
  assertEquals([sending.on(), sending.on(), sending.on()], [9, 9, 9]); // a lost one stays lost
});

Deno.test("more connections are suggested if all channels, opened in advance, had full windows", async () => {
  for (const isQuick of [true, false]) {
    const long = longWorld({ isQuick });
    using sending = new Sending(long);
    const { further, notes, remote } = long;
    await turn();
    sending.on();
    sending.on();
    if (!isQuick) { for (const { resolve } of remote.asked) remote.open(resolve); }
    await turn();
    for (let roundTrips = 0; roundTrips < 8; roundTrips++) sending.on();
    further.close();
    const why = "their windows were full, more connections carry more (connections: 2)";
    assertEquals(notes.slice(2), [`10 channels: ${why}`]);
  }
});

Deno.test("more connections are not suggested while there may be more channels", async () => {
  const slow = world("auto");
  using sending = new Sending(slow);
  sending.on();
  assertEquals(sending.on(), 3);
  await turn();
  for (let i = 0; i < 5; i++) assertEquals(sending.on(SMALL), 3);
  slow.further.close();
  assertEquals(slow.notes.slice(1), ["4 channels: the rest is short"]);
});

Deno.test("channels that open in advance do not interrupt the measurement", async () => {
  const long = longWorld({ isQuick: false });
  using sending = new Sending(long);
  const { further, remote } = long;
  sending.on();
  for (const { resolve } of remote.asked) remote.open(resolve);
  await turn();
  sending.on();
  assertEquals(further.for(SMALL).length, 9);
});

Deno.test("channels that are needed while they open in advance are used as they open", async () => {
  const long = longWorld({ isQuick: false });
  using sending = new Sending(long);
  const { further, notes, remote } = long;
  sending.on();
  assertEquals([further.opening, notes.length], [null, 1]);
  sending.on();
  assertEquals(notes[1]!.slice(0, 27), "Spreading over 10 channels:");
  const opening = further.opening;
  remote.open(remote.asked[0]!.resolve);
  await opening;
  assertEquals([further.for(SMALL).length, remote.asked.length], [1, 9]);
});

Deno.test("channels opened in advance are closed without a need, and opened again with one", async () => {
  const long = longWorld({ isQuick: false });
  using sending = new Sending(long);
  const { further, remote } = long;
  for (let i = 0; i < 12; i++) assertEquals(sending.idle(), 0);
  for (const { resolve } of remote.asked) remote.open(resolve);
  await turn();
  assertEquals(remote.opened.flatMap(({ log }) => log), []); // as long as some were being opened
  assertEquals([sending.idle(), remote.channels.isEnough], [0, true]);
  await turn();
  assertEquals(remote.opened.map(({ log }) => log), Array(9).fill(["close session"]));
  further.expect(1000 * MIB);
  assertEquals([remote.asked.length, further.lost], [9, 0]);
  sending.on();
  assertEquals(sending.on(), 18);
  const next = world("auto", { channels: remote.channels });
  next.remote.session.pathEstimates.write.roundTrip = 100;
  next.further.expect(1000 * MIB);
  assertEquals(next.remote.asked.length, 0);
});

Deno.test("of channels opened in advance, those that the server allowed are used", async () => {
  for (const allowed of [0, 1, 2]) {
    const long = longWorld({ isQuick: false });
    using sending = new Sending(long);
    const { further, notes, remote } = long;
    for (const [at, { resolve }] of remote.asked.entries()) {
      if (at < allowed) remote.open(resolve);
      else resolve(null);
    }
    await turn();
    for (let i = 0; i < 3; i++) sending.on();
    assertEquals([further.for(SMALL).length, remote.asked.length], [allowed, 9]);
    const spread = notes.map((note) => note.slice(0, 27)).filter((note) => /^Spr/.test(note));
    assertEquals(spread, allowed === 0 ? [] : [`Spreading over ${allowed + 1} channels: `]);
  }
});

Deno.test("a wait for sessions ends with each that opens, and with the last, even if it is refused", async () => {
  const { remote, further } = world(3, { isQuick: false });
  assertEquals(further.opening, null);
  further.for(0);
  const first = further.opening;
  remote.open(remote.asked[0]!.resolve);
  await first;
  const last = further.opening;
  assertEquals([further.for(0).length, last !== null], [1, true]);
  remote.asked[1]!.resolve(null);
  await last;
  assertEquals([further.for(0).length, further.opening], [1, null]);
});

Deno.test("a wait for sessions ends with the transfer", async () => {
  const { remote, further } = world(2, { isQuick: false });
  further.for(0);
  const opening = further.opening;
  further.close();
  await opening;
  remote.asked[0]!.resolve(null);
});

Deno.test("a channel that does not report its sends is the only one", () => {
  const { remote, further, notes } = world("auto");
  remote.session.flow = undefined;
  assertEquals(further.for(Infinity), []);
  further.close();
  assertEquals(notes, []);
  const long = longWorld();
  long.remote.session.flow = undefined; // of the channel that has replaced a lost one
  assertEquals(long.further.for(Infinity), []);
});

Deno.test("measuring begins with the first write of a file that is not small", () => {
  for (const [size, asked] of [[SMALL, 3], [SMALL - 1, 0]] as const) {
    const slow = world("auto");
    using sending = new Sending(slow);
    slow.further.begin(size);
    assertEquals([sending.on(), sending.on()], [asked, 3]);
  }
});

Deno.test("sessions opened in advance are ended once all are open and one channel is enough", async () => {
  const { remote, further } = world("auto", { isQuick: false });
  using _now = replaced(performance, "now", () => now);
  let now = 0;
  remote.session.pathEstimates.write.roundTrip = 100;
  further.expect(16 * MIB);
  assertEquals(remote.asked.length, 9);
  further.begin(16 * MIB);
  for (let i = 0; i < 9; i++, now += 200) assertEquals(further.for(16 * MIB), []);
  for (const { resolve } of remote.asked.slice(1)) remote.open(resolve);
  await turn();
  assertEquals([further.for(16 * MIB), remote.opened.flatMap(({ log }) => log)], [[], []]);
  remote.open(remote.asked[0]!.resolve);
  await turn();
  assertEquals(further.for(16 * MIB), []);
  await turn();
  assertEquals(remote.opened.flatMap(({ log }) => log), Array(9).fill("close session"));
});
