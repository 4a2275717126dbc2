/** Requests of a session of the client, and the meaning of their answers. */
import { assertEquals, assertRejects } from "@std/assert";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { OpenHandle } from "../../lib/sftp/remote/open_handle.ts";
import { channelTo, handle, RawPeer, status } from "./raw.ts";
import { channelPair, turn } from "./world.ts";

const call = { operation: "stat", path: "/x" };

Deno.test("an extension that the server does not announce is not requested", async () => {
  let asked = 0;
  const { channel } = channelTo(({ id }, peer) => {
    asked++;
    return peer.send(status(id, 0));
  }, { extensions: [["other", "1"]] });
  const session = await ClientSession.open(channel, {});
  const request = session.extended("copy-data", new Uint8Array(0), msg.Status, call);
  const error = await assertRejects(() => request, SftpError);
  assertEquals([error.status, asked], [SftpStatus.OP_UNSUPPORTED, 0]);
  await session.close();
});

Deno.test("an extended answer that cannot be decoded is malformed, and fails that request only", async () => {
  const { channel } = channelTo(
    ({ id, type }, peer) =>
      peer.send(
        type === FXP.EXTENDED
          ? msg.ExtendedReply.encode(id, { data: new Uint8Array(3) })
          : status(id, 0),
      ),
    { extensions: [[EXTENSION.LIMITS, "1"]] },
  );
  const session = await ClientSession.open(channel, {});
  const request = session.extendedReply(EXTENSION.LIMITS, new Uint8Array(0), msg.Limits, call);
  const error = await assertRejects(() => request, SftpError, "the server's answer is malformed");
  assertEquals(error.status, SftpStatus.BAD_MESSAGE);
  await session.command(msg.Remove, { path: "/x" }, call);
  await session.close();
});

Deno.test("a started session has the extensions of another one until the server sends its own", async () => {
  const [near, far] = channelPair();
  const session = ClientSession.start(near, 1000, new Map([["copy-data", "1"]]));
  const copying = session.extended("copy-data", new Uint8Array(0), msg.Status, call);
  const server = new RawPeer(far);
  assertEquals([(await server.next())!.type, (await server.next())!.type], [
    FXP.INIT,
    FXP.EXTENDED,
  ]);
  await server.send(msg.encodeVersion(FXP.VERSION, 3, [["other", "1"]]), status(1, 0));
  await copying;
  assertEquals([...session.extensions.keys()], ["other"]);
  await far.close();
  await session.close();
});

Deno.test("OK instead of names is an empty list", async () => {
  const { channel } = channelTo(({ id }, peer) => peer.send(status(id, SftpStatus.OK)));
  const session = await ClientSession.open(channel, {});
  assertEquals(await session.request(msg.Readdir, { handle }, msg.Name, call), { entries: [] });
  await session.close();
});

Deno.test("a write that the channel has not taken is released when the session ends", async () => {
  const [near, far] = channelPair();
  const channel = {
    ...near,
    writeAll: (...chunks: Uint8Array[]) =>
      chunks[0]![4] === FXP.INIT ? near.writeAll(...chunks) : new Promise<void>(() => {}),
  };
  const opening = ClientSession.open(channel, {});
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const session = await opening;
  const file = new OpenHandle("/x", FXF.WRITE);
  let sent = 0;
  const write = () => session.write(file, 0, new Uint8Array(1), call, () => void sent++);
  const failed = [assertRejects(write, SftpError)];
  await turn();
  failed.push(assertRejects(write, SftpError)); // waits for the first
  assertEquals(sent, 0);
  await far.close();
  await Promise.all(failed);
  assertEquals(sent, 1); // the memory of the first is still being read
});

Deno.test("answered and refused requests listen to their signal no longer", async () => {
  const { channel } = channelTo(({ id, type }, peer) =>
    peer.send(status(id, type === FXP.REMOVE ? SftpStatus.OK : SftpStatus.FAILURE))
  );
  const session = await ClientSession.open(channel, {});
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  signal.addEventListener = (_: string, listener: unknown) => void listeners.add(listener);
  signal.removeEventListener = (_: string, listener: unknown) => void listeners.delete(listener);
  const limited = { ...call, signal };
  const removing = session.command(msg.Remove, { path: "/x" }, limited);
  assertEquals(listeners.size, 1);
  await removing;
  assertEquals(listeners.size, 0);
  await assertRejects(() => session.command(msg.Rmdir, { path: "/x" }, limited), SftpError);
  assertEquals(listeners.size, 0);
  await session.close();
});
