import { assert, assertEquals, assertRejects } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import {
  localFiles,
  serveSftp,
  type SftpChannel,
  SftpClient,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { FakeTime } from "../support/fake_time.ts";
import { atServer, handle, type RawMessage, status } from "./raw.ts";
import { channelPair, folder, noise, refusal, same } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const attrs = (id: number) => msg.Attrs.encode(id, { attributes: { size: id, mode: 0o040755 } });

Deno.test("a request that is never answered fails after the time-out", async () => {
  using time = new FakeTime();
  const sftp = await atServer(() => {}, { timeout: 30 });
  const error = await assertRejects(() => time.settle(sftp.stat("/x")), SftpError);
  assertEquals(error.status, SftpStatus.CONNECTION_LOST);
  assertEquals(plainMessage(error), 'Cannot stat "/x" on the server: no answer in 30 ms');
  await sftp.close();
});

Deno.test("a server that never sends VERSION fails after the time-out", async () => {
  using time = new FakeTime();
  const [near] = channelPair();
  const opening = time.settle(SftpClient.open(near, { timeout: 20 }));
  const error = await assertRejects(() => opening, SftpError);
  assertEquals(error.status, SftpStatus.CONNECTION_LOST);
});

Deno.test("waiting for VERSION can be aborted", async () => {
  const [near] = channelPair();
  const controller = new AbortController();
  const opening = SftpClient.open(near, { signal: controller.signal });
  controller.abort();
  await assertRejects(() => opening, DOMException);
});

Deno.test("silence fails all pending requests after one time-out, not one by one", async () => {
  using time = new FakeTime();
  const sftp = await atServer(() => {}, { timeout: 100 });
  const waiting = Array.from({ length: 20 }, (_, index) => sftp.stat(`/${index}`));
  const refused = waiting.map((promise) => assertRejects(() => promise, SftpError));
  await time.settle(Promise.all(refused));
  assertEquals(time.now, 100);
  await sftp.close();
});

Deno.test("a session has one timer, which is set for the earliest time-out", async () => {
  using time = new FakeTime();
  const sftp = await atServer(() => {}, { timeout: 1000 });
  const late = (timeout: number) =>
    assertRejects(() => sftp.stat("/x", { timeout }), SftpError, `no answer in ${timeout} ms`);
  const [first, second] = [late(1000), late(10)];
  await time.advance(9);
  assertEquals(time.timers, 1);
  await time.advance(1);
  await second;
  assertEquals(time.timers, 1);
  await time.advance(990);
  await first;
  assertEquals(time.timers, 0);
  await sftp.close();
});

Deno.test("a request that starves while others are answered also times out", async () => {
  using time = new FakeTime();
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.LSTAT) await peer.send(attrs(id));
  }, { timeout: 500 });
  const starved = assertRejects(() => sftp.stat("/starved"), SftpError);
  // An answer every 100 ms, so none waits long.
  for (let fed = 0; fed < 5; fed++) {
    assertEquals((await sftp.lstat("/fed")).isFile, false);
    await time.advance(100);
  }
  assertEquals((await starved).status, SftpStatus.CONNECTION_LOST);
  assertEquals((await sftp.lstat("/fed")).isFile, false);
  await sftp.close();
});

Deno.test("requests that wait for earlier ones do not time out", async () => {
  using time = new FakeTime();
  const waiting: RawMessage[] = [];
  const sftp = await atServer((request) => void waiting.push(request), { timeout: 1000 });
  const requests = Array.from({ length: 6 }, (_, index) => sftp.stat(`/${index}`));
  // One answer every 300 ms: the last arrives long after a second.
  for (let served = 0; served < requests.length; served++) {
    await time.advance(300);
    await sftp.server.send(attrs(waiting[served]!.id));
    assertEquals((await requests[served]!).size, waiting[served]!.id);
  }
  await sftp.close();
});

Deno.test("an aborted request rejects immediately, and its late answer is dropped", async () => {
  const waiting: RawMessage[] = [];
  const asked = Promise.withResolvers<void>();
  const sftp = await atServer((request, peer) => {
    if (request.type === FXP.LSTAT) return peer.send(attrs(request.id));
    waiting.push(request);
    asked.resolve();
  });
  const abort = new AbortController();
  const stat = sftp.stat("/x", { signal: abort.signal });
  await asked.promise;
  abort.abort(new Error("changed my mind"));
  await assertRejects(() => stat, Error, "changed my mind");
  await sftp.server.send(attrs(waiting[0]!.id));
  assertEquals((await sftp.lstat("/y")).isFile, false);
  await sftp.close();
});

Deno.test("a handle received after its open was aborted is closed", async () => {
  const opened = Promise.withResolvers<number>();
  const closed = Promise.withResolvers<Uint8Array>();
  let closes = 0;
  const sftp = await atServer(({ type, id, body }, peer) => {
    if (type === FXP.OPEN) return opened.resolve(id);
    if (type === FXP.LSTAT) return peer.send(attrs(id));
    closes++;
    closed.resolve(msg.Close.decode(body).handle);
    return peer.send(status(id, 0));
  });
  const abort = new AbortController();
  const opening = sftp.open("/x", { signal: abort.signal });
  const id = await opened.promise;
  abort.abort();
  await assertRejects(() => opening, DOMException);
  await sftp.server.send(msg.Handle.encode(id, { handle }));
  assertEquals(await closed.promise, handle);
  await sftp.server.send(msg.Handle.encode(id, { handle })); // a second answer is ignored
  await sftp.lstat("/y");
  assertEquals(closes, 1);
  await sftp.close();
});

