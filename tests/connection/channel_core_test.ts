/** The protocol of one channel without a connection: its messages, its phases, and its end. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelCore, type ChannelHost } from "../../lib/connection/channel_core.ts";
import { ChunkMemory } from "../../lib/connection/chunk_memory.ts";
import { lazyError } from "../../lib/connection/lazy_error.ts";
import { ConnectionBudget } from "../../lib/connection/window_budget.ts";
import { X11Forwards } from "../../lib/connection/x11_forwards.ts";
import { ClosedError, ProtocolError, RequestDeniedError } from "../../lib/errors.ts";
import { MSG, STDERR } from "../../lib/wire/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";

const none = new Uint8Array(0);
const bytes = (length: number) => new Uint8Array(length);
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));
const ABORTED = lazyError(() => new Error("aborted"));

interface CoreOptions {
  readonly window?: number;
  readonly sendWindow?: number;
  readonly maxSend?: number;
  readonly openedBy?: "us" | "peer";
  readonly openssh?: boolean;
  readonly budget?: ConnectionBudget;
}

/** A channel, number 3 at the peer, and what it sent: `[number of the message, bytes]`. */
function coreWith(options: CoreOptions = {}) {
  const sent: [number, number][] = [];
  const x11 = new X11Forwards();
  let released = 0;
  const host: ChannelHost = {
    send: (payload) => {
      assertEquals(new DataView(payload.buffer, payload.byteOffset).getUint32(1), 3);
      sent.push([payload[0]!, payload.length]);
    },
    sendData: (recipient, type, { length }) => {
      assertEquals(recipient, 3);
      sent.push([type === 0 ? MSG.CHANNEL_DATA : MSG.CHANNEL_EXTENDED_DATA, length]);
    },
    sendWindowAdjust: (recipient, credit) => {
      assertEquals(recipient, 3);
      sent.push([MSG.CHANNEL_WINDOW_ADJUST, credit]);
    },
    congested: false,
    whenRoom: () => {},
    stalled: () => {},
    ahead: 0,
    memory: new ChunkMemory(),
    released: () => void released++,
    x11: () => x11,
  };
  const { window = 8000, sendWindow = 100, maxSend = 50, openedBy = "us" } = options;
  const core = new ChannelCore(host, {
    ...{ type: "session", id: 0, remoteId: 3, extra: none, openedBy },
    ...{ receiveWindow: window, sendWindow, maxSend, maxReceive: 5000 },
    budget: options.budget ?? null,
  });
  if (options.openssh) core.peer = { ...core.peer, openssh: true };
  const numbers = () => sent.splice(0).map(([number]) => number);
  return { core, sent, numbers, x11, released: () => released };
}

Deno.test("A new channel is open in every direction, and nothing is known of its peer", () => {
  const { core, x11 } = coreWith();
  assertEquals([core.isOpen, core.finished, core.carried], [true, false, 0]);
  assertEquals(core.state, {
    phase: "open",
    reading: "open",
    writing: "open",
    stalled: false,
    receiveWindow: 8000,
    sendWindow: 100,
    largestSendWindow: 100,
    waitedForWindow: 0,
    readableBytes: 0,
    readableStderrBytes: 0,
    bytesSent: 0,
    pendingRequests: 0,
  });
  assertEquals(core.peer, { localAddr: null, remoteAddr: null, openssh: false });
  assertEquals([core.timeout, core.combined, core.x11() === x11], [null, false, true]);
});

Deno.test("A peer's packet may have the maximum of bytes, within the window, and no more", () => {
  const { core } = coreWith();
  core.receiveData(0, bytes(5000));
  const large = assertThrows(() => core.receiveData(0, bytes(5001)), ProtocolError);
  assertEquals(large.message.includes("maximum packet size"), true);
  core.receiveData(STDERR, bytes(3000));
  for (const type of [0, STDERR, 77]) {
    assertThrows(() => core.receiveData(type, bytes(1)), ProtocolError, "beyond the window");
  }
  assertEquals([core.stdout.size, core.stderr.size, core.carried], [5000, 3000, 8000]);
});

Deno.test("Data goes to the stream of its type; data of an unknown type is credited unread", () => {
  const { core, sent } = coreWith();
  core.receiveData(0, bytes(10));
  core.receiveData(STDERR, bytes(20));
  core.receiveData(77, bytes(1000));
  assertEquals([core.stdout.size, core.stderr.size], [10, 20]);
  assertEquals(sent, [[MSG.CHANNEL_WINDOW_ADJUST, 1000]]);
  assertEquals([core.state.readableBytes, core.state.readableStderrBytes], [10, 20]);
  assertEquals(core.state.receiveWindow, 8000 - 30);
});

