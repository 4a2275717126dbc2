import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelWriter } from "../../lib/connection/channel_writer.ts";
import { bytesWritten } from "../../lib/connection/partial_write.ts";
import { ClosedError } from "../../lib/errors.ts";
import { limitOf } from "../../lib/waiting.ts";
import { FakeTime } from "../support/fake_time.ts";

const REASON = new Error("over");

/** A writer on a socket with room for this many bytes. */
function writerWith(options: { room: number; window: number }) {
  let { room } = options;
  let waiting: (() => void)[] = [];
  const sent: number[] = [];
  const types: number[] = [];
  const writer = new ChannelWriter({
    send: () => {},
    sendData(_recipient, type, data) {
      sent.push(data.length);
      types.push(type);
      room -= data.length;
    },
    get congested() {
      return room <= 0;
    },
    whenRoom: (send) => void waiting.push(send),
    stalled: () => {},
  }, { remoteId: 0, sendWindow: options.window, maxSend: 8 });
  const drain = (bytes: number) => {
    room = bytes;
    const callbacks = waiting;
    waiting = [];
    for (const send of callbacks) send();
  };
  return { writer, sent, types, drain, waiting: () => waiting.length };
}

Deno.test("A write waiting for the socket sends as soon as the socket has room", async () => {
  const { writer, sent, drain } = writerWith({ room: 0, window: 100 });
  const writing = writer.write(new Uint8Array(20), 0, null);
  drain(10);
  assertEquals(sent, [8, 8]); // immediately, not some microtasks later
  assertEquals(await writing, 16);
});

Deno.test("An aborted write waiting for the socket sends nothing", async () => {
  const { writer, sent, drain, waiting } = writerWith({ room: 0, window: 100 });
  const controller = new AbortController();
  using limit = limitOf({ signal: controller.signal });
  const writing = writer.write(new Uint8Array(5), 0, limit);
  controller.abort(REASON);
  await assertRejects(() => writing, Error, "over");
  const next = writer.write(new Uint8Array(6), 0, null);
  assertEquals(waiting(), 1); // it replaces the previous one
  drain(10);
  assertEquals([await next, sent], [6, [6]]);
});

Deno.test("Room offered after the last write was aborted is left to others", async () => {
  const { writer, sent, drain } = writerWith({ room: 0, window: 100 });
  const controller = new AbortController();
  using limit = limitOf({ signal: controller.signal });
  const writing = writer.write(new Uint8Array(5), 0, limit);
  controller.abort(REASON);
  await assertRejects(() => writing, Error, "over");
  drain(10);
  assertEquals([sent, writer.sent], [[], 0]);
});

Deno.test("A pending write sends nothing after its channel has ended", async () => {
  for (const room of [0, 50]) {
    const { writer, sent, drain } = writerWith({ room, window: room === 0 ? 100 : 0 });
    const writing = writer.writeAll([new Uint8Array(5)], 0, null);
    writer.end(() => REASON, "The channel is closed");
    drain(50);
    writer.grow(50);
    await assertRejects(() => writing, Error, "over");
    assertEquals(sent, []);
  }
});

Deno.test("A write that reached its time limit tells how much it sent", async () => {
  const { writer, drain } = writerWith({ room: 0, window: 100 });
  const controller = new AbortController();
  using limit = limitOf({ signal: controller.signal });
  const writing = writer.write(new Uint8Array(5), 0, limit);
  drain(10);
  controller.abort(REASON);
  assertEquals(await writing, 5);
});

Deno.test("A pending write ends if its buffer is transferred", async () => {
  const { writer, sent, drain } = writerWith({ room: 0, window: 100 });
  const data = new Uint8Array(5);
  const writing = writer.write(data, 0, null);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  drain(10);
  assertEquals([await writing, sent], [0, []]);
});

Deno.test("ChannelWriter.ready waits for the socket and the window", async () => {
  const { writer, drain } = writerWith({ room: 0, window: 0 });
  let ready = false;
  const waiting = writer.ready(null).then(() => ready = true);
  drain(10);
  await null;
  assertEquals([ready, writer.writableBytes], [false, 0]);
  writer.grow(3);
  await waiting;
  assertEquals(writer.writableBytes, 3);
});

Deno.test("tryWrite sends nothing during another write, even if the window has room", async () => {
  const { writer, sent } = writerWith({ room: 100, window: 0 });
  const writing = writer.writeAll([new Uint8Array(3), new Uint8Array(4)], 0, null);
  writer.grow(50);
  assertEquals([writer.window, writer.writableBytes], [50, 0]);
  const error = assertThrows(() => writer.tryWrite(new Uint8Array(5), 0));
  assertEquals((error as Error).name, "WouldBlock");
  assertEquals(sent, []);
  await writing;
  assertEquals(writer.tryWrite(new Uint8Array(5), 0), 5);
  assertEquals(sent, [3, 4, 5]);
});