Deno.test("data of an aborted read is not written to the caller's buffer", async () => {
  const reading = Promise.withResolvers<number>();
  const sftp = await atServer(({ type, id }, peer) => {
    if (type === FXP.OPEN) return peer.send(msg.Handle.encode(id, { handle }));
    if (type === FXP.READ) return reading.resolve(id);
    return peer.send(type === FXP.LSTAT ? attrs(id) : status(id, 0));
  });
  const file = await sftp.open("/x");
  const abort = new AbortController();
  const memory = new Uint8Array(100);
  const read = file.read(memory, { signal: abort.signal });
  const id = await reading.promise;
  const data = msg.Data.encode(id, { data: new Uint8Array(100).fill(1) });
  await sftp.server.send(data.subarray(0, 50)); // the first half fits
  while (memory[0] === 0) await sftp.server.channel.writeAll(new Uint8Array(0));
  const filled = memory.lastIndexOf(1);
  abort.abort();
  await assertRejects(() => read, DOMException);
  await sftp.server.send(data.subarray(50));
  await sftp.lstat("/y");
  assertEquals(memory.lastIndexOf(1), filled);
  await sftp.close();
});

Deno.test("data that answers another request than a READ is malformed, and fails that request only", async () => {
  for (const length of [0, 5]) {
    const sftp = await atServer(({ type, id }, peer) =>
      peer.send(
        type === FXP.LSTAT ? attrs(id) : msg.Data.encode(id, { data: new Uint8Array(length) }),
      )
    );
    const error = await assertRejects(() => sftp.stat("/x"), SftpError);
    assertEquals([length, error.status], [length, SftpStatus.BAD_MESSAGE]);
    assertEquals(plainMessage(error).includes("Answer of the wrong type 103"), true);
    assertEquals((await sftp.lstat("/y")).isFile, false);
    await sftp.close();
  }
});

Deno.test("thousands of aborted requests without an answer end the session", async () => {
  const sftp = await atServer(() => {}, { limit: 1 << 20 });
  let failures = 0;
  for (let i = 0; i < 4200; i++) {
    const abort = new AbortController();
    const stat = sftp.stat("/x", { signal: abort.signal });
    abort.abort();
    await assertRejects(() => stat).then(() => failures++);
  }
  assertEquals(failures, 4200);
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.CONNECTION_LOST);
  await sftp.close();
});

Deno.test("close waits a moment for answers, and rejects the unanswered requests", async () => {
  const sftp = await atServer(({ type, id }, peer) => {
    if (type === FXP.LSTAT) return peer.send(attrs(id));
  });
  const [answered, unanswered] = [sftp.lstat("/x"), sftp.stat("/y")];
  const rejected = assertRejects(() => unanswered, Error, "SFTP session is closed");
  await sftp.close();
  await rejected;
  assertEquals((await answered).isFile, false);
});

Deno.test("close ends even if the server never hangs up", async () => {
  using time = new FakeTime();
  const [near, far] = channelPair();
  const opening = SftpClient.open(near);
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const sftp = await opening;
  await time.settle(sftp.close());
  await assertRejects(() => sftp.stat("/"), Error, "closed");
});

Deno.test("bursts of requests leave in one write", async () => {
  const [near, far] = channelPair();
  let writes = 0;
  const counting = {
    ...near,
    writeAll(...chunks: Uint8Array[]) {
      writes++;
      return near.writeAll(...chunks);
    },
  };
  const opening = SftpClient.open(counting);
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const sftp = await opening;
  const before = writes;
  const waiting = Array.from({ length: 50 }, () => sftp.stat("/").catch(() => {}));
  await far.readChunk();
  await far.readChunk();
  assertEquals(writes - before, 1);
  await far.close();
  await Promise.all(waiting);
  await sftp.close();
});

Deno.test("an error of the channel is the cause for all pending requests", async () => {
  const [near, far] = channelPair();
  const broken = new Error("cable cut");
  let cut = false;
  const opening = SftpClient.open({
    ...near,
    writeAll: (...chunks) => cut ? Promise.reject(broken) : near.writeAll(...chunks),
  });
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const sftp = await opening;
  cut = true;
  const error = await assertRejects(() => sftp.stat("/"), SftpError);
  assertEquals(error.status, SftpStatus.CONNECTION_LOST);
  assertEquals(error.cause, broken);
  await sftp.close();
});

Deno.test("a channel with consume() carries every message in any chunks", async () => {
  for (const most of [1, 7, 13, 100, 40_000]) {
    const server = await folder();
    const [near, far] = channelPair();
    const served = serveSftp(far, localFiles({ root: server.path }));
    const sftp = await SftpClient.open({ ...near, consume: (take) => inPieces(near, most, take) });
    const data = noise(most < 10 ? 3000 : 300_000, most);
    await Deno.writeFile(`${server.path}/file`, data);
    assert(same(await sftp.readFile("/file"), data));
    await using here = await folder();
    await sftp.get("/file", `${here.path}/file`);
    assert(same(await Deno.readFile(`${here.path}/file`), data));
    assertEquals((await Array.fromAsync(sftp.readDir("/"))).length, 1);
    await sftp.close();
    await served;
    await server[Symbol.asyncDispose]();
  }
});

/** Passes on at most this many bytes at a time, in a reused buffer. */
async function inPieces(
  channel: SftpChannel,
  most: number,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  const memory = new Uint8Array(most);
  for (let chunk; (chunk = await channel.readChunk()) !== null;) {
    for (let at = 0; at < chunk.length; at += most) {
      const piece = chunk.subarray(at, at + most);
      memory.set(piece);
      take(memory.subarray(0, piece.length));
    }
  }
}
