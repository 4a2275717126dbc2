import { assertEquals, assertRejects } from "@std/assert";
import { SFTP_IN_FLIGHT } from "../../lib/defaults.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { OpenHandle } from "../../lib/sftp/remote/open_handle.ts";
import { SendWindow } from "../../lib/sftp/remote/send_window.ts";
import { channelTo, status } from "./raw.ts";
import { turn } from "./world.ts";

const KIB = 1024;

Deno.test("nothing limits what is in flight before a loss, nor after one that cost less than was answered", () => {
  const window = new SendWindow();
  window.sent(100 * KIB);
  window.answered(60 * KIB);
  window.lost();
  window.sent(SFTP_IN_FLIGHT);
  assertEquals([window.isOpen, window.largest], [true, Infinity]);
});

Deno.test("a loss of as much as was answered does not limit the next channel", () => {
  const window = new SendWindow();
  window.sent(128 * KIB);
  window.answered(64 * KIB);
  window.lost();
  assertEquals(window.largest, Infinity);
});

Deno.test("each loss of more than was answered halves the window, down to 4 KiB", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  for (const size of [32, 16, 8, 4, 4]) {
    window.lost();
    assertEquals(window.largest, size * KIB / 2);
    window.sent(size * KIB - 1);
    assertEquals(window.isOpen, true);
    window.sent(2 * KIB);
    assertEquals(window.isOpen, false);
  }
});

Deno.test("the window grows by what is answered, and the next channel starts as this one", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  window.lost();
  window.sent(32 * KIB);
  assertEquals(window.isOpen, false);
  window.answered(32 * KIB);
  assertEquals(window.largest, 32 * KIB);
  window.sent(30 * KIB);
  window.lost();
  assertEquals(window.largest, 16 * KIB);
});

Deno.test("a window that has grown beyond what a transfer may have in flight limits no longer", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  window.lost();
  window.sent(SFTP_IN_FLIGHT);
  window.answered(SFTP_IN_FLIGHT - 32 * KIB);
  assertEquals(window.largest, SFTP_IN_FLIGHT / 2);
  window.answered(1);
  assertEquals(window.largest, Infinity);
  window.lost();
  assertEquals(window.largest, Infinity);
});

/**
 * Offset and length of each WRITE on the second channel, and the numbers of other requests; the first channel
 * was lost with `lost` WRITEs of 64 KiB.
 */
async function afterLoss(lost: number) {
  const first = channelTo(() => {}, { limit: 1 << 20 });
  const sent: { id: number; offset: number; length: number }[] = [];
  const others: number[] = [];
  const second = channelTo(({ id, type, body }) => {
    if (type !== FXP.WRITE) return void others.push(id);
    const { offset, data } = msg.Write.decode(body);
    sent.push({ id, offset: Number(offset) / KIB, length: data.length / KIB });
  }, { limit: 1 << 20 });
  const reopen = () => Promise.resolve(second.channel);
  const session = await ClientSession.open(first.channel, { reopen });
  const write = (flags: number, offset: number, length: number, signal?: AbortSignal) =>
    session.write(new OpenHandle("/x", flags), offset * KIB, new Uint8Array(length * KIB), {
      operation: "write",
      path: "/x",
      signal,
    });
  const writing = Array.from({ length: lost }, (_, at) => write(FXF.WRITE, 64 * at, 64));
  await first.peer.channel.close();
  const ok = async (id: number) => await second.peer.send(status(id, 0));
  const answer = async (at: number) => await ok(sent[at]!.id);
  return { session, sent, others, write, writing, ok, answer };
}

Deno.test("a WRITE that is sent in parts is complete before the next one begins", async () => {
  const { session, sent, writing, answer } = await afterLoss(3);
  while (sent.length < 2) await turn();
  await answer(0);
  while (sent.length < 4) await turn();
  await answer(1);
  while (sent.length < 5) await turn();
  assertEquals(sent.map(({ offset, length }) => [offset, length]), [
    [0, 48],
    [64, 48],
    [48, 16],
    [128, 64],
    [112, 16],
  ]);
  for (const at of [2, 3, 4]) await answer(at);
  await Promise.all(writing);
  await session.close();
});

Deno.test("an appending WRITE has one part, since others could come between its parts", async () => {
  const { session, sent, write, writing, answer } = await afterLoss(1);
  while (sent.length < 1) await turn();
  const appending = write(FXF.WRITE | FXF.APPEND, 0, 64);
  for (let at = 0; at < 3; at++) {
    while (sent.length <= at) await turn();
    await answer(at);
  }
  await Promise.all([...writing, appending]);
  assertEquals(sent.map(({ length }) => length), [16, 64, 48]);
  await session.close();
});

Deno.test("a request that is aborted while it waits for the window does not hold up the next one", async () => {
  const { session, sent, write, writing, answer } = await afterLoss(2);
  while (sent.length < 2) await turn();
  const abort = new AbortController();
  const aborted = assertRejects(() => write(FXF.WRITE, 128, 8, abort.signal), Error, "enough");
  const next = write(FXF.WRITE, 192, 8);
  abort.abort(new Error("enough"));
  await aborted;
  await answer(0);
  for (let turns = 0; turns < 10; turns++) await turn();
  assertEquals(sent.map(({ offset }) => offset), [0, 64, 32, 192]);
  for (const at of [1, 2, 3]) await answer(at);
  while (sent.length < 5) await turn();
  await answer(4);
  await Promise.all([...writing, next]);
  await session.close();
});

Deno.test("requests without data take nothing of the window, and wait for it if it is full", async () => {
  const { session, sent, others, write, writing, ok, answer } = await afterLoss(1);
  while (sent.length < 1) await turn();
  const call = { operation: "remove", path: "/x" };
  const remove = () => session.command(msg.Remove, { path: "/x" }, call);
  const all = [...writing, write(FXF.WRITE, 64, 16 - 1 / KIB)]; // one byte is left
  all.push(remove(), remove(), write(FXF.WRITE, 128, 1), remove());
  for (let turns = 0; turns < 10; turns++) await turn();
  assertEquals([sent.map(({ offset }) => offset), others.length], [[0, 64, 128], 2]);
  for (const id of others) await ok(id);
  for (let at = 0; at < 5; at++) {
    while (sent.length <= at) await turn();
    await answer(at);
  }
  while (others.length < 3) await turn();
  await ok(others[2]!);
  await Promise.all(all);
  await session.close();
});

Deno.test("the answer to an aborted request makes room in the window", async () => {
  const { session, sent, write, writing, answer } = await afterLoss(1);
  while (sent.length < 1) await turn();
  const abort = new AbortController();
  const aborted = assertRejects(() => write(FXF.WRITE, 64, 16, abort.signal), Error, "enough");
  const next = write(FXF.WRITE, 128, 1);
  while (sent.length < 2) await turn();
  abort.abort(new Error("enough"));
  await aborted;
  for (let turns = 0; turns < 10; turns++) await turn();
  assertEquals(sent.length, 2); // the server may still execute it
  await answer(1);
  while (sent.length < 3) await turn();
  assertEquals(sent[2]!.offset, 128);
  for (const at of [0, 2, 3]) {
    while (sent.length <= at) await turn();
    await answer(at);
  }
  while (sent.length < 5) await turn();
  await answer(4);
  await Promise.all([...writing, next]);
  await session.close();
});
