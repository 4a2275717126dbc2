/** Servers that run a program and never answer the request for it, as some devices do. */
import { assertEquals, assertRejects } from "@std/assert";
import { ClosedError, RequestDeniedError } from "../../lib/errors.ts";
import { startProcess } from "../../lib/session/command.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { data, openChannel } from "../connection/raw_channel.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { FakeTime } from "../support/fake_time.ts";

/** A command on a channel of number `id`, which the raw end has been asked for. */
async function asked(world: RawWorld) {
  const channel = await openChannel(world);
  const starting = startProcess(channel, { kind: "exec", command: "x" }, {
    stdin: "null",
    pty: true,
  });
  for (let i = 0; i < 2; i++) await world.raw.next(MSG.CHANNEL_REQUEST);
  return { id: channel.id, starting };
}

function exit(recipient: number, code: number): Uint8Array {
  const status = new Writer().u32(code).take();
  return m.ChannelRequest.encode({
    recipient,
    type: "exit-status",
    wantReply: false,
    data: status,
  });
}

for (const last of ["exit status", "none"] as const) {
  Deno.test(`A command whose request is never answered gives its output (exit: ${last})`, async () => {
    await using world = await rawWorld("client");
    const { id, starting } = await asked(world);
    world.raw.send(data(id, 5));
    if (last === "exit status") world.raw.send(exit(id, 3));
    world.raw.send(m.ChannelClose.encode({ recipient: id }));
    await using process = await starting;
    const { code, stdout } = await process.output();
    assertEquals([code, stdout.length], [last === "none" ? null : 3, 5]);
  });
}

Deno.test("A command without answer that goes on is read after a moment", async () => {
  await using world = await rawWorld("client");
  using time = new FakeTime();
  const { id, starting } = await asked(world);
  world.raw.send(data(id, 5));
  const process = await time.settle(starting);
  assertEquals((await process.channel.readChunk())!.length, 5);
  world.raw.send(exit(id, 0));
  world.raw.send(m.ChannelClose.encode({ recipient: id }));
  assertEquals((await process.status).code, 0);
});

Deno.test("Answers that come in the same read as the exit count", async () => {
  await using world = await rawWorld("client");
  const { id, starting } = await asked(world);
  world.raw.send(m.ChannelFailure.encode({ recipient: id }));
  world.raw.send(m.ChannelSuccess.encode({ recipient: id }));
  world.raw.send(data(id, 5));
  world.raw.send(exit(id, 0));
  world.raw.send(m.ChannelClose.encode({ recipient: id }));
  await assertRejects(() => starting, RequestDeniedError, "pty-req");
});

Deno.test("A channel that is closed without an answer or output has run nothing", async () => {
  await using world = await rawWorld("client");
  const { id, starting } = await asked(world);
  world.raw.send(m.ChannelClose.encode({ recipient: id }));
  await assertRejects(() => starting, ClosedError);
});
