/** The outbound half on a socket that takes bytes only when a test lets it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OUTBOX_HIGH_WATER } from "../../lib/defaults.ts";
import { PacketSink } from "../../lib/transport/packet_sink.ts";
import type { Socket } from "../../lib/transport/socket.ts";
import { until } from "../connection/until.ts";

function slowSink(): { sink: PacketSink; takeOne: () => void } {
  let taken = Promise.withResolvers<void>();
  const socket: Socket = {
    read: () => new Promise(() => {}),
    write: () => taken.promise,
    closeWrite: () => Promise.resolve(),
    close: () => {},
    localAddr: null,
    remoteAddr: null,
  };
  const sink = new PacketSink(socket, () => {});
  const takeOne = () => {
    taken.resolve();
    taken = Promise.withResolvers();
  };
  return { sink, takeOne };
}

const MUCH = new Uint8Array(32 * 1024);

Deno.test("Bulk writers go on in turn, however much each of them has", async () => {
  const { sink, takeOne } = slowSink();
  const WRITERS = 20;
  const turns: number[] = [];
  const write = async (writer: number) => {
    for (let round = 0; round < 3; round++) {
      await sink.ready();
      turns.push(writer);
      while (!sink.congested) sink.sendData(writer, 0, MUCH);
    }
  };
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  const writing = Array.from({ length: WRITERS }, (_, writer) => write(writer));
  let over = false;
  const all = Promise.all(writing).then(() => over = true);
  while (!over) {
    takeOne();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await all;
  const inTurn = Array.from({ length: WRITERS }, (_, writer) => writer);
  assertEquals(turns, [...inTurn, ...inTurn, ...inTurn]);
  sink.close(new Error("The test is over"));
  takeOne();
});

Deno.test("A writer that has given up leaves its turn to the next", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  let woken = 0;
  // They wait, and have nothing to send any more when their turn comes.
  for (let i = 0; i < 50; i++) sink.ready().then(() => woken++);
  takeOne();
  await until(() => woken === 50);
  sink.close(new Error("The test is over"));
  takeOne();
});

Deno.test("The end of the connection ends every wait for it", async () => {
  const { sink, takeOne } = slowSink();
  while (!sink.congested) sink.sendData(0, 0, MUCH);
  assert(sink.sealer.pending >= OUTBOX_HIGH_WATER);
  const waits = [sink.ready(), sink.ready()];
  sink.close(new Error("The peer is gone"));
  for (const wait of waits) await assertRejects(() => wait, Error, "The peer is gone");
  await assertRejects(() => sink.ready(), Error, "The peer is gone");
  takeOne();
});
