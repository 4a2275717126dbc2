/** Servers that run a program without answering its request, like some devices. */
import { assertEquals, assertRejects } from "@std/assert";
import { ClosedError, RequestDeniedError } from "../../lib/errors.ts";
import { startProcess } from "../../lib/session/command.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { data, openChannel } from "../connection/raw_channel.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { FakeTime } from "../support/fake_time.ts";

/** A command on channel number `id`, whose request the raw end has received. */
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
  Deno.test(`A command whose request is never answered returns its output (exit: ${last})`, async () => {
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

Deno.test("A running command without an answer is read after a moment", async () => {
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

Deno.test("Answers that arrive together with the exit are used", async () => {
  await using world = await rawWorld("client");
  const { id, starting } = await asked(world);
  world.raw.send(m.ChannelFailure.encode({ recipient: id }));
  world.raw.send(m.ChannelSuccess.encode({ recipient: id }));
  world.raw.send(data(id, 5));
  world.raw.send(exit(id, 0));
  world.raw.send(m.ChannelClose.encode({ recipient: id }));
  await assertRejects(() => starting, RequestDeniedError, "pty-req");
});

Deno.test("A channel closed without an answer or output counts as not started", async () => {
  await using world = await rawWorld("client");
  const { id, starting } = await asked(world);
  world.raw.send(m.ChannelClose.encode({ recipient: id }));
  await assertRejects(() => starting, ClosedError);
});
