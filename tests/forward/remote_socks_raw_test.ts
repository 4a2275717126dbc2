/** SOCKS clients of the server that stall, disconnect or make mistakes, as the server's bare channels. */
import { assert, assertEquals } from "@std/assert";
import { ConnectError } from "@denossh/ssh";
import { Forwarding, type RemoteSocksOptions } from "../../lib/forward/forwarding.ts";
import type { Tunnel } from "../../lib/forward/forwarder.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import {
  ChannelClose,
  ChannelOpen,
  ChannelOpenConfirmation,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { TcpipOpen } from "../../lib/wire/requests.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { until } from "../connection/until.ts";
import { connOf } from "../support/fake_listener.ts";
import { FakeTime } from "../support/fake_time.ts";
import { notedListeners } from "../support/noted_listeners.ts";
import { replaced } from "../support/replaced.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { decode, encode, through } from "./world.ts";

/** The number of the server's channel. */
const THEIRS = 7;
const REQUEST = Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80);
const GRANTED = [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/** A client with a SOCKS server on the server, to which one program there has connected. */
async function connected(options: Partial<RemoteSocksOptions<{ port: number }>> = {}) {
  const world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const errors: unknown[] = [];
  const making = new Forwarding(through(connection, transport.closed)).remoteSocks({
    from: { port: 80 },
    onError: (error) => errors.push(error),
    ...options,
  });
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  const tunnel = await making;
  const from = { originatorAddress: "192.0.2.9", originatorPort: 9 };
  const data = TcpipOpen.encode({ address: "localhost", port: 80, ...from });
  const window = { window: 1_000, maxPacket: 1_000 };
  raw.send(ChannelOpen.encode({ type: "forwarded-tcpip", sender: THEIRS, ...window, data }));
  const opened = await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
  const { sender: recipient } = ChannelOpenConfirmation.decode(opened);
  return {
    tunnel,
    errors,
    say: (bytes: Uint8Array) =>
      raw.send(Uint8Array.of(94, 0, 0, 0, recipient, 0, 0, 0, bytes.length, ...bytes)),
    /** Closes the server's end. */
    leave: () => raw.send(ChannelClose.encode({ recipient })),
    /** The data that the server received until then, after this many bytes. */
    async heard(length: number): Promise<number[]> {
      const bytes: number[] = [];
      while (bytes.length < length) bytes.push(...(await raw.next(MSG.CHANNEL_DATA)).subarray(9));
      return bytes;
    },
    closed: () => raw.next(MSG.CHANNEL_CLOSE),
    isClosed: () => raw.received.some(([number]) => number === MSG.CHANNEL_CLOSE),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

Deno.test("A SOCKS client of the server that sends no target is closed after 10 seconds", async () => {
  using time = new FakeTime();
  await using client = await connected();
  client.say(REQUEST.subarray(0, 5));
  await client.heard(2);
  await time.advance(9_999);
  assert(!client.isClosed());
  await time.advance(1);
  await client.closed();
});

Deno.test("A SOCKS client of the server that makes a mistake is closed, and reported", async () => {
  await using client = await connected();
  client.say(Uint8Array.of(6));
  await client.closed();
  await until(() => client.tunnel.connections === 0);
  assertEquals(client.errors.map((error) => (error as Error).message), [
    "The client does not speak SOCKS",
  ]);
});

Deno.test("A SOCKS client of the server that has left does not listen for the tunnel's end", async () => {
  await using client = await connected();
  const listeners = notedListeners((client.tunnel as Tunnel<Deno.Addr>).signal);
  client.say(Uint8Array.of(6));
  await until(() => client.tunnel.connections === 0);
  assertEquals(listeners.count, -1, "the listener from its start is removed");
});

Deno.test("A SOCKS client of the server reaches its target, with data it sent before the answer", async () => {
  const [near, far] = memoryPair();
  const dialled: unknown[] = [];
  const conn = connOf(near, { transport: "tcp", hostname: "192.0.2.1", port: 80 });
  using _connect = replaced(denoNet, "connect", ({ hostname, port }) => {
    dialled.push([hostname, port]);
    return Promise.resolve(Object.assign(conn, { setNoDelay() {} }) as unknown as Deno.TcpConn);
  });
  await using client = await connected();
  client.say(Uint8Array.of(...REQUEST, ...encode("early")));
  assertEquals(await client.heard(12), GRANTED);
  const { value } = await far.readable.getReader().read();
  assertEquals(decode(value!), "early");
  assertEquals(dialled, [["192.0.2.1", 80]]);
  await far.writable.getWriter().write(encode("answer"));
  assertEquals(await client.heard(6), [...encode("answer")]);
});

Deno.test("Closing a SOCKS server on the server aborts connects to targets", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  using _connect = replaced(denoNet, "connect", ({ signal }) => {
    asked.resolve(signal!);
    return new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(signal!.reason))
    );
  });
  await using client = await connected();
  client.say(REQUEST);
  const signal = await asked.promise;
  assert(!signal.aborted);
  void client.tunnel.close();
  assert(signal.aborted);
  await client.closed();
});

Deno.test("A connection to a target is closed if the server's SOCKS client has left meanwhile", async () => {
  const asked = Promise.withResolvers<void>();
  const made = Promise.withResolvers<Deno.TcpConn>();
  using _connect = replaced(denoNet, "connect", () => (asked.resolve(), made.promise));
  await using client = await connected();
  client.say(REQUEST);
  await asked.promise;
  client.leave();
  await client.closed();
  let closed = 0;
  made.resolve({ setNoDelay() {}, close: () => void closed++ } as unknown as Deno.TcpConn);
  await until(() => client.tunnel.connections === 0);
  assertEquals(closed, 1);
});

Deno.test("A SOCKS client of the server whose target fails gets the reason, and is closed", async () => {
  using _connect = replaced(denoNet, "connect", () => Promise.reject(new ConnectError("down")));
  await using client = await connected();
  client.say(REQUEST);
  assertEquals(await client.heard(12), [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
  await client.closed();
});

Deno.test("Data of a SOCKS client of the server reaches its target in order", async () => {
  let text = "";
  const conn = {
    setNoDelay() {},
    read: () => new Promise(() => {}),
    async write(bytes: Uint8Array) {
      await new Promise((resolve) => setTimeout(resolve));
      text += decode(bytes.subarray(0, 1));
      return 1;
    },
    close() {},
  };
  using _connect = replaced(
    denoNet,
    "connect",
    () => Promise.resolve(conn as unknown as Deno.TcpConn),
  );
  await using client = await connected();
  client.say(Uint8Array.of(...REQUEST, ...encode("early early early ")));
  await client.heard(12);
  client.say(encode("late"));
  await until(() => text.length === 22);
  assertEquals(text, "early early early late");
});

Deno.test("A SOCKS client of the server does not reach a target that is not permitted", async () => {
  let connects = 0;
  using _connect = replaced(denoNet, "connect", () => {
    connects++;
    return Promise.reject(new Error("not expected"));
  });
  await using client = await connected({ permit: () => false });
  client.say(REQUEST);
  assertEquals(await client.heard(12), [5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
  await client.closed();
  assertEquals(connects, 0);
});
