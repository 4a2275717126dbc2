/** What a client's tunnels ask of its connection, and what they tell when it fails. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ChannelOpenError, ConnectError, RequestDeniedError } from "@denossh/ssh";
import { Forwarding, type TunnelConnection } from "../../lib/forward/forwarding.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import {
  ChannelEof,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  GlobalRequest,
  RequestFailure,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { TcpipForward, TcpipOpen } from "../../lib/wire/requests.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { until } from "../connection/until.ts";
import { connOf, FakeListener } from "../support/fake_listener.ts";
import { replaced } from "../support/replaced.ts";
import { decode, encode, through } from "./world.ts";

/** The tunnels of a raw world; `runs` are the signals of the tasks that may wait for a new connection. */
function tunnels({ connection, transport }: RawWorld) {
  const runs: (AbortSignal | undefined)[] = [];
  const usual = through(connection, transport.closed);
  const run: TunnelConnection["run"] = (task, signal) => {
    runs.push(signal);
    return usual.run(task, signal);
  };
  return { forwarding: new Forwarding({ ...usual, run }), runs };
}

/** The next channel that the client opens, which is refused. */
async function asked({ raw }: RawWorld, reason = 2): Promise<[string, number]> {
  const { sender, data } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  const { address, port } = TcpipOpen.decode(data);
  const answer = { recipient: sender, reason, description: "no", language: "" };
  raw.send(ChannelOpenFailure.encode(answer));
  return [address, port];
}

Deno.test("Connections through a local tunnel do not wait for a new SSH connection", async () => {
  await using world = await rawWorld("client");
  const { forwarding, runs } = tunnels(world);
  const listener = new FakeListener("127.0.0.1", 4242);
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  await using tunnel = await forwarding.local({ from: { port: 0 }, to: "db:5432" });
  listener.dial("127.0.0.1");
  assertEquals(await asked(world), ["db", 5432]);
  const checking = tunnel.check();
  assertEquals(await asked(world), ["db", 5432]);
  assertEquals([await checking, runs], [false, []]);
});

Deno.test("Connections through a SOCKS tunnel do not wait for a new SSH connection", async () => {
  await using world = await rawWorld("client");
  const { forwarding, runs } = tunnels(world);
  const listener = new FakeListener("127.0.0.1", 4242);
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  await using _tunnel = await forwarding.socks({ port: 0, onError });
  const writer = listener.dial("127.0.0.1").writable.getWriter();
  await writer.write(Uint8Array.of(4, 1, 0, 80, 192, 0, 2, 1, 0));
  assertEquals(await asked(world), ["192.0.2.1", 80]);
  await until(() => errors.length === 1);
  assertEquals(runs, []);
});

Deno.test("A check that a silent server does not answer can be aborted", async () => {
  await using world = await rawWorld("client");
  const listener = new FakeListener("127.0.0.1", 4242);
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  await using tunnel = await tunnels(world).forwarding.socks({ port: 0 });
  const end = new AbortController();
  const reasons: unknown[] = [];
  void tunnel.check({ signal: end.signal }).catch((reason) => reasons.push(reason));
  await world.raw.next(MSG.GLOBAL_REQUEST);
  end.abort("enough");
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(reasons, ["enough"]);
});

Deno.test("A dial, a socket and a listen wait for a new SSH connection, until they are aborted", async () => {
  await using world = await rawWorld("client");
  const { forwarding, runs } = tunnels(world);
  const { signal } = new AbortController();
  const dialled = assertRejects(() => forwarding.dial("db:1", { signal }), ChannelOpenError);
  await asked(world);
  await dialled;
  const listening = forwarding.listen({ port: 80 }, { signal });
  await world.raw.next(MSG.GLOBAL_REQUEST);
  world.raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  await listening;
  assertEquals(runs.length, 2);
  for (const given of runs.splice(0)) assertStrictEquals(given, signal);
  const socket = forwarding.nodeSocket("db:2");
  const failed = new Promise((resolve) => socket.once("error", resolve));
  await asked(world);
  await failed;
  assertEquals(runs.map((given) => given?.aborted), [true], "a destroyed socket aborts it");
});

Deno.test("A listen on a port without an address is one on the server's localhost", async () => {
  await using world = await rawWorld("client");
  const listening = tunnels(world).forwarding.listen({ port: 80 });
  const { data } = GlobalRequest.decode(await world.raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(TcpipForward.decode(data), { address: "localhost", port: 80 });
  world.raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  await listening;
});

Deno.test("A dial that the server prohibits says what decides there; another refusal does not", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  for (const [reason, advice] of [[1, true], [2, false], [4, false]] as const) {
    const failed = assertRejects(() => forwarding.dial("db:5432"), ChannelOpenError);
    await asked(world, reason);
    const error = await failed;
    assertEquals(error.reason, reason);
    assert(error.message.includes("db port 5432"));
    assertEquals(error.message.includes("PermitOpen"), advice);
    assert(error.cause instanceof ChannelOpenError);
  }
});

Deno.test("A dial rejects with the error of an SSH connection that has ended, unchanged", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  const lost = new ConnectError("lost");
  const dialled = assertRejects(() => forwarding.dial("db:1"));
  await world.raw.next(MSG.CHANNEL_OPEN);
  world.transport.fail(lost);
  assertStrictEquals(await dialled, lost);
});

