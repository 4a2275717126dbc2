/** The outbound half on a socket that accepts bytes only when a test allows it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Sealer } from "../../lib/crypto/packet_cipher.ts";
import { OUTBOX_HIGH_WATER, OUTBOX_LIMIT, SOCKET_WRITE_BYTES } from "../../lib/defaults.ts";
import { PacketSink } from "../../lib/transport/packet_sink.ts";
import type { PlainSealer } from "../../lib/transport/plain_packets.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { Trace } from "../../lib/transport/trace.ts";
import { type Socket, streamSocket } from "../../lib/transport/socket.ts";
import { WINDOW_ADJUST_LENGTH, writeWindowAdjust } from "../../lib/wire/hot.ts";
import { ChannelEof } from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { until } from "../connection/until.ts";

function slowSink(
  failed: (error: unknown) => void = () => {},
): { sink: PacketSink; takeOne: () => void; breakOff: (error: unknown) => void } {
  let taken = Promise.withResolvers<void>();
  const socket: Socket = {
    read: () => new Promise(() => {}),
    write: () => taken.promise,
    closeWrite: () => Promise.resolve(),
    close: () => {},
    localAddr: null,
    remoteAddr: null,
  };
  const sink = new PacketSink(socket, failed, new Sealer());
  const takeOne = () => {
    taken.resolve();
    taken = Promise.withResolvers();
  };
  return { sink, takeOne, breakOff: (error) => taken.reject(error) };
}

const MUCH = new Uint8Array(32 * 1024);

Deno.test("Bulk writers send in turn, however much data each has", async () => {
  const { sink, takeOne } = slowSink();
  const WRITERS = 20;
  const turns: number[] = [];
  const write = (writer: number, rounds: number) =>
    sink.whenRoom(() => {
      turns.push(writer);
      while (!sink.congested) sink.sendData(writer, 0, MUCH);
      if (rounds > 1) write(writer, rounds - 1);
    });
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  for (let writer = 0; writer < WRITERS; writer++) write(writer, 3);
  while (turns.length < 3 * WRITERS) {
    takeOne();
    await new Promise((resolve) => setTimeout(resolve));
  }
  const inTurn = Array.from({ length: WRITERS }, (_, writer) => writer);
  assertEquals(turns, [...inTurn, ...inTurn, ...inTurn]);
  sink.close();
  takeOne();
});

Deno.test("Messages that the peer may answer are counted: all but window adjustments", () => {
  const { sink } = slowSink();
  const credit = new Uint8Array(WINDOW_ADJUST_LENGTH);
  writeWindowAdjust(credit, 0, 1024);
  sink.send(credit);
  assertEquals(sink.asked, 0);
  sink.send(ChannelEof.encode({ recipient: 0 }));
  sink.sendData(0, 0, MUCH);
  assertEquals(sink.asked, 2);
  sink.close();
});

Deno.test("A writer without more data leaves the room to the next", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  let called = 0;
  for (let i = 0; i < 50; i++) sink.whenRoom(() => called++);
  assertEquals(called, 0);
  takeOne();
  await until(() => called === 50);
  sink.close();
  takeOne();
});

Deno.test("A bulk writer is called immediately if there is room", () => {
  const { sink } = slowSink();
  let called = false;
  sink.whenRoom(() => called = true);
  assert(called);
  sink.close();
});

Deno.test("A bulk writer that asks again is called after those that wait, also while there is room", () => {
  const { sink } = slowSink();
  const turns: number[] = [];
  const write = (writer: number, rounds: number) =>
    sink.whenRoom(() => {
      turns.push(writer);
      if (rounds > 1) write(writer, rounds - 1);
    });
  sink.hold();
  for (const writer of [0, 1, 2]) write(writer, 3);
  sink.release();
  assertEquals(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
  sink.close();
});

Deno.test("What a key exchange holds, messages and writers, is sent at its end", () => {
  const { sink } = slowSink();
  sink.hold();
  sink.send(Uint8Array.of(2));
  sink.hold(); // it keeps the message
  let called = false;
  sink.whenRoom(() => called = true);
  assertEquals([called, sink.sealer.pending], [false, 0]);
  sink.release();
  assert(called && sink.sealer.pending > 0);
  assertEquals([sink.bytesSinceRekey, sink.packetsSinceRekey], [1, 1]);
  sink.close();
});

Deno.test("After the end of the connection no bulk writer is called", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  assert(sink.sealer.pending >= OUTBOX_HIGH_WATER);
  let called = false;
  const call = () => void (called = true);
  sink.whenRoom(call);
  const drained = sink.drained();
  sink.close();
  sink.whenRoom(call);
  const taking = setInterval(takeOne);
  await drained;
  clearInterval(taking);
  assert(!called);
});

Deno.test("A socket error is reported once, and ends pending drains", async () => {
  const failures: unknown[] = [];
  const { sink, breakOff } = slowSink((error) => {
    failures.push(error);
    sink.close();
  });
  sink.send(Uint8Array.of(2));
  const drained = sink.drained();
  await until(() => sink.sealer.pending === 0);
  const error = new Error("The cable is cut");
  breakOff(error);
  await drained;
  sink.send(Uint8Array.of(2));
  await null;
  assertEquals(failures, [error]);
});

Deno.test("The payloads under the current and earlier keys are counted", () => {
  const { sink } = slowSink();
  const counts = () => [sink.bytesSinceRekey, sink.packetsSinceRekey, sink.bytesBeforeRekey];
  assertEquals(counts(), [0, 0, 0]);
  sink.send(Uint8Array.of(2, 0, 0));
  sink.sendData(7, 0, new Uint8Array(5)); // number, recipient, length
  assertEquals(counts(), [3 + 14, 2, 0]);
  sink.sendData(7, 1, new Uint8Array(5)); // and type
  assertEquals(counts(), [3 + 14 + 18, 3, 0]);
  sink.hold();
  sink.hold();
  sink.sendNow(Uint8Array.of(20)); // of the key exchange
  sink.release();
  sink.send(Uint8Array.of(2));
  assertEquals(counts(), [1, 1, 35]);
  sink.hold();
  sink.release();
  assertEquals(counts(), [0, 0, 36]);
  sink.close();
});

Deno.test("Bulk data is traced when it is sent, and not after the end", () => {
  const { sink } = slowSink();
  const told: string[] = [];
  sink.trace = new Trace(({ name }) => void told.push(name));
  sink.sendData(7, 0, new Uint8Array(5));
  sink.close();
  sink.sendData(7, 0, new Uint8Array(5));
  assertEquals(told, ["CHANNEL_DATA"]);
});

Deno.test("A sink is congested from the high-water mark on, and fails above its limit", async () => {
  const failures: unknown[] = [];
  const framer = {
    pending: OUTBOX_HIGH_WATER - 1,
    sealPayload() {},
    take: () => framer.pending = 0,
  };
  const sink = new PacketSink(
    streamSocket(memoryPair()[0]),
    (error) => failures.push(error),
    framer as unknown as PlainSealer,
  );
  assert(!sink.congested);
  framer.pending = OUTBOX_HIGH_WATER;
  assert(sink.congested);
  for (const [pending, count] of [[OUTBOX_LIMIT, 0], [OUTBOX_LIMIT + 1, 1]] as const) {
    framer.pending = pending;
    sink.send(Uint8Array.of(2));
    assertEquals(failures.length, count);
  }
  await sink.drained();
});

Deno.test("onSuccess is called once USERAUTH_SUCCESS is sealed, and for no other message", () => {
  const { sink } = slowSink();
  const sealed: number[] = [];
  sink.onSuccess = () => void sealed.push(sink.sealer.sequence);
  sink.send(Uint8Array.of(2, MSG.USERAUTH_SUCCESS));
  sink.sendData(7, 0, new Uint8Array(5));
  sink.send(Uint8Array.of(MSG.USERAUTH_SUCCESS));
  sink.send(Uint8Array.of(2));
  assertEquals(sealed, [3]); // the third message, and nothing after it
  sink.close();
});

Deno.test("The last byte is written, too", async () => {
  const framer = {
    pending: SOCKET_WRITE_BYTES + 1,
    sealPayload() {},
    take({ length }: Uint8Array) {
      const taken = Math.min(length, framer.pending);
      framer.pending -= taken;
      return taken;
    },
  };
  const sink = new PacketSink(
    { ...streamSocket(memoryPair()[0]), write: () => Promise.resolve() },
    () => {},
    framer as unknown as PlainSealer,
  );
  sink.send(Uint8Array.of(2));
  await sink.drained();
  assertEquals(framer.pending, 0);
});

Deno.test("A sink without a write under way is freed immediately at the end", () => {
  const { sink } = slowSink();
  sink.close();
  assertThrows(() => sink.sealer.pending);
});
