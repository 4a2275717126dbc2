/** Further sessions of a transfer: when they are opened, in which of them a file is, and how they end. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Lane } from "../../lib/sftp/remote/lane.ts";
import { FurtherSession, FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { SftpError } from "../../lib/sftp/mod.ts";
import { replaced } from "../support/replaced.ts";
import { turn } from "./world.ts";

const MIB = 1024 ** 2;
/** Of a smaller file nothing is spread unless channels are asked for. */
const SMALL = 2 * MIB;
const REFUSED = new SftpError(4, "stat", null, "Failure");

interface Info {
  readonly size: number;
  readonly isFile: boolean;
  readonly mtime: Date | null;
}
const INFO: Info = { size: 100, isFile: true, mtime: new Date(5000) };

/** A session at a server, on which files are opened and nothing is sent. */
class FakeRemote {
  connections = 1;
  readonly channels = { useful: 1, isEnough: false, closing: new Set<Promise<void>>() };
  readonly session = {
    cause: null as Error | null,
    flow: { bytesSent: 0, waitedForWindow: 0, largestSendWindow: MIB } as unknown,
    pathEstimates: { write: { roundTrip: 50 } },
    close: () => {
      this.log.push("close session");
      return this.closing;
    },
  };
  closing: Promise<void> = Promise.resolve();
  fileClosing: Promise<void> = Promise.resolve();
  info: Info | Error | Promise<Info> = INFO;
  readonly log: string[] = [];
  /** The further sessions that were asked for. */
  readonly asked: {
    readonly resolve: (remote: FakeRemote | null) => void;
    readonly reject: (cause: Error) => void;
    readonly giveWay: () => void;
    readonly signal: AbortSignal;
  }[] = [];
  /** Further sessions are there at once. */
  isQuick = true;
  readonly opened: FakeRemote[] = [];

  further(giveWay: () => void, signal: AbortSignal): Promise<FakeRemote | null> {
    const { promise, resolve, reject } = Promise.withResolvers<FakeRemote | null>();
    this.asked.push({ resolve, reject, giveWay, signal });
    if (this.isQuick) this.open(resolve);
    return promise;
  }

  open(resolve: (remote: FakeRemote) => void): void {
    const remote = new FakeRemote();
    this.opened.push(remote);
    resolve(remote);
  }

  file(path: string, options: object, about?: string) {
    this.log.push(`open ${path} ${JSON.stringify(options)} ${about}`);
    return Promise.resolve({
      stat: () => this.info instanceof Error ? Promise.reject(this.info) : this.info,
      writePiece: () => Promise.resolve(),
      close: () => {
        this.log.push("close file");
        return this.fileClosing;
      },
    });
  }
}

const real = (remote: FakeRemote) => remote as unknown as RemoteFileSystem;
const fake = ({ remote }: FurtherSession) => remote as unknown as FakeRemote;
const lane = (session: FurtherSession, written = 0): Promise<Lane | null> =>
  session.lane("/part", "/file", written, { timeout: 7 });
const same = (session: FurtherSession) =>
  session.sameFile("/file", INFO as Parameters<FurtherSession["sameFile"]>[1], {});

interface World {
  readonly remote: FakeRemote;
  readonly further: FurtherSessions;
  readonly notes: string[];
}

function world(
  channels: number | "auto",
  changes: Partial<FakeRemote> = {},
  role: "source" | "target" = "target",
): World {
  const remote = Object.assign(new FakeRemote(), changes);
  const notes: string[] = [];
  const further = new FurtherSessions(
    real(remote),
    { channels, role },
    (note) => void notes.push(note),
  );
  return { remote, further, notes };
}

Deno.test("a file is opened for writing, and used only if its session sees the written data", async () => {
  for (
    const [info, isUsed] of [
      [INFO, true],
      [{ ...INFO, size: 99 }, false],
      [{ ...INFO, isFile: false }, false],
      [REFUSED, false],
    ] as const
  ) {
    const remote = new FakeRemote();
    remote.info = info;
    remote.fileClosing = Promise.reject(new Error("The answer never came"));
    remote.fileClosing.catch(() => {});
    const opened = await lane(new FurtherSession(real(remote)), 100);
    await turn();
    const log = ['open /part {"timeout":7,"write":true} /file', ...isUsed ? [] : ["close file"]];
    assertEquals([opened!.usable, remote.log], [isUsed, log]);
    if (!isUsed) await opened!.close({}); // nothing here was needed
  }
});