Deno.test("Combined standard error is moved, arrives in standard output, and can be separated again", () => {
  const { core, sent } = coreWith();
  core.receiveData(STDERR, bytes(5));
  core.combined = false;
  assertEquals([core.combined, core.stdout.size, core.stderr.size], [false, 0, 5]);
  core.combined = true;
  assertEquals([core.combined, core.stdout.size, core.stderr.size], [true, 5, 0]);
  core.receiveData(STDERR, bytes(7));
  core.receiveData(77, bytes(1));
  assertEquals([core.stdout.size, core.stderr.size], [12, 0]);
  core.combined = false;
  core.receiveData(STDERR, bytes(2));
  assertEquals([core.combined, core.stdout.size, core.stderr.size], [false, 12, 2]);
  assertEquals([core.state.receiveWindow, sent], [8000 - 15, []]); // 14 unread, 1 of another type
});

Deno.test("Data of any type after EOF is refused, and a second EOF is not", async () => {
  const { core } = coreWith();
  core.receiveData(0, bytes(2));
  core.receiveEof();
  core.receiveEof();
  for (const type of [0, STDERR, 77]) {
    assertThrows(() => core.receiveData(type, bytes(1)), ProtocolError, "after EOF");
  }
  assertEquals([core.state.reading, core.isOpen], ["eof", true]);
  assertEquals((await core.stdout.readChunk())?.length, 2);
  assertEquals([await core.stdout.readChunk(), await core.stderr.readChunk()], [null, null]);
});

Deno.test("What is read after the peer's EOF is not credited, nor after a CLOSE of either end", async () => {
  for (const end of ["receiveEof", "receiveClose", "close", "abort"] as const) {
    const { core, sent } = coreWith();
    core.receiveData(0, bytes(4000));
    core.receiveData(0, bytes(4000));
    if (end !== "close") core[end](ABORTED);
    else core.close();
    while (core.stdout.size > 0) await core.stdout.readChunk();
    const adjusts = sent.filter(([number]) => number === MSG.CHANNEL_WINDOW_ADJUST);
    // close() discards what is unread before its CLOSE, so that the peer can go on reading.
    assertEquals(adjusts, end === "close" ? [[MSG.CHANNEL_WINDOW_ADJUST, 8000]] : []);
  }
});

Deno.test("finished is true once the peer has sent EOF and the exit is known", () => {
  const exit = new Uint8Array([0, 0, 0, 9]);
  for (const order of [["eof", "exit"], ["exit", "eof"]]) {
    const { core } = coreWith();
    for (const [at, word] of order.entries()) {
      assertEquals(core.finished, false);
      if (word === "eof") core.receiveEof();
      else core.receiveRequest("exit-status", false, exit);
      assertEquals(core.finished, at === 1);
    }
  }
});

Deno.test("CLOSE is answered at once, and both ends are closed then", async () => {
  const { core, numbers, released } = coreWith();
  core.receiveData(0, bytes(3));
  core.receiveData(STDERR, bytes(4));
  const writing = core.writer.writeAll([bytes(200)], 0, null);
  const asking = core.requests.request("x", none, {});
  numbers();
  core.receiveClose();
  assertEquals([numbers(), released()], [[MSG.CHANNEL_CLOSE], 1]);
  const { phase, reading, writing: writes } = core.state;
  assertEquals([phase, reading, writes, core.isOpen], ["closed", "eof", "ended", false]);
  await core.closed;
  await assertRejects(() => writing, ClosedError, "The peer closed the channel");
  await assertRejects(() => asking, ClosedError, "The peer closed the channel");
  assertThrows(() => core.usable(), ClosedError, "The channel is closed");
  assertEquals((await core.requests.exitStatus).code, null);
  assertEquals((await core.stdout.readChunk())?.length, 3);
  assertEquals((await core.stderr.readChunk())?.length, 4);
  assertEquals([await core.stdout.readChunk(), await core.stderr.readChunk()], [null, null]);
  await assertRejects(() => core.writer.write(bytes(1), 0, null), ClosedError, "is closed");
});

