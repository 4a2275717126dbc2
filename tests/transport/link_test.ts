/** Conversations deliver messages one by one; sockets over streams and connections. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { ConnectError, ProtocolError } from "../../lib/errors.ts";
import { Conversation, messageName } from "../../lib/transport/link.ts";
import { SOCKET_READ_BYTES } from "../../lib/defaults.ts";
import { readPackets } from "../../lib/transport/packet_source.ts";
import { connSocket, streamSocket } from "../../lib/transport/socket.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** Whether a promise has settled by the end of this turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setTimeout(resolve)).then(() => false);
  return await Promise.race([promise.then(() => true, () => true), later]);
}

Deno.test("A received message is a copy, and the next one waits for its receive", async () => {
  const conversation = new Conversation();
  const received = conversation.receive();
  const payload = new Uint8Array([1, 2]);
  const next = conversation.deliver(payload);
  payload.fill(0);
  assertEquals(await received, new Uint8Array([1, 2]));
  assertEquals(await isSettled(next), false);
  const second = conversation.receive();
  await next;
  conversation.deliver(new Uint8Array([3]));
  assertEquals(await second, new Uint8Array([3]));
});

Deno.test("One early message is kept, and a second one is an error", async () => {
  const conversation = new Conversation();
  conversation.deliver(new Uint8Array([20]));
  assertThrows(
    () => conversation.deliver(new Uint8Array([21])),
    ProtocolError,
    "Unexpected NEWKEYS",
  );
  assertEquals(await conversation.receive(), new Uint8Array([20]));
  conversation.deliver(new Uint8Array([90]));
  assertEquals(await conversation.receive(), new Uint8Array([90]));
});

Deno.test("A second receiver is an error", () => {
  const conversation = new Conversation();
  conversation.receive().catch(() => {});
  assertThrows(() => conversation.receive(), Error, "Two receivers");
  conversation.end(new Error("over"));
});

Deno.test("The end of a conversation ends its receive, its source and outside waits", async () => {
  const over = new Error("over");
  const conversation = new Conversation();
  conversation.throwIfOver();
  const next = conversation.deliver(new Uint8Array([1]));
  await conversation.receive();
  const waiting = conversation.receive();
  await next;
  const outside = conversation.outside(new Promise(() => {}));
  conversation.end(over);
  conversation.end(new Error("again"));
  assertStrictEquals(await assertRejects(() => waiting), over);
  assertStrictEquals(await assertRejects(() => outside), over);
  assertStrictEquals(await assertRejects(() => conversation.receive()), over);
  assertStrictEquals(await assertRejects(() => conversation.outside(1)), over);
  assertStrictEquals(assertThrows(() => conversation.throwIfOver()), over);
  const held = new Conversation();
  const source = held.deliver(new Uint8Array([1]));
  assertEquals(await held.outside(Promise.resolve(5)), 5);
  held.end(over);
  await source;
});

Deno.test("Messages are shown by name, or by number if unknown", () => {
  assertEquals([messageName(94), messageName(98), messageName(200)], [
    "message 94",
    "CHANNEL_REQUEST",
    "message 200",
  ]);
});

/** An opener whose packets are single bytes. */
class Bytes {
  readonly pushed: number[] = [];
  #left: number[] = [];

  push(bytes: Uint8Array): void {
    this.pushed.push(bytes.length);
    this.#left.push(...bytes);
  }

  next(): Uint8Array | null {
    const byte = this.#left.shift();
    return byte === undefined ? null : new Uint8Array([byte]);
  }
}

Deno.test("Packets are handled in order, a read waits if asked to, and later ones are dropped after the end", async () => {
  const reads = [[3], [4, 8], [5, 7], [6]];
  const socket = {
    read(into: Uint8Array) {
      const bytes = reads.shift();
      into.set(bytes ?? []);
      return Promise.resolve(bytes?.length ?? null);
    },
  } as Parameters<typeof readPackets>[0];
  const events: string[] = [];
  const opener = new Bytes();
  let open = true;
  const handle = (payload: Uint8Array) => {
    const byte = payload[0]!;
    events.push(`${byte}`);
    if (byte === 5) open = false;
    if (byte !== 2) return;
    return Promise.resolve().then(() => void events.push("paused"));
  };
  const after = (bytes: number) => {
    events.push(`after ${bytes}`);
    return bytes === 1 ? null : Promise.resolve().then(() => void events.push("waited"));
  };
  await readPackets(
    ...[socket, opener, new Uint8Array([1, 2])] as const,
    ...[handle, after, () => open] as const,
  );
  assertEquals(events, [
    ...["1", "2", "paused", "after 2", "waited"],
    ...["3", "after 1"],
    ...["4", "8", "after 2", "waited", "5"],
  ]);
  assertEquals(opener.pushed, [2, 1, 2, 2]);
});

