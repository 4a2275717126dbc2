/** Further sessions of a transfer: when they are opened, in which of them a file is, and how they end. */
import { assertEquals, assertRejects } from "@std/assert";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { FurtherSession, FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import type { Lane } from "../../lib/sftp/remote/lane.ts";
import {
  fake,
  FakeRemote,
  INFO,
  type Info,
  MIB,
  real,
  REFUSED,
  SMALL,
  world,
} from "./further_world.ts";
import { turn } from "./world.ts";

const lane = (session: FurtherSession, written = 0): Promise<Lane | null> =>
  session.lane("/part", "/file", written, { timeout: 7 });
const same = (session: FurtherSession) =>
  session.sameFile("/file", INFO as Parameters<FurtherSession["sameFile"]>[1], {});

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

Deno.test("what was written before the answer to an OPEN counts only if it succeeds", async () => {
  for (const isOpen of [true, false]) {
    const remote = new FakeRemote();
    const opening = Promise.withResolvers<void>();
    remote.atOnce = opening.promise;
    const opened = await lane(new FurtherSession(real(remote)), 100);
    const writing = opened!.write(new Uint8Array(5), 0, {}, () => {});
    await turn();
    assertEquals([opened!.usable, opened!.written], [true, 0]);
    if (isOpen) opening.resolve();
    else opening.reject(new Error("refused"));
    if (isOpen) await writing;
    else await assertRejects(() => writing, Error, "refused");
    assertEquals([opened!.usable, opened!.written], [isOpen, isOpen ? 5 : 0]);
    assertEquals(remote.log.includes("close file"), !isOpen);
  }
});

Deno.test("a session that left a request unanswered gets no other file, after a refusal it does", async () => {
  const late = new SftpError(SftpStatus.CONNECTION_LOST, "write", "/file", "no answer in 7 ms");
  for (const [cause, isUsable] of [[late, false], [REFUSED, true]] as const) {
    for (const what of ["writing", "fileClosing", "info"] as const) {
      const { remote, further } = world(2);
      further.for(0);
      await turn();
      const [session] = further.for(0);
      const failure = Promise.reject(cause);
      failure.catch(() => {});
      Object.assign(remote.opened[0]!, { [what]: failure });
      const opened = (await lane(session!))!;
      await opened.write(new Uint8Array(1), 0, {}, () => {}).catch(() => {});
      await opened.close({}).catch(() => {});
      assertEquals([what, further.for(0).length, further.lost], [
        what,
        isUsable ? 1 : 0,
        isUsable ? 0 : 1,
      ]);
    }
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

Deno.test("over one connection that is made again, others are opened on the next one", async () => {
  for (const isRenewable of [false, true]) {
    const { remote, further, notes } = world(3);
    remote.session.isRenewable = isRenewable;
    further.for(0);
    await turn();
    const lose = () =>
      further.for(0).forEach((each) => fake(each).session.cause = new Error("lost"));
    lose();
    remote.session.isRenewing = true;
    further.for(0);
    assertEquals(remote.asked.length, 2); // they would be asked for on the lost connection
    remote.session.isRenewing = false;
    further.for(0);
    await turn();
    assertEquals([remote.asked.length, further.for(0).length], isRenewable ? [4, 2] : [2, 0]);
    assertEquals(notes.includes("Spreading over 3 channels: in place of lost ones"), isRenewable);
    if (!isRenewable) continue;
    for (let losses = 0; losses < 100; losses++) {
      lose();
      further.for(0);
      await turn();
    }
    assertEquals(remote.asked.length, 48); // in case the server ends each of them
    assertEquals(notes.slice(-1), ["One channel: others were lost too often"]);
  }
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
