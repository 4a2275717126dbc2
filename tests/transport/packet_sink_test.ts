/** The outbound half on a socket that accepts bytes only when a test allows it. */
import { assert, assertEquals } from "@std/assert";
import { Sealer } from "../../lib/crypto/packet_cipher.ts";
import { OUTBOX_HIGH_WATER } from "../../lib/defaults.ts";
import { PacketSink } from "../../lib/transport/packet_sink.ts";
import type { Socket } from "../../lib/transport/socket.ts";
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
  sink.close(new Error("The test is over"));
  takeOne();
});

Deno.test("A writer without more data leaves the room to the next", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  let called = 0;
  for (let i = 0; i < 50; i++) sink.whenRoom(() => called++);
  assertEquals(called, 0);
  takeOne();
  await until(() => called === 50);
  sink.close(new Error("The test is over"));
  takeOne();
});

Deno.test("A bulk writer is called immediately if there is room", () => {
  const { sink } = slowSink();
  let called = false;
  sink.whenRoom(() => called = true);
  assert(called);
  sink.close(new Error("The test is over"));
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
  sink.close(new Error("The test is over"));
});

Deno.test("After the end of the connection no bulk writer is called", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  assert(sink.sealer.pending >= OUTBOX_HIGH_WATER);
  let called = false;
  const call = () => void (called = true);
  sink.whenRoom(call);
  const drained = sink.drained();
  sink.close(new Error("The peer is gone"));
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
    sink.close(error);
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