Deno.test("Credentials of a SOCKS tunnel are measured in bytes", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  const listener = new FakeListener("127.0.0.1", 4242);
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  const start = (password: string) =>
    forwarding.socks({ port: 0, credentials: { username: "ann", password } });
  const [one, most] = ["x", `${"é".repeat(127)}x`];
  const message = "The password must be 1 to 255 bytes";
  await assertRejects(() => start(`${most}x`), RangeError, message);
  await assertRejects(() => start(""), RangeError, message);
  for (const good of [one, most]) await (await start(good)).close();
});

Deno.test("A tunnel whose start is aborted already does not listen", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  let listens = 0;
  using _listen = replaced(denoNet, "listen", () => {
    listens++;
    throw new Error("not expected");
  });
  const reason = new Error("before");
  const signal = AbortSignal.abort(reason);
  const starts = [
    () => forwarding.local({ from: { port: 0 }, to: "db:1", signal }),
    () => forwarding.socks({ port: 0, signal }),
  ];
  for (const start of starts) assertStrictEquals(await assertRejects(start), reason);
  assertEquals(listens, 0);
});

Deno.test("A SOCKS tunnel listens on the given address, otherwise on loopback", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  const asked: unknown[] = [];
  using _listen = replaced(denoNet, "listen", (options) => {
    asked.push(options);
    return new FakeListener("127.0.0.1", 4242) as unknown as Deno.TcpListener;
  });
  for (const hostname of [undefined, "192.0.2.3"]) {
    await using _tunnel = await forwarding.socks({ port: 1080, ...(hostname && { hostname }) });
  }
  assertEquals(asked, [
    { hostname: "127.0.0.1", port: 1080 },
    { hostname: "192.0.2.3", port: 1080 },
  ]);
});

/** A tunnel from the server's port 80 to "target:1", whose connections are `conn`. */
async function remoteTo(
  conn: Deno.Conn,
  { raw, connection, transport }: RawWorld,
  onError?: (error: unknown) => void,
) {
  let renew: Parameters<TunnelConnection["onRenewed"]>[0] | undefined;
  const stack = new DisposableStack();
  stack.use(replaced(denoNet, "connect", () => {
    return Promise.resolve(Object.assign(conn, { setNoDelay() {} }) as unknown as Deno.TcpConn);
  }));
  const usual = through(connection, transport.closed);
  const forwarding = new Forwarding({ ...usual, onRenewed: (again) => renew = again });
  const options = { from: { port: 80 }, to: "target:1", ...(onError && { onError }) };
  const making = forwarding.remote(options);
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  return { tunnel: await making, renew: renew!, [Symbol.dispose]: () => stack.dispose() };
}

const addr: Deno.Addr = { transport: "tcp", hostname: "192.0.2.1", port: 1 };

Deno.test("A connection from the server is carried to the tunnel's target until both have ended", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const [near, far] = memoryPair();
  using remote = await remoteTo(connOf(near, addr), world);
  const from = { originatorAddress: "192.0.2.9", originatorPort: 9 };
  const data = TcpipOpen.encode({ address: "localhost", port: 80, ...from });
  const window = { window: 1_000, maxPacket: 1_000 };
  raw.send(ChannelOpen.encode({ type: "forwarded-tcpip", sender: 7, ...window, data }));
  const opened = await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
  const { sender: recipient } = ChannelOpenConfirmation.decode(opened);
  raw.send(Uint8Array.of(MSG.CHANNEL_DATA, 0, 0, 0, recipient, 0, 0, 0, 2, 104, 105));
  const reader = far.readable.getReader();
  assertEquals(decode((await reader.read()).value!), "hi");
  const writer = far.writable.getWriter();
  await writer.write(encode("hello"));
  assertEquals(decode((await raw.next(MSG.CHANNEL_DATA)).subarray(9)), "hello");
  assertEquals(remote.tunnel.connections, 1);
  await writer.close();
  await raw.next(MSG.CHANNEL_EOF);
  raw.send(ChannelEof.encode({ recipient }));
  await until(() => remote.tunnel.connections === 0);
  assertEquals([remote.tunnel.bytesIn, remote.tunnel.bytesOut], [2, 5]);
  assert((await reader.read()).done);
});

Deno.test("A remote tunnel that the server refuses after a reconnect reports that", async () => {
  await using world = await rawWorld("client");
  const { raw, connection } = world;
  const errors: unknown[] = [];
  using remote = await remoteTo(connOf(memoryPair()[0], addr), world, (e) => errors.push(e));
  const over = new AbortController();
  const renewing = remote.renew(connection, over.signal);
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(RequestFailure.encode({}));
  await renewing;
  over.abort();
  assertEquals(errors.map((error) => error instanceof RequestDeniedError), [true]);
  await remote.tunnel.close();
});

Deno.test("A listen aborted while the server has not answered is cancelled when it has", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const end = new AbortController();
  const listening = tunnels(world).forwarding.listen({ port: 80 }, { signal: end.signal });
  await raw.next(MSG.GLOBAL_REQUEST);
  const reason = new Error("enough");
  end.abort(reason);
  assertStrictEquals(await assertRejects(() => listening), reason);
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  const { type } = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(type, "cancel-tcpip-forward");
});

Deno.test("Closing a client's tunnels ends the proxy of its HTTP requests, and waits for that", async () => {
  await using world = await rawWorld("client");
  const { forwarding } = tunnels(world);
  await forwarding.close(); // nothing was opened
  const listener = new FakeListener("127.0.0.1", 4242);
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  using _client = forwarding.httpClient();
  let asked = false;
  listener.close = () => void (asked = true); // its accept ends later
  let isOver = false;
  const closing = forwarding.close().then(() => isOver = true);
  assert(asked);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
  assert(!isOver);
  listener.arrive(Promise.reject(new Deno.errors.BadResource("closed")));
  await closing;
});
