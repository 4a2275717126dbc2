/** `host.nodeSocket()`, used as database drivers use a Node socket. */
import { once } from "node:events";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelOpenError, DisconnectError, type NodeSocket } from "@denossh/ssh";
import { tempFolder } from "../support/temp.ts";
import { FakeTime } from "../support/fake_time.ts";
import { decode, echo, encode, sendAll, target, tunnelPair } from "../forward/world.ts";
import { freePort } from "../support/free_port.ts";

async function read(socket: NodeSocket): Promise<string> {
  return (await Array.fromAsync(socket, (chunk: Uint8Array) => decode(chunk))).join("");
}

Deno.test("Data written before a node socket has connected arrives, and EOF is passed on", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  assertEquals([socket.readyState, socket.connecting, socket.pending], ["opening", true, true]);
  assertEquals(socket.timeout, 0);
  socket.write("one ");
  socket.cork();
  for (const word of ["two ", "three ", "four"]) socket.write(word);
  socket.uncork();
  const closed = once(socket, "close");
  socket.once("ready", () => {
    assertEquals([socket.readyState, socket.connecting], ["open", false]);
    socket.end();
  });
  assertEquals(await read(socket), "one two three four");
  await closed;
  assertEquals([socket.readyState, socket.destroyed], ["closed", true]);
  assertEquals([socket.bytesRead, socket.bytesWritten], [18, 18]);
  const { port, hostname } = server;
  assertEquals([socket.remoteAddress, socket.remotePort], [hostname, port]);
});

Deno.test("connect() of a node socket calls back before and after the connection exists", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  for (let time = 0; time < 2; time++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    assertEquals(socket.connect(5432, "elsewhere", resolve), socket);
    await promise;
  }
  assertEquals(socket.setNoDelay(true).setKeepAlive(true).ref().unref(), socket);
  socket.destroySoon();
  await once(socket, "close");
});

Deno.test("A node socket closes when its server has ended, also on a unix socket", async () => {
  await using folder = await tempFolder();
  const path = folder.join("socket");
  using listener = Deno.listen({ transport: "unix", path });
  const served = listener.accept().then(async (conn) => {
    await sendAll(conn, encode("good-bye"));
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null); // the socket sends EOF by itself
    conn.close();
  });
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(path).connect(5432); // no listener is as well
  const closed = once(socket, "close");
  assertEquals(await read(socket), "good-bye");
  await Promise.all([closed, served]);
  assertEquals([socket.remoteAddress, socket.remotePort], [undefined, undefined]);
});

Deno.test("A node socket's error is the server's refusal, followed by close", async () => {
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(`127.0.0.1:${freePort()}`);
  const closed = Promise.withResolvers<void>();
  socket.once("close", () => closed.resolve());
  const { cause, code } = await assertRejects(() => once(socket, "connect"), Error, "refused") as
    & Error
    & { code?: string };
  assertEquals([cause instanceof ChannelOpenError, code], [true, "ECONNREFUSED"]);
  await closed.promise;
  assertEquals(socket.readyState, "closed");
  assertThrows(() => pair.host.nodeSocket("nonsense"), TypeError, "host:port");
});

Deno.test("Destroying a node socket closes its channel, or aborts opening it", async () => {
  const over = Promise.withResolvers<void>();
  await using server = target(async (conn) => {
    while (await conn.read(new Uint8Array(1024)) !== null);
    over.resolve();
  });
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  await once(socket, "connect");
  socket.resume();
  socket.destroy();
  await over.promise;
  const early = pair.host.nodeSocket(server.to);
  early.destroy();
  await once(early, "close");
  assertEquals(early.readyState, "closed");
});

Deno.test("The end of the SSH connection is an error of its node sockets", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  await once(socket, "connect");
  const failed = assertRejects(() => read(socket), Error, "Closed by the application");
  await pair.host.close();
  const { cause, code } = await failed as Error & { code?: string };
  assertEquals([cause instanceof DisconnectError, code], [true, "ECONNRESET"]);
});

Deno.test("A driver that has ended its node socket gets no error when the connection ends", async () => {
  await using server = target(async (conn) => {
    while (await conn.read(new Uint8Array(1024)) !== null);
    await pair.host.closed; // holds its own end open for as long as there is a connection
  });
  const pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  await once(socket, "connect");
  const closed = once(socket, "close"); // an error would be one of this
  socket.resume();
  socket.end("good-bye");
  await pair[Symbol.asyncDispose]();
  await closed;
});

Deno.test("A node socket without a reader slows its server down, and one with a reader gets all data", async () => {
  const bytes = 8 * 1024 * 1024;
  const sent = Promise.withResolvers<void>();
  let isSent = false;
  await using server = target(async (conn) => {
    await sendAll(conn, new Uint8Array(bytes).fill(7));
    isSent = true;
    sent.resolve();
    await conn.closeWrite();
  });
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  await once(socket, "readable");
  const [state] = [socket.readableLength <= 256 * 1024, isSent];
  assertEquals(state, true);
  let total = 0;
  for await (const chunk of socket) total += chunk.length;
  await sent.promise;
  assertEquals(total, bytes);
});

Deno.test("A node socket emits timeout without activity, and each activity restarts the time", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const socket = pair.host.nodeSocket(server.to);
  await once(socket, "connect");
  using time = new FakeTime();
  let times = 0;
  socket.setTimeout(1000, () => times++);
  await time.advance(999);
  socket.write("x");
  await once(socket, "data");
  await time.advance(999);
  assertEquals(times, 0);
  await time.advance(1);
  assertEquals(times, 1);
  socket.setTimeout(0);
  await time.advance(10_000);
  assertEquals(times, 1);
  socket.destroy();
});
