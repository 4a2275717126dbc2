/** The channel that replaces a lost one, and what the lost one still sends. */
import { assertEquals, assertRejects } from "@std/assert";
import { type SftpChannel, SftpError } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { DATA } from "./lossy_server.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo, RawPeer, status } from "./raw.ts";
import { channelPair, turn } from "./world.ts";

/** A channel that ends with its VERSION. */
function brief(): SftpChannel {
  return {
    ...channelPair()[0],
    async consume(take) {
      await turn();
      take(msg.encodeVersion(FXP.VERSION, 3));
    },
  };
}

Deno.test("a request is not sent on a channel that has ended with its VERSION", async () => {
  const first = channelTo(() => {});
  let asked = 0;
  const third = channelTo(({ id }, peer) => {
    asked++;
    return peer.send(status(id, 0));
  });
  const gate = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<void>();
  let channels = 1;
  const reopen = async () => {
    if (++channels === 2) return brief();
    lost.resolve();
    await gate.promise;
    return third.channel;
  };
  const session = await ClientSession.open(first.channel, { reopen });
  await first.peer.channel.close();
  await lost.promise;
  await turn();
  // A request that is never repeated.
  const fields = { request: "once", data: new Uint8Array(0) };
  const call = { operation: "once", path: null };
  const asking = session.request(msg.Extended, fields, msg.Status, call);
  gate.resolve();
  await asking;
  assertEquals([asked, channels], [1, 3]);
  await session.close();
});

Deno.test("late answers on a lost channel do not count, and its end is no further loss", async () => {
  const [near, far] = channelPair();
  const broken: SftpChannel = {
    ...near,
    writeAll: (...chunks) =>
      chunks[0]![4] === FXP.INIT
        ? near.writeAll(...chunks)
        : Promise.reject(new Error("only this direction")),
    close: () => Promise.resolve(), // it is still read
  };
  const gate = Promise.withResolvers<void>();
  let channels = 1;
  const attributes = (id: number, size: number) => msg.Attrs.encode(id, { attributes: { size } });
  const reopen = async () => {
    channels++;
    await gate.promise;
    return channelTo(({ id }, peer) => peer.send(attributes(id, 2))).channel;
  };
  const opening = ClientSession.open(broken, { reopen });
  const old = new RawPeer(far);
  await old.send(msg.encodeVersion(FXP.VERSION, 3));
  const session = await opening;
  const call = { operation: "stat", path: "/a" };
  const asking = session.request(msg.Stat, { path: "/a" }, msg.Attrs, call);
  while (channels < 2) await turn();
  await old.send(attributes(1, 1));
  await turn();
  await far.close();
  await turn();
  gate.resolve();
  assertEquals([(await asking).attributes.size, channels], [2, 2]);
  await session.close();
});

Deno.test("a first channel that is lost before its VERSION is not replaced", async () => {
  const [near, far] = channelPair();
  let reopened = 0;
  const reopen = () => {
    reopened++;
    return Promise.resolve(null);
  };
  const failed = assertRejects(() => ClientSession.open(near, { reopen }), SftpError);
  await far.close();
  await failed;
  assertEquals(reopened, 0);
});

Deno.test("a channel that opens after the end of its session is closed", async () => {
  const first = channelTo((_, peer) => peer.channel.close());
  const late = channelTo(() => {});
  let [closes, lostCloses] = [0, 0];
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reopen = async () => {
    asked.resolve();
    await gate.promise;
    return { ...late.channel, close: () => (closes++, late.channel.close()) };
  };
  const close = () => (lostCloses++, first.channel.close());
  const session = await ClientSession.open({ ...first.channel, close }, { reopen });
  const call = { operation: "stat", path: "/a" };
  const asking = session.request(msg.Stat, { path: "/a" }, msg.Attrs, call);
  const failing = assertRejects(() => asking, Error, "SFTP session is closed");
  await asked.promise;
  await session.close();
  await failing;
  gate.resolve();
  await turn();
  assertEquals([closes, lostCloses], [1, 1]);
});

Deno.test("a file is reopened once after a channel that has ended with its VERSION", async () => {
  const server = new MemoryServer();
  server.add("/a", DATA);
  const first = channelTo(server.answer);
  const next = [brief(), channelTo(server.answer).channel];
  const reopen = () => Promise.resolve(next.shift()!);
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "open", path: "/a" };
  const file = await session.open("/a", FXF.READ, {}, call);
  await first.peer.channel.close();
  await session.request(msg.Fstat, file, msg.Attrs, call, file);
  await session.command(msg.Close, file, call, file);
  const opened = server.log.filter((line) => line.startsWith("OPEN "));
  assertEquals([opened.length, server.open, next.length], [2, 1, 0]);
  await session.close();
});