Deno.test("tryWrite sends as much as window, packet and socket have room for", () => {
  const { writer, sent } = writerWith({ room: 12, window: 100 });
  assertEquals(writer.tryWrite(new Uint8Array(0), 0), 0);
  assertEquals(writer.tryWrite(new Uint8Array(50), 0), 16); // the socket is asked before each packet
  assertThrows(() => writer.tryWrite(new Uint8Array(1), 0));
  assertEquals([sent, writer.sent, writer.window], [[8, 8], 16, 84]);
  const small = writerWith({ room: 100, window: 9 });
  assertEquals([small.writer.tryWrite(new Uint8Array(50), 0), small.sent], [9, [8, 1]]);
});

Deno.test("only the time that writes wait for the window is counted, not for the socket", async () => {
  using time = new FakeTime();
  const { writer, drain } = writerWith({ room: 0, window: 10 });
  const first = writer.writeAll([new Uint8Array(20)], 0, null);
  time.skip(100);
  drain(100);
  await time.advance(0);
  assertEquals(writer.waitedForWindow, 0);
  time.skip(30);
  assertEquals(writer.waitedForWindow, 30); // also while another one waits
  writer.grow(4);
  time.skip(5);
  assertEquals(writer.waitedForWindow, 30);
  await time.advance(0);
  time.skip(7);
  writer.grow(6);
  await first;
  time.skip(1000);
  assertEquals(writer.waitedForWindow, 37);
  const controller = new AbortController();
  using limit = limitOf({ signal: controller.signal });
  const given = writer.write(new Uint8Array(1), 0, limit);
  time.skip(2);
  controller.abort(REASON);
  await assertRejects(() => given, Error, "over");
  time.skip(1000);
  assertEquals(writer.waitedForWindow, 39);
});

Deno.test("the largest window is the most room that there was at one time", () => {
  const { writer } = writerWith({ room: 100, window: 0 });
  assertEquals(writer.largestWindow, 0);
  writer.grow(20);
  writer.tryWrite(new Uint8Array(15), 0);
  writer.grow(10);
  assertEquals([writer.window, writer.largestWindow], [15, 20]);
  writer.grow(10);
  assertEquals(writer.largestWindow, 25);
});

Deno.test("The final message is sent immediately, or after the current write", async () => {
  const said: string[] = [];
  const { writer } = writerWith({ room: 100, window: 100 });
  const finishing = writer.finish("shut", () => said.push("free"));
  assertEquals(said, ["free"]);
  await finishing;
  const busy = writerWith({ room: 0, window: 100 });
  const writing = busy.writer.writeAll([new Uint8Array(5)], 0, null).then(() =>
    said.push("written")
  );
  const last = busy.writer.finish("shut", () => said.push("after"));
  assertEquals(said, ["free"]);
  busy.drain(10);
  await Promise.all([writing, last]);
  assertEquals(said.slice(1).sort(), ["after", "written"]);
  assertEquals(busy.sent, [5]);
});

Deno.test("Pending writes are sent in the order of their calls", async () => {
  const { writer, sent, drain } = writerWith({ room: 0, window: 100 });
  const first = writer.write(new Uint8Array(5), 0, null);
  const second = writer.write(new Uint8Array(6), 0, null);
  drain(5);
  assertEquals([await first, sent], [5, [5]]);
  drain(6);
  assertEquals([await second, sent], [6, [5, 6]]);
});

Deno.test("Data that fits is sent before write returns, and an empty write does not wait", async () => {
  const { writer, sent } = writerWith({ room: 100, window: 100 });
  const writes = [
    writer.write(new Uint8Array(3), 0, null),
    writer.write(new Uint8Array(0), 0, null),
  ];
  assertEquals(sent, [3]);
  assertEquals(await Promise.all(writes), [3, 0]);
  const all = writer.writeAll([new Uint8Array(4), new Uint8Array(0)], 0, null);
  assertEquals(sent, [3, 4]);
  await all;
  const full = writerWith({ room: 0, window: 0 });
  assertEquals(await full.writer.write(new Uint8Array(0), 0, null), 0);
  assertEquals(full.waiting(), 0);
});

Deno.test("A write keeps the type of its data, also when it has waited", async () => {
  const { writer, types, drain } = writerWith({ room: 0, window: 100 });
  const writing = writer.write(new Uint8Array(1), 7, null);
  drain(1);
  await writing;
  const other = writer.writeAll([new Uint8Array(1)], 8, null);
  drain(20);
  await other;
  writer.tryWrite(new Uint8Array(1), 9);
  await writer.write(new Uint8Array(1), 1, null);
  assertEquals(types, [7, 8, 9, 1]);
});

Deno.test("Room that is offered twice is used once by a write, which sends the rest later", async () => {
  const { writer, sent, drain } = writerWith({ room: 0, window: 100 });
  const writing = writer.write(new Uint8Array(20), 0, null);
  drain(5);
  const ready = writer.ready(null); // also waits for room
  drain(5);
  assertEquals(sent, [8]);
  assertEquals(await writing, 8);
  await ready;
});

