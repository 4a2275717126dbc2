/** A channel shaped as a connection of Deno's. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ClosedError } from "@denossh/ssh";
import { ChannelConn } from "../../lib/forward/tunnel_conn.ts";
import { sessionPair } from "../connection/session_pair.ts";
import { decode, encode } from "./world.ts";

const here: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
const there: Deno.NetAddr = { transport: "tcp", hostname: "192.0.2.1", port: 2 };

Deno.test("A channel's connection has its addresses, reads, writes and ends one direction", async () => {
  await using pair = await sessionPair();
  const conn = new ChannelConn(pair.client, here, there);
  assertEquals([conn.localAddr, conn.remoteAddr], [here, there]);
  assertEquals(await conn.write(encode("question")), 8);
  await conn.closeWrite();
  assertEquals(decode(await pair.server.readAll()), "question");
  await pair.server.writeAll(encode("answer"));
  const buffer = new Uint8Array(10);
  assertEquals(decode(buffer.subarray(0, (await conn.read(buffer))!)), "answer");
});

Deno.test("A connection has one writable, which writes everything and whose close is EOF", async () => {
  await using pair = await sessionPair({ window: 1_024 });
  const conn = new ChannelConn(pair.client, here, there);
  assertStrictEquals(conn.writable, conn.writable);
  assertStrictEquals(conn.readable, conn.readable);
  const writer = conn.writable.getWriter();
  const written = writer.write(new Uint8Array(5_000)).then(() => writer.close());
  assertEquals((await pair.server.readAll()).length, 5_000);
  await written;
  assert(pair.client.isOpen);
  await pair.server.writeAll(encode("still open"));
  const { value } = await conn.readable.getReader().read();
  assertEquals(decode(value!), "still open");
});

Deno.test("Aborting a connection's writable closes the channel with the reason", async () => {
  await using pair = await sessionPair();
  const conn = new ChannelConn(pair.client, here, there);
  const reason = new Error("enough");
  const reading = assertRejects(() => conn.read(new Uint8Array(1)));
  await conn.writable.abort(reason);
  assertStrictEquals(await reading, reason);
  await pair.server.closed;
});

const ends: [string, (conn: ChannelConn) => void | Promise<void>][] = [
  ["closed", (conn) => conn.close()],
  ["disposed", (conn) => conn[Symbol.dispose]()],
  ["asynchronously disposed", (conn) => conn[Symbol.asyncDispose]()],
];
for (const [what, end] of ends) {
  Deno.test(`A ${what} connection rejects what is under way, and can be closed again`, async () => {
    await using pair = await sessionPair();
    const conn = new ChannelConn(pair.client, here, there);
    const reading = assertRejects(
      () => conn.read(new Uint8Array(1)),
      ClosedError,
      "The connection is closed",
    );
    await end(conn);
    await reading;
    await pair.server.closed;
    conn.close();
  });
}