Deno.test("what was written before a session is known to see the file counts only if it does", async () => {
  for (const size of [100, 99]) {
    const remote = new FakeRemote();
    const info = Promise.withResolvers<Info>();
    remote.info = info.promise;
    const opened = await lane(new FurtherSession(real(remote)), 100);
    const writing = opened!.write(new Uint8Array(5), 0, {}, () => {});
    await turn();
    assertEquals([opened!.usable, opened!.written, opened!.unanswered], [true, 0, 5]);
    info.resolve({ ...INFO, size });
    if (size === 100) await writing;
    else await assertRejects(() => writing, SftpError, "does not see what was written");
    assertEquals([opened!.written, opened!.unanswered], [size === 100 ? 5 : 0, 0]);
  }
});

Deno.test("a file is opened for reading in a session where it has the same length and time", async () => {
  const remote = new FakeRemote();
  const session = new FurtherSession(real(remote));
  assertEquals(await same(session) !== null, true);
  assertEquals(remote.log, ['open /file {"read":true} undefined']);
});

Deno.test("a session that shows another file, none, or is over, is not used", async () => {
  const [longer, shorter] = [{ ...INFO, size: 101 }, { ...INFO, size: 99 }];
  const later = { ...INFO, mtime: new Date(6000) };
  const cases: [(session: FurtherSession) => Promise<unknown>, Info | Error, cause?: Error][] = [
    [lane, INFO, new Error("lost")],
    [same, shorter],
    [same, longer],
    [same, later],
    [same, { ...INFO, mtime: null }],
    [same, REFUSED],
    [same, INFO, new Error("lost")],
  ];
  for (const [open, info, cause = null] of cases) {
    const remote = new FakeRemote();
    remote.info = info;
    remote.session.cause = cause;
    remote.fileClosing = Promise.reject(new Error("The answer never came"));
    remote.fileClosing.catch(() => {});
    assertEquals(await open(new FurtherSession(real(remote))), null);
    assertEquals(remote.log.slice(1), ["close file"]);
  }
});

Deno.test("a session is closed after its files, even if one of them cannot be closed", async () => {
  const remote = new FakeRemote();
  const session = new FurtherSession(real(remote));
  await lane(session);
  await lane(session);
  const closing = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  [remote.fileClosing, remote.closing] = [closing.promise, ending.promise];
  assertEquals([session.isLeaving, session.usable], [false, true]);
  const left = session.leave();
  assertEquals([session.isLeaving, session.usable, session.leave() === left], [true, false, true]);
  await turn();
  assertEquals(remote.log.slice(2), ["close file", "close file"]);
  closing.reject(REFUSED);
  await turn();
  assertEquals(remote.log.slice(4), ["close session"]);
  let isLeft = false;
  left.then(() => isLeft = true);
  await turn();
  assertEquals(isLeft, false);
  ending.resolve();
  await left;
  assertEquals([await lane(session), await same(session)], [null, null]);
});

Deno.test("as many channels as the caller asked for are opened for the first byte", async () => {
  const { remote, further, notes } = world(3);
  further.expect(0);
  assertEquals(remote.asked.length, 0);
  further.expect(1);
  further.expect(1);
  assertEquals([remote.asked.length, further.for(0)], [2, []]);
  await turn();
  assertEquals([further.for(0).length, remote.asked.length], [2, 2]);
  assertEquals(notes, ["Spreading over 3 channels: as asked for"]);
  further.inPlace();
  further.close();
  assertEquals([notes.length, remote.channels.useful], [1, 1]); // the number was the caller's
  assertEquals(world(3, { connections: 3 }).further.for(0), []);
});

Deno.test("as many channels as connections are one in each", () => {
  for (const [connections, why] of [[3, "one per connection"], [2, "as asked for"]] as const) {
    const { further, notes } = world(3, { connections });
    further.for(0);
    assertEquals(notes, [`Spreading over 3 channels: ${why}`]);
  }
  const source = world(3, {}, "source");
  source.further.for(0);
  assertEquals(source.remote.asked.length, 2);
  for (const { further, remote } of [world(1), world("auto", {}, "source")]) {
    further.expect(Infinity);
    assertEquals([further.for(Infinity), remote.asked.length], [[], 0]);
  }
});

