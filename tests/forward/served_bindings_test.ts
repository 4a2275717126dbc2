/** The listens and connects that a server allows, on listeners in memory. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ConnectError } from "../../lib/errors.ts";
import { serveForwards } from "../../lib/forward/serve.ts";
import { listenOn } from "../../lib/forward/sockets.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import {
  ChannelClose,
  ChannelEof,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  GlobalRequest,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { BoundPort, StreamlocalForward, TcpipForward, TcpipOpen } from "../../lib/wire/requests.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { until } from "../connection/until.ts";
import { FakeListener } from "../support/fake_listener.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";
import { decode, echo } from "./world.ts";
import { freePort } from "../support/free_port.ts";

/** Listeners in memory instead of the system's, until it is disposed. */
class Network implements Disposable {
  readonly listeners: FakeListener[] = [];
  /** Addresses that refuse to listen. */
  readonly missing = new Set<string>();
  readonly #listen = denoNet.listen;

  constructor() {
    denoNet.listen = ({ hostname = "", port }) => {
      if (this.missing.has(hostname)) throw new Deno.errors.AddrNotAvailable(hostname);
      const free = 40_000 + this.listeners.length;
      const listener = new FakeListener(hostname, port === 0 ? free : port);
      this.listeners.push(listener);
      return listener as unknown as Deno.TcpListener;
    };
  }

  /** The addresses in use. */
  get open(): string[] {
    return this.listeners.filter(({ isClosed }) => !isClosed)
      .map(({ addr: { hostname, port } }) => `${hostname} ${port}`);
  }

  [Symbol.dispose](): void {
    denoNet.listen = this.#listen;
  }
}

type Permit = Parameters<typeof serveForwards>[1]["remote"];

async function served(remote: Permit = () => true): Promise<RawWorld> {
  const world = await rawWorld("server");
  serveForwards(world.connection, { remote }, world.transport.closed);
  return world;
}

/** The data of the server's success, or null for a failure. */
async function ask({ raw }: RawWorld, type: string, data: Uint8Array): Promise<Uint8Array | null> {
  raw.send(GlobalRequest.encode({ type, wantReply: true, data }));
  const answer = await raw.next(MSG.REQUEST_SUCCESS, MSG.REQUEST_FAILURE);
  return answer[0] === MSG.REQUEST_SUCCESS ? RequestSuccess.decode(answer).data : null;
}

const bind = (world: RawWorld, address: string, port: number) =>
  ask(world, "tcpip-forward", TcpipForward.encode({ address, port }));
const cancel = (world: RawWorld, address: string, port: number) =>
  ask(world, "cancel-tcpip-forward", TcpipForward.encode({ address, port }));
const NOTHING = new Uint8Array(0);

const families: [string, string[], string[]][] = [
  ["127.0.0.1", ["127.0.0.1 80"], []],
  ["", [":: 80"], []],
  ["*", [":: 80"], []],
  ["", ["0.0.0.0 80"], ["::"]],
  ["*", ["0.0.0.0 80"], ["::"]],
  ["localhost", ["127.0.0.1 80", "::1 80"], []],
  ["localhost", ["127.0.0.1 80"], ["::1"]],
];
for (const [address, expected, missing] of families) {
  Deno.test(`A bind to "${address}" is one to ${expected}, without ${missing}`, async () => {
    using network = new Network();
    await using world = await served();
    for (const hostname of missing) network.missing.add(hostname);
    assertEquals(await bind(world, address, 80), NOTHING);
    assertEquals(network.open, expected);
    assertEquals(await cancel(world, address, 80), NOTHING);
    assertEquals(network.open, []);
  });
}

Deno.test("A bind to port 0 is answered with the port, which both families share", async () => {
  using network = new Network();
  await using world = await served();
  const answer = await bind(world, "localhost", 0);
  assertEquals(BoundPort.decode(answer!).port, 40_000);
  assertEquals(network.open, ["127.0.0.1 40000", "::1 40000"]);
  assertEquals(await cancel(world, "localhost", 0), null, "it is known by the port it has");
  assertEquals(await cancel(world, "localhost", 40_000), NOTHING);
  assertEquals(network.open, []);
});

Deno.test("A listen that fails is refused, and does not count", async () => {
  using network = new Network();
  await using world = await served();
  network.missing.add("127.0.0.1");
  assertEquals(await bind(world, "127.0.0.1", 80), null);
  assertEquals(await bind(world, "localhost", 80), null);
  network.missing.clear();
  assertEquals(await bind(world, "127.0.0.1", 80), NOTHING);
});

