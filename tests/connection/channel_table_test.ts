/** The numbers and windows of channels. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelCore, type ChannelHost } from "../../lib/connection/channel_core.ts";
import { ChannelTable, type Opening } from "../../lib/connection/channel_table.ts";
import { ChunkMemory } from "../../lib/connection/chunk_memory.ts";
import { MAX_CHANNELS } from "../../lib/defaults.ts";
import { ChannelOpenError, ProtocolError } from "../../lib/errors.ts";

/** A table whose windows are 1, 2, 3…, and the windows that were given back. */
function tableOf() {
  const given: number[] = [];
  let windows = 0;
  const table = new ChannelTable(() => ++windows, (bytes) => given.push(bytes));
  const host: ChannelHost = {
    send: () => {},
    sendData: () => {},
    sendWindowAdjust: () => {},
    congested: false,
    whenRoom: () => {},
    stalled: () => {},
    ahead: 0,
    memory: new ChunkMemory(),
    released: (channel) => void table.release(channel),
    x11: () => {
      throw new Error("There is no X11 here");
    },
  };
  const confirm = ({ id, type, window }: Opening): ChannelCore => {
    const core = new ChannelCore(host, {
      ...{ type, id, remoteId: id, extra: new Uint8Array(0), openedBy: "us" },
      ...{ sendWindow: 1, maxSend: 1, maxReceive: 1, receiveWindow: window, budget: null },
    });
    table.opened(id, core);
    return core;
  };
  return { table, given, confirm, windows: () => windows };
}

Deno.test("Numbers count from 0, and a free one is used before a new one", () => {
  const { table, given, confirm } = tableOf();
  const openings = [0, 1, 2].map(() => table.add("x"));
  assertEquals(openings.map(({ id, window, type }) => [id, window, type]), [
    [0, 1, "x"],
    [1, 2, "x"],
    [2, 3, "x"],
  ]);
  assertEquals([openings[0]!.abandoned, table.count, table.busy], [false, 3, true]);
  const core = confirm(openings[1]!);
  assertEquals([table.find(1) === core, table.get(1) === core, table.count], [true, true, 3]);
  assertEquals([...table.open()], [core]);
  core.receiveClose(); // the window of a channel that was open is its own
  assertEquals([table.count, given, table.find(1)], [2, [], null]);
  assertEquals(table.add("y").id, 1);
  table.release(openings[2]!);
  assertEquals([given, table.count], [[3], 2]);
  assertEquals([table.add("z").id, table.add("z").id], [2, 3]);
});

Deno.test("A number that has a new owner is not released by the old one", () => {
  const { table, given, confirm } = tableOf();
  const first = table.add("x");
  assertEquals([table.release(first), table.release(first)], [true, false]);
  assertEquals([given, table.count], [[1], 0]);
  const second = confirm(table.add("x"));
  table.release(first);
  assertEquals([table.find(0) === second, table.count, given], [true, 1, [1]]);
  second.receiveClose();
  const third = table.add("x");
  second.abort(() => new Error("again"));
  assertEquals([table.opening(0) === third, table.count], [true, 1]);
  assertEquals([table.add("x").id, table.add("x").id], [1, 2]);
});

Deno.test("A channel is found only once it is open, and answered only while it is being opened", () => {
  const { table, confirm } = tableOf();
  for (const id of [0, 7]) {
    assertThrows(() => table.get(id), ProtocolError, `channel ${id}, which is not open`);
    assertThrows(() => table.opening(id), ProtocolError, `channel ${id}, which is not being`);
    assertEquals(table.find(id), null);
  }
  const opening = table.add("x");
  assertEquals([table.opening(0) === opening, table.find(0), [...table.open()]], [true, null, []]);
  assertThrows(() => table.get(0), ProtocolError);
  const core = confirm(opening);
  assertThrows(() => table.opening(0), ProtocolError);
  core.receiveClose();
  assertThrows(() => table.get(0), ProtocolError);
  assertThrows(() => table.opening(0), ProtocolError);
});

Deno.test("A table is busy with what is being opened, or open at both ends", () => {
  const { table, confirm } = tableOf();
  assertEquals(table.busy, false);
  const core = confirm(table.add("x"));
  assertEquals(table.busy, true);
  core.abort(() => new Error("over"));
  assertEquals([table.busy, table.count], [false, 1]);
  table.add("y");
  assertEquals(table.busy, true);
});

Deno.test("A table has MAX_CHANNELS channels at most; one too many takes no window", () => {
  const { table, windows } = tableOf();
  const openings = Array.from({ length: MAX_CHANNELS }, () => table.add("x"));
  const error = assertThrows(() => table.add("x"), ChannelOpenError, `at most ${MAX_CHANNELS}`);
  assertEquals([error.reason, table.count, windows()], [4, MAX_CHANNELS, MAX_CHANNELS]);
  table.release(openings[5]!);
  assertEquals(table.add("x").id, 5);
  assertThrows(() => table.add("x"), ChannelOpenError);
});

Deno.test("The failure of a connection fails what is open and being opened, and empties the table", async () => {
  const { table, confirm } = tableOf();
  const core = confirm(table.add("x"));
  const [opening, freed] = [table.add("y"), table.add("z")];
  table.release(freed);
  table.fail(new Error("lost"));
  await assertRejects(() => opening.promise.promise, Error, "lost");
  await assertRejects(() => core.closed, Error, "lost");
  assertEquals([table.count, table.busy, [...table.open()]], [0, false, []]);
  table.release(opening);
  assertEquals(table.add("x").id, 0);
});