Deno.test("a source has one channel in each connection, for files that are not small", async () => {
  const { remote, further, notes } = world("auto", { connections: 3 }, "source");
  further.expect(SMALL);
  assertEquals([further.for(SMALL - 1), remote.asked.length], [[], 0]);
  further.for(SMALL);
  await turn();
  assertEquals([further.for(SMALL - 1).length, further.for(SMALL).length], [0, 2]);
  assertEquals(notes, ["Spreading over 3 channels: one per connection"]);
  const eager = world("auto", { connections: 3 }, "source");
  eager.further.expect(SMALL + 1);
  assertEquals(eager.remote.asked.length, 2);
});

Deno.test("a target has a channel in each connection before its first file begins", () => {
  for (const [connections, asked] of [[1, 0], [2, 1]]) {
    const { remote, further } = world("auto", { connections: connections! });
    remote.channels.useful = 2; // which waits until something is sent
    further.expect(Infinity);
    assertEquals(remote.asked.length, asked);
  }
});

Deno.test("over a long path the number that the last file needed is used at once, without a measurement", () => {
  for (const useful of [2, 4]) {
    const { remote, further, notes } = world("auto");
    remote.session.pathEstimates.write.roundTrip = 100;
    remote.channels.useful = useful;
    further.expect(1000 * MIB);
    assertEquals(remote.asked.length, useful - 1);
    assertEquals(notes, [`Spreading over ${useful} channels: as for the last file`]);
  }
});

Deno.test("the number that the last file needed is used again, and told by those that had some", async () => {
  const { remote, further, notes } = world("auto", { connections: 3 });
  remote.channels.useful = 2;
  further.for(SMALL);
  assertEquals(notes, ["Spreading over 2 channels: as for the last file"]);
  await turn();
  further.for(SMALL);
  assertEquals(remote.asked.length, 1);
  fake(further.for(SMALL)[0]!).session.cause = new Error("lost");
  further.close();
  assertEquals(remote.channels.useful, 1);
  remote.channels.useful = 4;
  new FurtherSessions(real(remote), { channels: "auto", role: "target" }).close();
  assertEquals(remote.channels.useful, 4);
});

Deno.test("small files go to each session in turn once they are many, over several connections", async () => {
  const { remote, further } = world("auto", { connections: 2 });
  const first = real(remote);
  assertEquals([further.forWhole(SMALL), further.forWhole(SMALL - 1)], [first, first]);
  assertEquals(remote.asked.length, 0);
  assertEquals([further.forWhole(1), remote.asked.length], [first, 1]);
  await turn();
  const second = further.for(SMALL)[0]!.remote;
  const order = Array.from({ length: 4 }, () => further.forWhole(1));
  assertEquals(order, [first, second, first, second]);
  assertEquals(further.forWhole(SMALL), first);
  const one = world("auto");
  for (const size of [SMALL - 1, SMALL - 1]) {
    assertEquals(one.further.forWhole(size), real(one.remote));
  }
  assertEquals(one.remote.asked.length, 0);
});

Deno.test("lost sessions are those that ended without being closed", async () => {
  const { remote, further } = world(4);
  further.for(0);
  await turn();
  assertEquals(further.lost, 0);
  fake(further.for(0)[0]!).session.cause = new Error("lost");
  remote.asked[1]!.giveWay();
  assertEquals([further.lost, further.for(0).length, remote.asked.length], [1, 1, 3]);
});

Deno.test("over several connections, others are opened in place of lost ones, with a limit", async () => {
  const { remote, further, notes } = world(3, { connections: 3 });
  further.for(0);
  fake(await opened(further)).session.cause = new Error("lost");
  further.for(0);
  assertEquals([remote.asked.length, notes[1]], [
    3,
    "Spreading over 3 channels: in place of lost ones",
  ]);
  await turn();
  assertEquals([further.for(0).length, remote.asked.length], [2, 3]);
  fake(further.for(0)[0]!).session.cause = new Error("lost");
  assertEquals([further.forWhole(1) === real(remote), remote.asked.length], [true, 3]);
  further.for(0);
  await turn();
  assertEquals(further.lost, 2);
  fake(further.for(0)[0]!).session.cause = new Error("lost");
  assertEquals([further.for(0).length, remote.asked.length], [1, 4]); // as many as there may be
});