Deno.test("After our CLOSE the channel is closing: it has its number until the peer's CLOSE", async () => {
  const { core, numbers, released } = coreWith();
  let isOver = false;
  const closing = core.close().then(() => isOver = true);
  assertEquals([numbers(), released()], [[MSG.CHANNEL_CLOSE], 0]);
  assertEquals([core.isOpen, core.state.phase], [false, "closing"]);
  assertThrows(() => core.usable(), ClosedError, "The channel is closed");
  // Data in flight is counted and dropped, without credit.
  core.receiveData(0, bytes(4000));
  core.receiveData(STDERR, bytes(4000));
  assertThrows(() => core.receiveData(0, bytes(1)), ProtocolError, "beyond the window");
  assertEquals([core.stdout.size, core.stderr.size, core.carried], [0, 0, 8000]);
  core.receiveWindowAdjust(10);
  assertEquals([numbers(), core.state.sendWindow], [[], 110]);
  await turn();
  assertEquals(isOver, false);
  core.receiveClose();
  await closing;
  await core.closed;
  assertEquals([numbers(), released(), core.state.phase], [[], 1, "closed"]);
});

Deno.test("Closing again, or aborting, sends one CLOSE", async () => {
  const { core, numbers, released } = coreWith();
  core.abort(ABORTED);
  core.abort(ABORTED);
  core.close();
  assertEquals(numbers(), [MSG.CHANNEL_CLOSE]);
  core.receiveClose();
  core.abort(ABORTED);
  await core.close();
  assertEquals([numbers(), core.isOpen], [[], false]);
  assert(released() > 0);
});

/** Calls that wait for the peer: a read, a write, a request and the exit status. */
function waitingFor(core: ChannelCore): Promise<unknown>[] {
  return [
    core.stderr.readChunk(),
    core.writer.writeAll([bytes(200)], 0, null),
    core.requests.request("x", none, {}),
    core.requests.exitStatus,
  ];
}

Deno.test("An abort ends what waits with its reason; later calls see a closed channel", async () => {
  const { core } = coreWith();
  core.receiveData(0, bytes(1));
  const waiting = waitingFor(core);
  core.abort(ABORTED);
  for (const result of await Promise.allSettled(waiting)) {
    assert(result.status === "rejected" && result.reason.message.includes("aborted"));
  }
  assertEquals((await core.stdout.readChunk())?.length, 1);
  await assertRejects(() => core.stdout.readChunk(), Error, "aborted");
  await assertRejects(() => core.writer.write(bytes(1), 0, null), ClosedError, "is closed");
  assertThrows(() => core.requests.notify("x", none), ClosedError, "is closed");
});

Deno.test("close() sends what was written before, discards what is unread, and is read-only at once", async () => {
  const { core, sent, numbers } = coreWith({ sendWindow: 10 });
  core.receiveData(0, bytes(1000));
  core.receiveData(STDERR, bytes(1000));
  const reading = core.within(undefined, () => core.stdout.readChunk());
  const writing = core.writer.writeAll([bytes(30)], 0, null);
  const closing = core.close();
  assertEquals((await reading)?.length, 1000);
  assertThrows(() => core.readable(), ClosedError, "The channel is closed");
  assertEquals([core.stdout.size, core.stderr.size, core.isOpen], [0, 0, true]);
  assertEquals(
    sent,
    [
      [MSG.CHANNEL_WINDOW_ADJUST, 1000],
      [MSG.CHANNEL_DATA, 10],
      [MSG.CHANNEL_WINDOW_ADJUST, 1000],
    ].sort(() => 0),
  );
  numbers();
  core.receiveWindowAdjust(20);
  await writing;
  core.receiveClose();
  await closing;
  assertEquals(numbers(), [MSG.CHANNEL_DATA, MSG.CHANNEL_CLOSE]);
});

Deno.test("EOF is sent once, after the writes before it, and never after CLOSE", async () => {
  const { core, numbers } = coreWith({ sendWindow: 10 });
  const writing = core.writer.writeAll([bytes(15)], 0, null);
  const first = core.sendEof();
  assert(core.sendEof() === first);
  assertEquals([numbers(), core.state.writing], [[MSG.CHANNEL_DATA], "shut"]);
  await assertRejects(() => core.writer.write(bytes(1), 0, null), ClosedError, "for writing");
  core.receiveWindowAdjust(10);
  await Promise.all([writing, first]);
  assertEquals(numbers(), [MSG.CHANNEL_DATA, MSG.CHANNEL_EOF]);
  core.receiveData(0, bytes(1)); // reading continues
  assertEquals([core.stdout.size, core.isOpen], [1, true]);
  const closed = coreWith();
  closed.core.receiveClose();
  await closed.core.sendEof();
  assertEquals(closed.numbers(), [MSG.CHANNEL_CLOSE]);
});