Deno.test("A bind is made once, and cancelled once", async () => {
  using network = new Network();
  await using world = await served();
  assertEquals(await cancel(world, "127.0.0.1", 80), null);
  assertEquals(await bind(world, "127.0.0.1", 80), NOTHING);
  assertEquals(await bind(world, "127.0.0.1", 80), null);
  assertEquals(await bind(world, "127.0.0.1", 81), NOTHING);
  assertEquals(await cancel(world, "127.0.0.1", 80), NOTHING);
  assertEquals(await cancel(world, "127.0.0.1", 80), null);
  assertEquals(network.open, ["127.0.0.1 81"]);
  assertEquals(await bind(world, "127.0.0.1", 80), NOTHING);
  assertEquals(network.listeners.length, 3);
});

Deno.test("Binds of the same port on different addresses are separate", async () => {
  using network = new Network();
  await using world = await served();
  assertEquals(await bind(world, "127.0.0.1", 80), NOTHING);
  assertEquals(await bind(world, "192.0.2.1", 80), NOTHING);
  assertEquals(await cancel(world, "localhost", 80), null);
  assertEquals(await cancel(world, "192.0.2.1", 80), NOTHING);
  assertEquals(network.open, ["127.0.0.1 80"]);
});

Deno.test("A client has at most 64 binds; more are refused without asking the policy", async () => {
  using network = new Network();
  let asked = 0;
  await using world = await served(() => ++asked > 0);
  for (let port = 1; port <= 64; port++) {
    assertEquals(await bind(world, "127.0.0.1", port), NOTHING);
  }
  assertEquals(await bind(world, "127.0.0.1", 65), null);
  assertEquals(asked, 64);
  assertEquals(await cancel(world, "127.0.0.1", 1), NOTHING);
  assertEquals(await bind(world, "127.0.0.1", 65), NOTHING);
  assertEquals(network.open.length, 64);
});

Deno.test("A bind needs exactly true from the policy", async () => {
  using network = new Network();
  const answers = [false, 1, {}, undefined, Promise.resolve("yes"), Promise.reject(new Error("x"))];
  for (const answer of answers) {
    await using world = await served(() => answer as boolean);
    assertEquals(await bind(world, "127.0.0.1", 80), null);
  }
  await using world = await rawWorld("server");
  serveForwards(world.connection, {}, world.transport.closed);
  assertEquals(await bind(world, "127.0.0.1", 80), null);
  assertEquals(network.listeners, []);
});

Deno.test("A bind that is allowed after the end of the connection is not made", async () => {
  using network = new Network();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  const world = await served(() => (asked.resolve(), answer.promise));
  const data = TcpipForward.encode({ address: "127.0.0.1", port: 80 });
  world.raw.send(GlobalRequest.encode({ type: "tcpip-forward", wantReply: true, data }));
  await asked.promise;
  await world[Symbol.asyncDispose]();
  answer.resolve(true);
  await answer.promise;
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(network.listeners, []);
});

Deno.test("The end of the connection ends each bind", async () => {
  using network = new Network();
  const world = await served();
  await bind(world, "localhost", 80);
  await bind(world, "127.0.0.1", 81);
  assertEquals(network.open.length, 3);
  await world[Symbol.asyncDispose]();
  await until(() => network.open.length === 0);
});

Deno.test("A connection to a bind is carried, and outlives the bind", async () => {
  using network = new Network();
  await using world = await served();
  const { raw } = world;
  await bind(world, "localhost", 0);
  const streams = network.listeners[1]!.dial("192.0.2.9");
  const open = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  assertEquals([open.type, TcpipOpen.decode(open.data)], ["forwarded-tcpip", {
    address: "localhost",
    port: 40_000,
    originatorAddress: "192.0.2.9",
    originatorPort: 50_000,
  }]);
  assertEquals(await cancel(world, "localhost", 40_000), NOTHING);
  const { sender: recipient } = open;
  const confirmation = { recipient, sender: 3, window: 1_000, maxPacket: 1_000, data: NOTHING };
  raw.send(ChannelOpenConfirmation.encode(confirmation));
  const writer = streams.writable.getWriter();
  await writer.write(new TextEncoder().encode("hello"));
  assertEquals(decode((await raw.next(MSG.CHANNEL_DATA)).subarray(9)), "hello");
  await writer.close();
  await raw.next(MSG.CHANNEL_EOF);
  raw.send(ChannelEof.encode({ recipient }));
  await raw.next(MSG.CHANNEL_CLOSE);
  assert((await streams.readable.getReader().read()).done);
});

