/** Connects a channel and a connection, both in memory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import { closeQuietly } from "../../lib/runtime/connections.ts";
import { splice } from "../../lib/forward/splice.ts";
import { notedListeners } from "../support/noted_listeners.ts";
import { sessionPair } from "../connection/session_pair.ts";
import { until } from "../connection/until.ts";
import { decode, encode } from "./world.ts";

const KIB = 1024;

/** A connection that a test feeds, and that records the calls. */
class FakeConn {
  /** The sizes of the read buffers. */
  readonly rooms: number[] = [];
  readonly written: Uint8Array[] = [];
  ended = false;
  closed = false;
  /** The most bytes that one write accepts. */
  most = Infinity;
  writeError: Error | null = null;
  readonly #fed: (Uint8Array | Error | null)[] = [];
  #waiting: PromiseWithResolvers<void> | null = null;

  /** Bytes, an error, or null for the end. */
  feed(...parts: (Uint8Array | Error | null)[]): void {
    this.#fed.push(...parts);
    this.#waiting?.resolve();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.rooms.push(into.length);
    while (this.#fed.length === 0) {
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
    const next = this.#fed.shift()!;
    if (next === null || next instanceof Error) {
      if (next === null) return null;
      throw next;
    }
    const n = Math.min(next.length, into.length);
    into.set(next.subarray(0, n));
    if (n < next.length) this.#fed.unshift(next.subarray(n));
    return n;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.writeError) return Promise.reject(this.writeError);
    const n = Math.min(bytes.length, this.most);
    this.written.push(bytes.slice(0, n));
    return Promise.resolve(n);
  }

  closeWrite(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }

  close(): void {
    assert(!this.closed, "closed twice");
    this.closed = true;
    this.feed(new Deno.errors.Interrupted("closed"));
  }

  get text(): string {
    return this.written.map(decode).join("");
  }
}

const asConn = (conn: FakeConn) => conn as unknown as Deno.Conn;

/** Everything that the other end of the channel receives. */
async function heard(channel: Channel): Promise<number> {
  return (await channel.readAll()).length;
}

Deno.test("splice copies both directions until EOF, counts the bytes, and closes both", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const counts = { bytesIn: 0, bytesOut: 0 };
  const joined = splice(pair.client, asConn(conn), { counts });
  conn.feed(encode("to the channel"), null);
  assertEquals(decode(await pair.server.readAll()), "to the channel");
  assert(!conn.closed, "the other direction continues");
  await pair.server.writeAll(encode("to the connection"));
  await pair.server.closeWrite();
  await joined;
  assertEquals(conn.text, "to the connection");
  assertEquals(counts, { bytesIn: 17, bytesOut: 14 });
  assertEquals([conn.ended, conn.closed], [true, true]);
  await pair.client.closed;
});

Deno.test("splice passes on EOF of the channel while the connection still sends", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const joined = splice(pair.client, asConn(conn));
  await pair.server.closeWrite();
  await until(() => conn.ended);
  assert(!conn.closed);
  conn.feed(encode("late"), null);
  assertEquals(decode(await pair.server.readAll()), "late");
  await joined;
});

Deno.test("splice first sends data that was read before, and counts it", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const counts = { bytesIn: 0, bytesOut: 0 };
  const joined = splice(pair.client, asConn(conn), { counts, early: encode("early ") });
  conn.feed(encode("late"), null);
  assertEquals(decode(await pair.server.readAll()), "early late");
  await pair.server.closeWrite();
  await joined;
  assertEquals(counts.bytesOut, 10);
});

Deno.test("splice continues after a partial write", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  conn.most = 3;
  const counts = { bytesIn: 0, bytesOut: 0 };
  const joined = splice(pair.client, asConn(conn), { counts });
  await pair.server.writeAll(encode("0123456789"));
  await pair.server.closeWrite();
  conn.feed(null);
  await joined;
  assertEquals([conn.text, counts.bytesIn], ["0123456789", 10]);
});

Deno.test("splice reads 16 KiB at a time, and up to 256 KiB as long as reads are full", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const joined = splice(pair.client, asConn(conn));
  conn.feed(
    new Uint8Array(16 * KIB - 1),
    new Uint8Array(16 * KIB),
    new Uint8Array(64 * KIB),
    new Uint8Array(256 * KIB),
    new Uint8Array(1),
    null,
  );
  assertEquals(await heard(pair.server), (2 * 16 + 64 + 256) * KIB);
  await pair.server.closeWrite();
  await joined;
  assertEquals(conn.rooms.map((room) => room / KIB), [16, 16, 64, 256, 256, 256]);
});

Deno.test("Data read before does not increase the read size", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const joined = splice(pair.client, asConn(conn), { early: new Uint8Array(64 * KIB) });
  conn.feed(null);
  assertEquals(await heard(pair.server), 64 * KIB);
  await pair.server.closeWrite();
  await joined;
  assertEquals(conn.rooms, [16 * KIB]);
});

Deno.test("splice does not close a connection twice, which would cost an exception", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn(); // throws if it is
  const joined = splice(pair.client, asConn(conn));
  conn.feed(null);
  await pair.server.closeWrite();
  await joined;
  assert(conn.closed);
  let closings = 0;
  conn.close = () => void closings++;
  closeQuietly(asConn(conn)); // as the tunnel does
  assertEquals(closings, 0);
});