Deno.test("Nothing can be written after the end, or after shutting down, and ready() tells of it", async () => {
  for (const end of ["end", "finish"] as const) {
    const { writer, waiting } = writerWith({ room: 0, window: 0 });
    let isReady = false;
    const ready = writer.ready(null).then(() => isReady = true);
    await null;
    assertEquals([isReady, writer.ended, writer.phase, waiting()], [false, false, "open", 1]);
    if (end === "end") writer.end(() => REASON, "over");
    else await writer.finish("over", () => {});
    await ready;
    assertEquals([writer.ended, writer.phase], [true, end === "end" ? "ended" : "shut"]);
    const open = writerWith({ room: 100, window: 100 });
    if (end === "end") open.writer.end(() => REASON, "over");
    else await open.writer.finish("over", () => {});
    assertEquals([open.writer.writableBytes, open.writer.window], [0, 100]);
    assertThrows(() => open.writer.tryWrite(new Uint8Array(0), 0), ClosedError, "over");
    await assertRejects(() => open.writer.writeAll([], 0, null), ClosedError, "over");
    await assertRejects(() => open.writer.write(new Uint8Array(1), 0, null), ClosedError, "over");
    assertEquals(open.sent, []);
  }
});

Deno.test("The first reason to end or to shut down counts, and an end before a shutdown", async () => {
  const { writer } = writerWith({ room: 1, window: 1 });
  const failing = async (message: string) => {
    const write = () => writer.write(new Uint8Array(1), 0, null);
    return (await assertRejects(write, ClosedError, message)).cause;
  };
  await writer.finish("shut", () => {});
  await writer.finish("shut again", () => {});
  assertEquals(await failing("shut ["), undefined);
  writer.end(() => REASON, "ended");
  writer.end(() => new Error("another"), "ended again");
  assertEquals([await failing("ended ["), writer.phase], [REASON, "ended"]);
});

Deno.test("A failed writeAll tells what was sent, and a caller's reason stays as it is", async () => {
  const lost = writerWith({ room: 100, window: 12 });
  const writing = lost.writer.writeAll([new Uint8Array(5), new Uint8Array(9)], 0, null);
  await null;
  await null;
  assertEquals(lost.sent, [5, 7]);
  await new Promise((resolve) => setTimeout(resolve));
  lost.writer.end(() => new ClosedError("lost"), "over");
  assertEquals(bytesWritten(await writing.catch((error) => error)), 12);
  const { writer } = writerWith({ room: 100, window: 3 });
  const controller = new AbortController();
  using limit = limitOf({ signal: controller.signal });
  const given = writer.writeAll([new Uint8Array(4)], 0, limit);
  await new Promise((resolve) => setTimeout(resolve));
  const reason = new ClosedError("the caller's");
  controller.abort(reason);
  assertEquals(await given.catch((error) => error) === reason, true);
  assertEquals([writer.sent, writer.window], [3, 0]);
  writer.grow(1);
  await writer.writeAll([new Uint8Array(1)], 0, null); // the turn was given back
});

Deno.test("The chunks of two writes do not mix, and each gets its turn", async () => {
  const { writer, types } = writerWith({ room: 1000, window: 0 });
  const first = writer.writeAll([new Uint8Array(1), new Uint8Array(2)], 1, null);
  const second = writer.writeAll([new Uint8Array(3), new Uint8Array(4)], 2, null);
  const third = writer.write(new Uint8Array(5), 3, null);
  for (let i = 0; i < 10; i++) {
    writer.grow(1);
    await new Promise((resolve) => setTimeout(resolve));
  }
  writer.grow(100);
  await Promise.all([first, second, third]);
  assertEquals([types, writer.sent], [[1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3], 15]);
});

Deno.test("An empty tryWrite never has to wait", () => {
  const { writer } = writerWith({ room: 0, window: 0 });
  assertEquals(writer.tryWrite(new Uint8Array(0), 0), 0);
});

Deno.test("After the end, neither the next chunk of a write nor the next write is sent", async () => {
  const { writer, sent } = writerWith({ room: 100, window: 100 });
  const writes = [
    writer.writeAll([new Uint8Array(1), new Uint8Array(2)], 0, null),
    writer.write(new Uint8Array(3), 0, null),
  ];
  writer.end(() => REASON, "over");
  for (const write of writes) await assertRejects(() => write, Error, "over");
  assertEquals(sent, [1]);
});

Deno.test("Shutting down is told to those that wait for readiness, though a write still waits", async () => {
  const { writer } = writerWith({ room: 100, window: 0 });
  const writing = writer.write(new Uint8Array(1), 0, null);
  const ready = writer.ready(null);
  const finishing = writer.finish("shut", () => {});
  await ready;
  writer.grow(1);
  await Promise.all([writing, finishing]);
});