Deno.test("After EOF and CLOSE, writes fail because the channel is closed", async () => {
  const { core, numbers } = coreWith();
  await core.sendEof();
  core.close();
  await turn();
  assertEquals([numbers(), core.state.writing], [[MSG.CHANNEL_EOF, MSG.CHANNEL_CLOSE], "ended"]);
  await assertRejects(() => core.writer.write(bytes(1), 0, null), ClosedError, "is closed [");
});

Deno.test("A peer of OpenSSH is told once that its data is not read any more", () => {
  const EOW = [MSG.CHANNEL_REQUEST, 1 + 4 + 4 + "eow@openssh.com".length + 1];
  const told = coreWith({ openssh: true });
  told.core.cancel();
  told.core.cancel();
  told.core.stopReading();
  assertEquals(told.sent, [EOW]);
  const stopped = coreWith({ openssh: true });
  stopped.core.stopReading();
  assertEquals(stopped.sent, [EOW]);
  const silent: Record<string, (core: ChannelCore) => unknown> = {
    "after EOF": (core) => core.receiveEof(),
    "after the peer's CLOSE": (core) => core.receiveClose(),
    "after our CLOSE": (core) => core.abort(ABORTED),
    "after a discard, which the peer does not learn of": (core) => core.stdout.discard(),
  };
  for (const [when, end] of Object.entries(silent)) {
    const { core, numbers } = coreWith({ openssh: true });
    end(core);
    numbers();
    core.cancel();
    assertEquals(numbers(), [], when);
  }
  const other = coreWith();
  other.core.cancel();
  assertEquals(other.sent, []);
});

Deno.test("After stopReading() both streams are discarded and credited, and reads fail", () => {
  const { core, sent } = coreWith();
  core.receiveData(0, bytes(600));
  core.receiveData(STDERR, bytes(400));
  core.stopReading();
  assertEquals(sent, [[MSG.CHANNEL_WINDOW_ADJUST, 1000]]);
  core.receiveData(STDERR, bytes(1000));
  assertEquals(sent.length, 2);
  assertEquals([core.stdout.size, core.stderr.size, core.state.reading], [0, 0, "shut"]);
  assertThrows(() => core.readable(), ClosedError, "closed for reading");
  core.close();
  assertThrows(() => core.readable(), ClosedError, "closed for reading"); // the first reason
  const closed = coreWith();
  closed.core.close();
  closed.core.stopReading();
  assertThrows(() => closed.core.readable(), ClosedError, "The channel is closed [");
});

Deno.test("After the peer's eow writes fail, and EOF can be sent", async () => {
  const { core, numbers } = coreWith();
  const writing = core.writer.writeAll([bytes(200)], 0, null);
  numbers();
  core.receiveRequest("eow@openssh.com", false, none);
  await assertRejects(() => writing, ClosedError, "reads no more");
  await assertRejects(() => core.writer.write(bytes(1), 0, null), ClosedError, "reads no more");
  assertEquals([core.state.writing, core.isOpen], ["ended", true]);
  await core.sendEof();
  assertEquals(numbers(), [MSG.CHANNEL_EOF]);
  const other = coreWith();
  other.core.receiveRequest("unknown@example.com", false, none);
  assertEquals(other.core.state.writing, "open");
});

Deno.test("The failure of a connection fails its channels with the first reason, and nothing is sent", async () => {
  const { core, sent } = coreWith();
  core.receiveData(0, bytes(1));
  const waiting = [...waitingFor(core), core.closed];
  const before = sent.length;
  core.fail(new Error("lost"));
  core.fail(new Error("again"));
  for (const result of await Promise.allSettled(waiting)) {
    assert(result.status === "rejected" && result.reason.message.includes("lost"));
  }
  assertEquals([core.isOpen, core.state.phase], [false, "failed"]);
  assertEquals((await core.stdout.readChunk())?.length, 1);
  await assertRejects(() => core.stdout.readChunk(), Error, "lost");
  const unusable = assertThrows(() => core.usable(), ClosedError, "The connection is closed: lost");
  assertEquals((unusable.cause as Error).message, "lost");
  await assertRejects(
    () => core.writer.write(bytes(1), 0, null),
    ClosedError,
    "The connection is closed",
  );
  core.abort(ABORTED);
  core.receiveClose();
  await core.close();
  await core.sendEof();
  assertEquals(sent.length, before);
});