Deno.test("Connections of binds close with the SSH connection", async () => {
  using network = new Network();
  const world = await served();
  await bind(world, "127.0.0.1", 80);
  const reader = network.listeners[0]!.dial("192.0.2.9").readable.getReader();
  await world.raw.next(MSG.CHANNEL_OPEN);
  await world[Symbol.asyncDispose]();
  const { done } = await reader.read().catch(() => ({ done: true }));
  assert(done);
});

Deno.test("A unix socket is bound once, only for its owner, and removed at its end", async () => {
  await using folder = await tempFolder();
  await using world = await served();
  const path = folder.join("socket");
  const data = StreamlocalForward.encode({ path });
  assertEquals(await ask(world, "streamlocal-forward@openssh.com", data), NOTHING);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  }
  assertEquals(await ask(world, "streamlocal-forward@openssh.com", data), null);
  assertEquals(await ask(world, "cancel-streamlocal-forward@openssh.com", data), NOTHING);
  assertEquals([...Deno.readDirSync(folder.path)], []);
  const nowhere = StreamlocalForward.encode({ path: folder.join("none/socket") });
  assertEquals(await ask(world, "streamlocal-forward@openssh.com", nowhere), null);
});

/** Runs where the mode of a file cannot be changed. */
async function withoutChmod(os: string, run: (failure: Error) => void | Promise<void>) {
  const failure = new Deno.errors.NotSupported("no modes here");
  const { chmodSync } = Deno;
  const before = runtime.os;
  const setOs = (value: string) =>
    Object.defineProperty(runtime, "os", { value, configurable: true });
  setOs(os);
  Deno.chmodSync = () => {
    throw failure;
  };
  try {
    await run(failure);
  } finally {
    Deno.chmodSync = chmodSync;
    setOs(before);
  }
}

Deno.test("A unix socket whose mode cannot be set is closed, but on Windows, which has none", async () => {
  await using folder = await tempFolder();
  const path = folder.join("socket");
  await withoutChmod("linux", (failure) => {
    assertStrictEquals(assertThrows(() => listenOn({ path })), failure);
    assertEquals([...Deno.readDirSync(folder.path)], []);
  });
  await withoutChmod("windows", () => listenOn({ path }).close());
});

/** A client's request of a channel to an address. */
function dialTo(port: number): Uint8Array {
  const address = "127.0.0.1";
  const data = TcpipOpen.encode({ address, port, originatorAddress: "", originatorPort: 0 });
  const open = { type: "direct-tcpip", sender: 5, window: 1_000, maxPacket: 1_000, data };
  return ChannelOpen.encode(open);
}

/** Opens a channel to an address; the reason of its refusal, or null. */
async function dial({ raw }: RawWorld, port: number): Promise<[number, string] | null> {
  raw.send(dialTo(port));
  const answer = await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION, MSG.CHANNEL_OPEN_FAILURE);
  if (answer[0] === MSG.CHANNEL_OPEN_CONFIRMATION) return null;
  const { reason, description } = ChannelOpenFailure.decode(answer);
  return [reason, description];
}

Deno.test("A dial is refused with its reason: prohibited, or connect failed", async () => {
  await using server = echo();
  await using world = await rawWorld("server");
  const allowed = new Set<number>();
  const local: Permit = (to) => "port" in to && allowed.has(to.port);
  serveForwards(world.connection, { local }, world.transport.closed);
  assertEquals(await dial(world, server.port), [1, "This target is not allowed"]);
  const dead = freePort();
  allowed.add(dead).add(server.port);
  assertEquals(await dial(world, dead), [2, "Cannot connect: Connection refused"]);
  assertEquals(await dial(world, server.port), null);
  assertEquals(server.accepted, 1);
});

Deno.test("A connection that was made for a client that has just left is closed", async () => {
  await using world = await rawWorld("server");
  serveForwards(world.connection, { local: () => true }, world.transport.closed);
  let closed = 0;
  const conn = {
    setNoDelay: () => world.transport.fail(new ConnectError("The line is dead")),
    close: () => void closed++,
  };
  using _connect = replaced(
    denoNet,
    "connect",
    () => Promise.resolve(conn as unknown as Deno.TcpConn),
  );
  const target = { address: "db", port: 1, originatorAddress: "192.0.2.1", originatorPort: 9 };
  const data = TcpipOpen.encode(target);
  const type = "direct-tcpip";
  world.raw.send(ChannelOpen.encode({ type, sender: 7, window: 1_000, maxPacket: 1_000, data }));
  await world.transport.finished;
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(closed, 1);
});