Deno.test("a lost session is replaced by the next small file, but not while others are opened", async () => {
  const { remote, further } = world("auto", { connections: 3, isQuick: false });
  further.for(SMALL);
  const [first, second] = [new FakeRemote(), new FakeRemote()];
  remote.asked[0]!.resolve(first);
  await turn();
  first.session.cause = new Error("lost");
  further.forWhole(1);
  assertEquals(remote.asked.length, 2);
  remote.asked[1]!.resolve(second);
  await turn();
  further.forWhole(1);
  assertEquals(remote.asked.length, 3);
  further.close();
  remote.asked[2]!.resolve(null);
});

/** The first session, once it is open. */
async function opened(further: FurtherSessions): Promise<FurtherSession> {
  await turn();
  return further.for(0)[0]!;
}

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

Deno.test("the reason for a single channel is reported at the end", () => {
  const near = world("auto");
  near.remote.session.pathEstimates.write.roundTrip = 2;
  near.further.for(SMALL);
  near.further.close();
  assertEquals(near.notes, ["One channel: the round trip takes 2.0 ms"]);
  const inPlace = world("auto");
  inPlace.further.inPlace();
  inPlace.further.close();
  assertEquals(inPlace.notes, ["One channel: the file is written in place"]);
});

Deno.test("a session that the server refuses is not asked for again", async () => {
  for (const cause of [null, new Error("Administratively prohibited")]) {
    const { remote, further, notes } = world("auto", { connections: 3, isQuick: false });
    further.for(SMALL);
    remote.asked[0]!.resolve(new FakeRemote());
    if (cause === null) remote.asked[1]!.resolve(null);
    else remote.asked[1]!.reject(cause);
    await turn();
    const reason = cause?.message ?? "there is no room for another session";
    assertEquals(notes[1], `2 channels: ${reason}`);
    remote.channels.useful = 5;
    assertEquals([further.for(SMALL).length, remote.asked.length], [1, 2]);
  }
});

Deno.test("a session gives way, and nothing takes its place", async () => {
  const { remote, further, notes } = world("auto", { connections: 2, isQuick: false });
  further.for(SMALL);
  remote.asked[0]!.giveWay(); // before it is open
  const late = new FakeRemote();
  remote.asked[0]!.resolve(late);
  await turn();
  assertEquals(late.log, ["close session"]);
  assertEquals(notes[1], "A channel was closed to make room for another session");
  assertEquals([further.for(SMALL), remote.asked.length], [[], 1]);
  assertEquals(remote.channels.closing.size, 0);

  const open = world(3);
  open.further.for(0);
  const session = await opened(open.further);
  const ending = Promise.withResolvers<void>();
  fake(session).closing = ending.promise;
  open.remote.asked[0]!.giveWay();
  await turn();
  assertEquals([fake(session).log, open.remote.channels.closing.size], [["close session"], 1]);
  ending.reject(new Error("lost"));
  await turn();
  assertEquals(open.remote.channels.closing.size, 0);
});

Deno.test("sessions that are open at the end are closed, and those that open later, too", async () => {
  const { remote, further, notes } = world(4, { isQuick: false });
  further.for(0);
  const [open, late] = [new FakeRemote(), new FakeRemote()];
  remote.asked[0]!.resolve(open);
  await turn();
  assertEquals([further.for(0).length, remote.asked[1]!.signal.aborted], [1, false]);
  further.close();
  assertEquals(remote.asked[1]!.signal.aborted, true);
  remote.asked[2]!.giveWay(); // it has ended already
  remote.asked[1]!.resolve(late);
  remote.asked[2]!.resolve(null);
  await turn();
  assertEquals([open.log, late.log], [["close session"], ["close session"]]);
  assertEquals([remote.channels.closing.size, remote.asked.length], [0, 3]);
  assertEquals(notes.slice(1), ["A channel was closed to make room for another session"]);
});

Deno.test("a listener of notes that throws does not fail the transfer", async () => {
  const remote = new FakeRemote();
  const further = new FurtherSessions(real(remote), { channels: 2, role: "target" }, () => {
    throw new Error("a listener's");
  });
  further.for(0);
  await turn();
  assertEquals(further.for(0).length, 1);
});