Deno.test("splice that is aborted closes both, with the reason", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const controller = new AbortController();
  const joined = splice(pair.client, asConn(conn), { signal: controller.signal });
  const failed = assertRejects(() => joined, Error);
  const reason = new Error("enough");
  controller.abort(reason);
  await failed;
  assert(conn.closed);
  assert(!pair.client.isOpen);
  await pair.server.closed;
});

Deno.test("splice whose signal is aborted already reads nothing and closes both", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  await splice(pair.client, asConn(conn), { signal: AbortSignal.abort(new Error("before")) });
  assertEquals([conn.closed, conn.rooms], [true, []]);
  assert(!pair.client.isOpen);
  await pair.server.closed;
});

Deno.test("splice removes its abort listener at the end", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const { signal } = new AbortController();
  const listeners = notedListeners(signal);
  const joined = splice(pair.client, asConn(conn), { signal });
  assertEquals(listeners.count, 1);
  conn.feed(null);
  await pair.server.closeWrite();
  await joined;
  assertEquals(listeners.count, 0);
});

/** Lets everything run that can. */
const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("splice closes the connection once EOF has been passed on, not before", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const [asked, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  conn.closeWrite = () => (asked.resolve(), done.promise);
  const joined = splice(pair.client, asConn(conn));
  await pair.server.closeWrite();
  await asked.promise;
  conn.feed(null);
  await heard(pair.server);
  await turn();
  assert(!conn.closed);
  done.resolve();
  await joined;
  assert(conn.closed);
});

Deno.test("splice that fails ends once a write under way has ended", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const [asked, written] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()];
  conn.write = () => (asked.resolve(), written.promise);
  let isOver = false;
  const joined = assertRejects(() => splice(pair.client, asConn(conn)), Error, "reset")
    .then(() => isOver = true);
  await pair.server.writeAll(encode("x"));
  await asked.promise;
  conn.feed(new Error("reset"));
  await until(() => conn.closed);
  await turn();
  assertEquals(isOver, false);
  written.resolve(1);
  await joined;
});

Deno.test("splice that fails ends once a read under way has ended", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const read = Promise.withResolvers<null>();
  conn.read = () => read.promise;
  conn.writeError = new Error("reset");
  let isOver = false;
  const joined = assertRejects(() => splice(pair.client, asConn(conn)), Error, "reset")
    .then(() => isOver = true);
  await pair.server.writeAll(encode("x"));
  await until(() => conn.closed);
  await turn();
  assertEquals(isOver, false);
  read.resolve(null);
  await joined;
});

Deno.test("A connection that cannot be closed for writing still delivers its data", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  conn.closeWrite = () => Promise.reject(new Deno.errors.NotConnected("shut down"));
  const joined = splice(pair.client, asConn(conn));
  await pair.server.closeWrite();
  await turn();
  conn.feed(encode("late"), null);
  assertEquals(decode(await pair.server.readAll()), "late");
  await joined;
});

Deno.test("splice reads the channel 16 KiB at a time, and more as long as reads are full", async () => {
  const rooms: number[] = [];
  const sizes = [16 * KIB, 64 * KIB - 1, 64 * KIB, 1];
  const channel = {
    read: (into: Uint8Array) => {
      rooms.push(into.length / KIB);
      return Promise.resolve(sizes.shift() ?? null);
    },
    writeAll: () => Promise.resolve(),
    closeWrite: () => Promise.resolve(),
    close: () => Promise.resolve(),
    closed: new Promise(() => {}),
  };
  const conn = new FakeConn();
  conn.feed(null);
  await splice(channel as unknown as Channel, asConn(conn));
  assertEquals(rooms, [16, 64, 64, 256, 256]);
});

Deno.test("An error of the connection closes the channel, and splice throws it", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const joined = splice(pair.client, asConn(conn));
  const reset = new Deno.errors.ConnectionReset("reset");
  conn.feed(reset);
  assertEquals(await assertRejects(() => joined), reset);
  assert(conn.closed);
  assert(!pair.client.isOpen);
  await pair.server.closed;
});

Deno.test("A connection whose writes fail is closed, with the channel", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  conn.writeError = new Deno.errors.BrokenPipe("gone");
  const joined = splice(pair.client, asConn(conn));
  const failed = assertRejects(() => joined, Deno.errors.BrokenPipe);
  await pair.server.writeAll(encode("x"));
  await failed;
  assert(conn.closed);
  await pair.server.closed;
});

Deno.test("A channel closed by the peer closes the connection after earlier data", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const joined = splice(pair.client, asConn(conn));
  await pair.server.writeAll(encode("last words"));
  await pair.server.close();
  await joined;
  assertEquals([conn.text, conn.closed], ["last words", true]);
});

Deno.test("A channel whose writes fail still delivers received data, and ends the connection", async () => {
  await using pair = await sessionPair();
  const conn = new FakeConn();
  const counts = { bytesIn: 0, bytesOut: 0 };
  const joined = splice(pair.client, asConn(conn), { counts });
  await pair.client.closeWrite();
  conn.feed(encode("nowhere to go"));
  await until(() => conn.rooms.length === 1);
  await pair.server.writeAll(encode("still"));
  await pair.server.closeWrite();
  await joined;
  assertEquals([conn.text, counts.bytesOut, conn.closed], ["still", 0, true]);
});