Deno.test("A dial needs exactly true from the policy", async () => {
  const connects: unknown[] = [];
  using _connect = replaced(denoNet, "connect", (options) => {
    connects.push(options);
    return Promise.reject(new Error("not expected"));
  });
  const answers = [false, 1, {}, undefined, Promise.resolve("yes"), Promise.resolve(false)];
  for (const answer of answers) {
    await using world = await rawWorld("server");
    const local = () => answer as boolean;
    serveForwards(world.connection, { local, remote: () => true }, world.transport.closed);
    assertEquals(await dial(world, 80), [1, "This target is not allowed"]);
  }
  await using world = await rawWorld("server");
  serveForwards(world.connection, { remote: () => true }, world.transport.closed);
  assertEquals(await dial(world, 80), [1, "This target is not allowed"]);
  assertEquals(connects, []);
});

Deno.test("A policy that takes its time allows a dial, and an error without a name hides its text", async () => {
  await using world = await rawWorld("server");
  const local = () => Promise.resolve(true);
  serveForwards(world.connection, { local }, world.transport.closed);
  for (const error of [new Error("password of db"), "password of db"]) {
    using _connect = replaced(denoNet, "connect", () => Promise.reject(error));
    const reason = error instanceof Error ? "Error" : "unknown reason";
    assertEquals(await dial(world, 80), [2, `Cannot connect: ${reason}`]);
  }
});

Deno.test("A connect under way is aborted by the end of the SSH connection, with its error", async () => {
  await using world = await rawWorld("server");
  serveForwards(world.connection, { local: () => true }, world.transport.closed);
  const asked = Promise.withResolvers<AbortSignal>();
  using _connect = replaced(denoNet, "connect", ({ signal }) => {
    asked.resolve(signal!);
    return new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(signal!.reason))
    );
  });
  world.raw.send(dialTo(80));
  const signal = await asked.promise;
  assert(!signal.aborted);
  const dead = new ConnectError("The line is dead");
  world.transport.fail(dead);
  await until(() => signal.aborted);
  assertStrictEquals(signal.reason, dead);
});

/** A connection that never takes what is written to it, nor sends anything. */
function stuckConn() {
  const asked = Promise.withResolvers<void>();
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => {});
  const conn = {
    remoteAddr: { transport: "tcp", hostname: "192.0.2.9", port: 9 },
    isClosed: false,
    setNoDelay() {},
    read: () => end.promise,
    write: () => (asked.resolve(), end.promise),
    close() {
      conn.isClosed = true;
      end.reject(new Deno.errors.BadResource("closed"));
    },
  };
  return { conn, writing: asked.promise };
}

/** A message of the client's with data for a channel. */
const dataFor = (recipient: number) =>
  Uint8Array.of(MSG.CHANNEL_DATA, 0, 0, 0, recipient, 0, 0, 0, 1, 120);

/** Sends data to a channel whose connection takes none, closes it, and ends the SSH connection. */
async function closedWhileStuck(
  { raw, transport }: RawWorld,
  recipient: number,
  { conn, writing }: ReturnType<typeof stuckConn>,
): Promise<void> {
  raw.send(dataFor(recipient));
  await writing;
  raw.send(ChannelClose.encode({ recipient }));
  await raw.next(MSG.CHANNEL_CLOSE);
  assert(!conn.isClosed, "it may still take the data");
  transport.fail(new ConnectError("The line is dead"));
  await until(() => conn.isClosed);
}

Deno.test("A target that does not read is closed at the end of the SSH connection", async () => {
  await using world = await rawWorld("server");
  const { raw, connection, transport } = world;
  serveForwards(connection, { local: () => true }, transport.closed);
  const stuck = stuckConn();
  using _connect = replaced(
    denoNet,
    "connect",
    () => Promise.resolve(stuck.conn as unknown as Deno.TcpConn),
  );
  raw.send(dialTo(80));
  const opened = await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
  const { sender: recipient } = ChannelOpenConfirmation.decode(opened);
  await closedWhileStuck(world, recipient, stuck);
});

Deno.test("A client of a bind that does not read is closed at the end of the SSH connection", async () => {
  using network = new Network();
  await using world = await served();
  const { raw } = world;
  await bind(world, "127.0.0.1", 80);
  const stuck = stuckConn();
  network.listeners[0]!.arrive(Promise.resolve(stuck.conn as unknown as Deno.Conn));
  const { sender: recipient } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  const window = { window: 1_000, maxPacket: 1_000 };
  raw.send(ChannelOpenConfirmation.encode({ recipient, sender: 3, ...window, data: NOTHING }));
  await closedWhileStuck(world, recipient, stuck);
});