Deno.test("A read waits for the turn of its connection, and reads the allowed bytes", async () => {
  const events: string[] = [];
  let left = 3;
  const socket = {
    read(into: Uint8Array) {
      events.push(`read ${into.length / SOCKET_READ_BYTES}`);
      return Promise.resolve(--left > 0 ? 1 : null);
    },
  } as Parameters<typeof readPackets>[0];
  const pace = {
    readPart: 1 / 16,
    readBegins: () => void events.push("begins"),
    readRests: () => void events.push("rests"),
    readEnds() {
      pace.readPart *= 2;
      return Promise.resolve().then(() => void events.push("turn"));
    },
  };
  await readPackets(
    ...[socket, new Bytes(), new Uint8Array([1])] as const,
    ...[() => left > 2 ? Promise.resolve() : undefined, () => null, () => true, pace] as const,
  );
  const round = ["begins", "turn"];
  assertEquals(events, [
    "begins",
    "rests",
    ...round,
    "read 0.125",
    ...round,
    "read 0.25",
    ...round,
    "read 0.5",
  ]);
});

Deno.test("A socket over streams returns large chunks in pieces, and copies written data", async () => {
  const chunks = [new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array([4])];
  const written: Uint8Array[] = [];
  let aborted = 0;
  let cancelled = 0;
  const socket = streamSocket({
    readable: new ReadableStream({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
      cancel: () => void cancelled++,
    }),
    writable: new WritableStream({
      write: (chunk) => void written.push(chunk),
      abort: () => void aborted++,
    }),
  });
  assertEquals([socket.localAddr, socket.remoteAddr], [null, null]);
  const into = new Uint8Array(2);
  const pieces: number[][] = [];
  for (let n; (n = await socket.read(into)) !== null;) pieces.push([...into.subarray(0, n)]);
  assertEquals(pieces, [[1, 2], [3], [4]]);
  const outbox = new Uint8Array([7, 8]);
  await socket.write(outbox);
  outbox.fill(0);
  assertEquals(written, [new Uint8Array([7, 8])]);
  socket.close();
  socket.close();
  await assertRejects(() => socket.write(outbox), ConnectError, "The connection was lost");
  assertEquals([aborted, cancelled], [1, 0]);
});

Deno.test("A socket over streams ends its outbound stream, and cancels a pending read when it is closed", async () => {
  const events: string[] = [];
  const socket = streamSocket({
    readable: new ReadableStream({ cancel: () => void events.push("cancelled") }),
    writable: new WritableStream({ close: () => void events.push("shut") }),
  });
  const reading = socket.read(new Uint8Array(1));
  await socket.write(Uint8Array.of(1));
  socket.closeWrite();
  await isSettled(reading);
  assertEquals(events, ["shut"]);
  socket.close();
  assertEquals([await reading, events], [null, ["shut", "cancelled"]]);
});

Deno.test("An error of a stream or connection is a lost connection, without control characters", async () => {
  const fail = () => Promise.reject(new Error("gone\x1b[2J"));
  const streams = streamSocket({
    readable: new ReadableStream({ pull: fail }),
    writable: new WritableStream({ write: fail }),
  });
  const events: string[] = [];
  const conn = connSocket({
    read: fail,
    write: fail,
    closeWrite: () => (events.push("shut"), fail()),
    close: () => void events.push("closed"),
    setNoDelay: (on: boolean) => void events.push(`no delay ${on}`),
    localAddr: { transport: "tcp", hostname: "1.2.3.4", port: 1 },
    remoteAddr: { transport: "tcp", hostname: "5.6.7.8", port: 2 },
  } as unknown as Deno.TcpConn);
  for (const socket of [streams, conn]) {
    for (
      const call of [() => socket.read(new Uint8Array(1)), () => socket.write(new Uint8Array(1))]
    ) {
      const error = await assertRejects<Error>(async () => void await call(), ConnectError);
      assertEquals(plainMessage(error), "The connection was lost: gone[2J");
      assert(error.cause instanceof Error);
    }
    socket.closeWrite();
    socket.close();
    socket.close();
  }
  assertEquals(events, ["no delay true", "shut", "closed"]);
  assertEquals([conn.localAddr, conn.remoteAddr].map((addr) => (addr as Deno.NetAddr).port), [
    1,
    2,
  ]);
});

Deno.test("A partial write to a connection is continued", async () => {
  const written: number[][] = [];
  const socket = connSocket({
    async write(bytes: Uint8Array) {
      await new Promise((resolve) => setTimeout(resolve));
      written.push([...bytes]);
      return Math.min(2, bytes.length);
    },
  } as unknown as Deno.Conn);
  await socket.write(new Uint8Array([1, 2, 3, 4, 5]));
  assertEquals(written, [[1, 2, 3, 4, 5], [3, 4, 5], [5]]);
  await socket.write(new Uint8Array([6, 7]));
  assertEquals(written.length, 4);
});