Deno.test("The exit that was known stays when the connection fails or the channel is aborted", async () => {
  for (const end of ["fail", "abort"] as const) {
    const { core } = coreWith();
    core.receiveRequest("exit-status", false, new Uint8Array([0, 0, 0, 9]));
    core[end](ABORTED);
    assertEquals((await core.requests.exitStatus).code, 9);
  }
});

Deno.test("The peer's answers settle requests in their order", async () => {
  const { core } = coreWith();
  const [yes, no] = ["yes", "no"].map((type) => core.requests.request(type, none, {}));
  assertEquals(core.state.pendingRequests, 2);
  core.receiveReply(true);
  core.receiveReply(false);
  await yes;
  await assertRejects(() => no!, RequestDeniedError, '"no"');
  assertEquals(core.state.pendingRequests, 0);
});

Deno.test("A channel is stalled while its window is used up, until the peer has ended its data", () => {
  const { core } = coreWith({ window: 1024 });
  core.receiveData(0, bytes(1023));
  assertEquals(core.state.stalled, false);
  core.receiveData(0, bytes(1));
  assertEquals(core.state.stalled, true);
  core.receiveEof();
  assertEquals(core.state.stalled, false);
  const closed = coreWith({ window: 1024 });
  closed.core.receiveData(0, bytes(1024));
  closed.core.receiveClose();
  assertEquals(closed.core.state.stalled, false);
});

Deno.test("A peer that accepts no data in a packet cannot grant a window", () => {
  const { core } = coreWith({ maxSend: 0, sendWindow: 0 });
  core.receiveWindowAdjust(10);
  assertEquals([core.state.sendWindow, core.writer.writableBytes], [0, 0]);
  const smallest = coreWith({ maxSend: 1, sendWindow: 0 });
  smallest.core.receiveWindowAdjust(2);
  assertEquals(smallest.core.writer.tryWrite(bytes(5), 0), 2);
  assertEquals([smallest.sent.length, smallest.core.carried], [2, 2]);
});

for (const [openedBy, counted] of [["us", 0], ["peer", 700]] as const) {
  const which = counted ? "its own channel counts" : "our channel does not count";
  Deno.test(`Data of a peer on ${which} in the windows of the connection until it is read`, async () => {
    const budget = new ConnectionBudget({ least: 1024, initial: 1024, max: 8000 }, null);
    const { core } = coreWith({ openedBy, budget, window: budget.open() });
    core.receiveData(0, bytes(500));
    core.receiveData(STDERR, bytes(200));
    core.receiveClose();
    assertEquals(budget.take(Infinity), 8000 - counted);
    await core.stdout.readChunk();
    assertEquals(budget.take(Infinity), counted && 500);
    core.abort(ABORTED);
    assertEquals(budget.take(Infinity), counted && 200);
    await core.stderr.readChunk();
    assertEquals(budget.take(Infinity), 0);
  });
}

Deno.test("A call ends at the channel's timeout, or at the limit that it is given", async () => {
  using time = new FakeTime();
  const { core } = coreWith();
  assertEquals([core.plain(undefined), core.plain({})], [true, false]);
  core.timeout = 50;
  assertEquals(core.plain(undefined), false);
  const late = core.within(undefined, (limit) => core.stdout.readChunk(limit));
  const patient = core.within({}, (limit) => core.stdout.readChunk(limit), null);
  const outcome = late.then(() => "data", (error) => error);
  await time.advance(49);
  assertEquals(time.timers, 1);
  await time.advance(1);
  assertEquals([(await outcome).name, (await outcome).message], [
    "TimedOut",
    "Timed out after 50 ms",
  ]);
  assertEquals(time.timers, 0);
  core.receiveData(0, bytes(2));
  assertEquals((await patient)?.length, 2);
  const quick = core.within(undefined, (limit) => core.stdout.readChunk(limit));
  core.receiveData(0, bytes(3));
  assertEquals([(await quick)?.length, time.timers], [3, 0]);
  core.timeout = null;
  core.readable();
  core.stopReading();
  assertEquals(core.plain(undefined), false);
});
