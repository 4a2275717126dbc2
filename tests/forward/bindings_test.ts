/** A client's bindings: addresses on which the server listens, and their connections. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  type Channel,
  ChannelOpenError,
  ClosedError,
  ConnectError,
  RequestDeniedError,
} from "@denossh/ssh";
import { Bindings, type TakeForwarded } from "../../lib/forward/bindings.ts";
import { DisconnectError, ProtocolError } from "../../lib/errors.ts";
import { Forwarding, type TunnelConnection } from "../../lib/forward/forwarding.ts";
import { Arrivals, BindingListener } from "../../lib/forward/listener.ts";
import { NOT_SHARED } from "../../lib/transport/message_transport.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import {
  ChannelClose,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  GlobalRequest,
  RequestFailure,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import {
  BoundPort,
  DirectStreamlocal,
  ForwardedStreamlocal,
  StreamlocalForward,
  TcpipForward,
  TcpipOpen,
} from "../../lib/wire/requests.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { until } from "../connection/until.ts";
import { through } from "./world.ts";
import { FakeTime } from "../support/fake_time.ts";
import { freePort } from "../support/free_port.ts";
import { replaced } from "../support/replaced.ts";

const NOTHING = new Uint8Array(0);
const granted = RequestSuccess.encode({ data: NOTHING });

/** A channel that the server opens as its number 7. */
function open(type: string, data: Uint8Array): Uint8Array {
  return ChannelOpen.encode({ type, sender: 7, window: 1_000, maxPacket: 1_000, data });
}

const tcp = (address: string, port: number) =>
  open(
    "forwarded-tcpip",
    TcpipOpen.encode({ address, port, originatorAddress: "192.0.2.1", originatorPort: 9 }),
  );
const unix = (path: string) =>
  open("forwarded-streamlocal@openssh.com", ForwardedStreamlocal.encode({ path, reserved: "" }));

async function refusal({ raw }: RawWorld): Promise<number> {
  return ChannelOpenFailure.decode(await raw.next(MSG.CHANNEL_OPEN_FAILURE)).reason;
}

/** Binds, with the server's consent. */
async function bound(
  { raw }: RawWorld,
  bindings: Bindings,
  address: Parameters<Bindings["bind"]>[0],
  take: TakeForwarded,
  onError?: Parameters<Bindings["bind"]>[3],
) {
  const binding = bindings.bind(address, take, undefined, onError);
  const request = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  raw.send(granted);
  return { binding: await binding, request };
}

Deno.test("A binding prevented by the end of the connection rejects with its error", async () => {
  await using world = await rawWorld("client");
  const bindings = new Bindings(world.connection);
  const binding = bindings.bind({ hostname: "a", port: 80 }, () => Promise.resolve());
  await world.raw.next(MSG.GLOBAL_REQUEST);
  world.raw.transport.disconnect(11, "good night");
  const error = await assertRejects(() => binding, DisconnectError, "good night");
  assertStrictEquals(error, await world.transport.closed);
});

Deno.test("The port that a server chose is one of 1 to 65535", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  for (const port of [1, 65_535, 0, 65_536]) {
    const binding = bindings.bind({ hostname: "localhost", port: 0 }, () => Promise.resolve());
    await raw.next(MSG.GLOBAL_REQUEST);
    raw.send(RequestSuccess.encode({ data: BoundPort.encode({ port }) }));
    if (port === 0 || port === 65_536) {
      await assertRejects(() => binding, ProtocolError, `invalid port: ${port}`);
    } else {
      assertEquals((await binding).addr, { transport: "tcp", hostname: "localhost", port });
    }
  }
});

Deno.test("A binding is requested and cancelled once, by its address", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  const { binding, request } = await bound(
    world,
    bindings,
    { hostname: "localhost", port: 80 },
    () => {},
  );
  assertEquals([request.type, request.wantReply], ["tcpip-forward", true]);
  const data = TcpipForward.encode({ address: "localhost", port: 80 });
  assertEquals(request.data, data);
  assertEquals(binding.addr, { transport: "tcp", hostname: "localhost", port: 80 });
  const cancelling = binding.cancel();
  const cancel = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals([cancel.type, cancel.data], ["cancel-tcpip-forward", data]);
  await binding.cancel();
  raw.send(RequestFailure.encode({}));
  await cancelling;
  assert(!raw.received.some(([number]) => number === MSG.GLOBAL_REQUEST));
});

Deno.test("A binding of a unix socket is requested by its path", async () => {
  await using world = await rawWorld("client");
  const { binding, request } = await bound(
    world,
    new Bindings(world.connection),
    { path: "/run/x" },
    () => {},
  );
  assertEquals(request.type, "streamlocal-forward@openssh.com");
  assertEquals(StreamlocalForward.decode(request.data), { path: "/run/x" });
  assertEquals(binding.addr, { transport: "unix", path: "/run/x" });
});

Deno.test("A connection goes to the binding of its address, otherwise to that of its port", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  const taken: string[] = [];
  const take = (name: string): TakeForwarded => (open) => {
    taken.push(name);
    open.reject(4);
  };
  await bound(world, bindings, { hostname: "a", port: 80 }, take("a"));
  await bound(world, bindings, { hostname: "b", port: 80 }, take("b"));
  await bound(world, bindings, { hostname: "c", port: 81 }, take("c"));
  await bound(world, bindings, { path: "/80" }, take("socket"));
  await bound(world, bindings, { path: "/81" }, take("other socket"));
  const cases: [Uint8Array, string | null][] = [
    [tcp("a", 80), "a"],
    [tcp("b", 80), "b"],
    [tcp("0.0.0.0", 80), "a"],
    [tcp("0.0.0.0", 81), "c"],
    [tcp("a", 82), null],
    [tcp("", 0), null],
    [unix("/81"), "other socket"],
    [unix("/80"), "socket"],
    [unix("/82"), null],
    [unix("80"), null],
  ];
  for (const [payload, expected] of cases) {
    raw.send(payload);
    assertEquals(await refusal(world), expected === null ? 1 : 4);
    assertEquals(taken.splice(0), expected === null ? [] : [expected]);
  }
});

Deno.test("A connection may arrive together with the answer to the request for its address", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  const from = Promise.withResolvers<Deno.Addr>();
  const binding = bindings.bind({ hostname: "", port: 0 }, (open, addr) => {
    from.resolve(addr);
    open.reject();
  });
  raw.send(tcp("", 4242));
  raw.send(RequestSuccess.encode({ data: BoundPort.encode({ port: 4242 }) }));
  assertEquals(await from.promise, { transport: "tcp", hostname: "192.0.2.1", port: 9 });
  assertEquals((await binding).addr, { transport: "tcp", hostname: "", port: 4242 });
});

Deno.test("A refused binding names the address, and keeps no connection waiting", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  const binding = bindings.bind({ hostname: "a", port: 80 }, () => {});
  const failed = assertRejects(
    () => binding,
    RequestDeniedError,
    "The server refused to listen on a port 80",
  );
  raw.send(RequestFailure.encode({}));
  const error = await failed;
  assertEquals(error.request, "tcpip-forward");
  assert(error.cause instanceof RequestDeniedError);
  raw.send(tcp("a", 80));
  const { reason, description } = ChannelOpenFailure.decode(
    await raw.next(MSG.CHANNEL_OPEN_FAILURE),
  );
  assertEquals([reason, description], [1, "The channel was not requested"]);
});

Deno.test("A binding of a shared connection is refused with its address, and what to do", async () => {
  await using world = await rawWorld("client");
  Object.defineProperty(world.connection, "shared", { value: true });
  const bindings = new Bindings(world.connection);
  const error = await assertRejects(
    () => bindings.bind({ hostname: "a", port: 80 }, () => {}),
    RequestDeniedError,
    `Cannot listen on a port 80 of the server: ${NOT_SHARED}`,
  );
  assertEquals(error.request, "tcpip-forward");
});

Deno.test("An aborted binding is cancelled once the server has made it", async () => {
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(world.connection);
  const reason = new Error("enough");
  const early = AbortSignal.abort(reason);
  const never = bindings.bind({ hostname: "a", port: 80 }, () => {}, early);
  assertStrictEquals(await assertRejects(() => never), reason);
  const controller = new AbortController();
  const binding = bindings.bind({ hostname: "b", port: 80 }, () => {}, controller.signal);
  const asked = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(TcpipForward.decode(asked.data).address, "b", "nothing was asked before");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => binding), reason);
  raw.send(granted);
  const cancel = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(cancel.type, "cancel-tcpip-forward");
  raw.send(granted);
});

Deno.test("A dial sends its target, and a loopback address as its origin", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  const asked = async (target: string) => {
    const dialling = assertRejects(() => forwarding.dial(target), ChannelOpenError);
    const open = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
    const { sender: recipient, type, data } = open;
    raw.send(ChannelOpenFailure.encode({ recipient, reason: 1, description: "", language: "" }));
    await dialling;
    return { type, data };
  };
  const tcp = await asked("db:5432");
  assertEquals([tcp.type, TcpipOpen.decode(tcp.data)], ["direct-tcpip", {
    address: "db",
    port: 5432,
    originatorAddress: "127.0.0.1",
    originatorPort: 65_535,
  }]);
  const unix = await asked("/run/x");
  assertEquals(
    [unix.type, DirectStreamlocal.decode(unix.data)],
    ["direct-streamlocal@openssh.com", { path: "/run/x", reserved: "", reservedNumber: 0 }],
  );
});

Deno.test("Disposing of a dialled connection closes it on both sides", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const dialling = new Forwarding(through(connection, transport.closed)).dial("db:5432");
  const { sender: recipient } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  const answer = { recipient, sender: 3, window: 1_000, maxPacket: 1_000, data: NOTHING };
  raw.send(ChannelOpenConfirmation.encode(answer));
  const conn = await dialling;
  let disposed = false;
  const disposing = conn[Symbol.asyncDispose]().then(() => disposed = true);
  await raw.next(MSG.CHANNEL_CLOSE);
  assert(!disposed);
  raw.send(ChannelClose.encode({ recipient }));
  await disposing;
});

interface Listening {
  readonly listener: BindingListener<Deno.NetAddr>;
  readonly arrivals: Arrivals;
  readonly over: PromiseWithResolvers<unknown>;
  readonly cancels: () => number;
}

function listening(): Listening {
  const arrivals = new Arrivals();
  const over = Promise.withResolvers<unknown>();
  let cancels = 0;
  const binding = {
    addr: { transport: "tcp", hostname: "a", port: 80 } as const,
    isUp: true,
    cancel: () => Promise.resolve(void cancels++),
  };
  const listener = new BindingListener<Deno.NetAddr>(binding, arrivals, over.promise);
  return { listener, arrivals, over, cancels: () => cancels };
}

/** Opens a connection; returns the result. */
function arrival(failing = false) {
  const log: string[] = [];
  const open = {
    type: "forwarded-tcpip",
    data: NOTHING,
    accept: () => {
      log.push("accepted");
      if (failing) throw new ClosedError("gone");
      return { abort: () => {} } as unknown as Channel;
    },
    reject: (reason?: number) => void log.push(`rejected ${reason}`),
  };
  return { open, log };
}

const from: Deno.Addr = { transport: "tcp", hostname: "192.0.2.1", port: 9 };

Deno.test("Connections are accepted in the order in which they came, and end when they are", async () => {
  const { listener, arrivals } = listening();
  const [one, two] = [arrival(), arrival()];
  const done: string[] = [];
  arrivals.add(one.open, from).then(() => done.push("one"));
  arrivals.add(two.open, from).then(() => done.push("two"));
  assertEquals([one.log, two.log], [[], []]);
  const conn = await listener.accept();
  assertEquals([conn.localAddr, conn.remoteAddr], [listener.addr, from]);
  assertEquals([one.log, two.log, done], [["accepted"], [], ["one"]]);
  await listener.accept();
  assertEquals([two.log, done], [["accepted"], ["one", "two"]]);
});

Deno.test("A connection that was closed before its accept ends, and the next one is accepted", async () => {
  const { listener, arrivals } = listening();
  const [gone, good] = [arrival(true), arrival()];
  const added = arrivals.add(gone.open, from);
  await assertRejects(() => listener.accept(), ClosedError, "gone");
  await added;
  arrivals.add(good.open, from);
  await listener.accept();
});

Deno.test("At most 128 connections wait to be accepted", async () => {
  const { listener, arrivals } = listening();
  const waiting = Array.from({ length: 128 }, () => arrival());
  const promises = waiting.map(({ open }) => arrivals.add(open, from));
  const extra = arrival();
  await arrivals.add(extra.open, from);
  assertEquals(extra.log, ["rejected 4"]);
  await listener.accept();
  const next = arrival();
  promises.push(arrivals.add(next.open, from));
  assertEquals(next.log, []);
  listener.close();
  await Promise.all(promises);
});

Deno.test("A pending accept gets the next connection, or the error of the end", async () => {
  const { listener, arrivals, over } = listening();
  const [one, two] = [listener.accept(), listener.accept()];
  arrivals.add(arrival().open, from);
  await one;
  const cause = new ConnectError("lost");
  over.resolve(cause);
  assertStrictEquals(await assertRejects(() => two), cause);
  assertStrictEquals(await assertRejects(() => listener.accept()), cause);
});

Deno.test("A closed listener accepts nothing, and is cancelled once", async () => {
  const { listener, arrivals, over, cancels } = listening();
  const waiting = arrival();
  const added = arrivals.add(waiting.open, from);
  listener.close();
  listener[Symbol.dispose]();
  await listener[Symbol.asyncDispose]();
  await added;
  over.resolve(new ConnectError("lost"));
  await over.promise;
  await assertRejects(() => listener.accept(), ClosedError, "The listener is closed");
  const late = arrival();
  await arrivals.add(late.open, from);
  assertEquals([waiting.log, late.log, cancels()], [[], [], 1]);
});

Deno.test("A listener's loop ends with its close, and throws at the end of the connection", async () => {
  const closed = listening();
  const seen: number[] = [];
  closed.arrivals.add(arrival().open, from);
  for await (const _conn of closed.listener) {
    seen.push(1);
    closed.listener.close();
  }
  assertEquals(seen, [1]);
  const lost = listening();
  lost.over.resolve(new ConnectError("lost"));
  await assertRejects(() => Array.fromAsync(lost.listener), ConnectError, "lost");
});

/** A connection from the server for a tunnel to a local port. */
Deno.test("A remote tunnel refuses a connection whose target is unreachable, and reports the reason", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const errors: unknown[] = [];
  const making = new Forwarding(through(connection, transport.closed)).remote({
    from: { port: 80 },
    to: `127.0.0.1:${freePort()}`,
    onError: (error) => errors.push(error),
  });
  await raw.next(MSG.GLOBAL_REQUEST);
  // It arrives before the tunnel exists.
  raw.send(tcp("localhost", 80));
  raw.send(granted);
  const tunnel = await making;
  assertEquals(await refusal(world), 2);
  await until(() => errors.length === 1 && tunnel.connections === 0);
  assert(errors[0] instanceof Deno.errors.ConnectionRefused);
  const closing = tunnel.close();
  const cancel = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(cancel.type, "cancel-tcpip-forward");
  raw.send(granted);
  await closing;
});

Deno.test("A refused remote tunnel refuses connections that arrived for it", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const making = new Forwarding(through(connection, transport.closed)).remote({
    from: { port: 80 },
    to: "127.0.0.1:1",
  });
  const failed = assertRejects(() => making, RequestDeniedError, "localhost port 80");
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(tcp("localhost", 80));
  raw.send(RequestFailure.encode({}));
  await failed;
  assertEquals(await refusal(world), 1);
});

Deno.test("A check of a SOCKS tunnel needs any answer of the server, and of a remote tunnel also the target", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  await using socks = await forwarding.socks({ port: 0 });
  for (const answer of [granted, RequestFailure.encode({})]) {
    const checking = socks.check();
    const request = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
    assertEquals([request.type, request.wantReply], ["keepalive@openssh.com", true]);
    raw.send(answer);
    assert(await checking);
  }
  const making = forwarding.remote({ from: { port: 80 }, to: "target:1" });
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(granted);
  const remote = await making;
  const { connect } = denoNet;
  let closed = 0;
  const conn = { setNoDelay() {}, close: () => void closed++ } as unknown as Deno.TcpConn;
  denoNet.connect = () => Promise.resolve(conn);
  try {
    const checking = remote.check();
    await raw.next(MSG.GLOBAL_REQUEST);
    raw.send(RequestFailure.encode({}));
    assertEquals([await checking, closed], [true, 1]);
    denoNet.connect = () => Promise.reject(new Error("refused"));
    assertEquals(await remote.check(), false);
  } finally {
    denoNet.connect = connect;
  }
});

/** Makes a remote tunnel to a target whose connections are `conn`. */
async function remoteTo(
  conn: Partial<Deno.TcpConn>,
  { raw, connection, transport }: RawWorld,
  onRenewed: TunnelConnection["onRenewed"] = () => {},
) {
  const connecting = replaced(denoNet, "connect", () => Promise.resolve(conn as Deno.TcpConn));
  const forwarding = new Forwarding({ ...through(connection, transport.closed), onRenewed });
  const making = forwarding.remote({ from: { port: 80 }, to: "target:1" });
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(granted);
  return { tunnel: await making, [Symbol.dispose]: () => connecting[Symbol.dispose]() };
}

Deno.test("A remote tunnel works after a reconnect once the server listens again", async () => {
  await using world = await rawWorld("client");
  const { raw, connection } = world;
  let renew: Parameters<TunnelConnection["onRenewed"]>[0] | undefined;
  using remote = await remoteTo({ setNoDelay() {}, close() {} }, world, (again) => renew = again);
  const { tunnel } = remote;
  const renewing = renew!(connection, new AbortController().signal);
  assertEquals(GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST)).type, "tcpip-forward");
  const asked = raw.next(MSG.GLOBAL_REQUEST);
  assertEquals(await Promise.race([tunnel.check(), asked]), false);
  raw.send(granted);
  await renewing;
  const checking = tunnel.check();
  await asked;
  raw.send(granted);
  assertEquals(await checking, true);
});

Deno.test("After a reconnect, a binding is requested, served and cancelled on the new connection", async () => {
  await using before = await rawWorld("client");
  await using world = await rawWorld("client");
  const { raw } = world;
  const bindings = new Bindings(before.connection);
  const address = { hostname: "a", port: 80 };
  const { binding } = await bound(before, bindings, address, (open) => open.reject(4));
  let isRenewed = false;
  const renewing = bindings.renew(world.connection, new AbortController().signal)
    .then(() => isRenewed = true);
  const { type, data } = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals([type, data], [
    "tcpip-forward",
    TcpipForward.encode({ address: "a", port: 80 }),
  ]);
  assertEquals([binding.isUp, isRenewed], [false, false]);
  raw.send(granted);
  await renewing;
  assertEquals(binding.isUp, true);
  raw.send(tcp("a", 80));
  assertEquals(await refusal(world), 4);
  const cancelling = binding.cancel();
  const cancel = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals([cancel.type, cancel.data], ["cancel-tcpip-forward", data]);
  raw.send(granted);
  await cancelling;
});

/** A binding that the server refuses to make again, until its request is granted. */
async function refusedAgain(world: RawWorld) {
  const { raw, connection } = world;
  const errors: RequestDeniedError[] = [];
  const bindings = new Bindings(connection);
  const { binding } = await bound(
    world,
    bindings,
    { hostname: "a", port: 80 },
    () => {},
    (error) => errors.push(error),
  );
  const over = new AbortController();
  const renewing = bindings.renew(connection, over.signal);
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(RequestFailure.encode({}));
  await renewing;
  return { binding, errors, over };
}

const isAsked = ({ raw }: RawWorld) =>
  raw.received.some(([number]) => number === MSG.GLOBAL_REQUEST);

Deno.test("A binding refused after a reconnect is requested again, after pauses of 0.2 to 30 seconds", async () => {
  await using world = await rawWorld("client");
  using time = new FakeTime();
  const { binding, errors } = await refusedAgain(world);
  const pauses = [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
  for (const [index, pause] of pauses.entries()) {
    assertEquals([errors.length, binding.isUp], [index + 1, false]);
    await time.advance(pause - 1);
    assert(!isAsked(world), `${pause}`);
    await time.advance(1);
    await world.raw.next(MSG.GLOBAL_REQUEST);
    world.raw.send(index === pauses.length - 1 ? granted : RequestFailure.encode({}));
    while (errors.length < index + 2 && !binding.isUp) await time.advance(0);
  }
  assertEquals([errors.length, binding.isUp, time.timers], [pauses.length, true, 0]);
});

Deno.test("A binding refused after a reconnect is forgotten once it is cancelled", async () => {
  await using world = await rawWorld("client");
  using time = new FakeTime();
  const { binding } = await refusedAgain(world);
  await binding.cancel();
  await time.advance(60_000);
  assert(!isAsked(world), "the server does not listen, and need not be asked");
});

Deno.test("A binding refused after a reconnect waits for the next one if the connection ends", async () => {
  await using world = await rawWorld("client");
  using time = new FakeTime();
  const { errors, over } = await refusedAgain(world);
  over.abort();
  await time.advance(60_000);
  assert(!isAsked(world));
  assertEquals(errors.length, 1);
});

Deno.test("A binding cancelled while it is requested again is cancelled at the server as well", async () => {
  await using world = await rawWorld("client");
  const { raw, connection } = world;
  const bindings = new Bindings(connection);
  const { binding } = await bound(world, bindings, { path: "/x" }, () => {});
  let isRenewed = false;
  const renewing = bindings.renew(connection, new AbortController().signal)
    .then(() => isRenewed = true);
  await raw.next(MSG.GLOBAL_REQUEST);
  await binding.cancel();
  assert(!isAsked(world));
  raw.send(granted);
  const { type } = GlobalRequest.decode(await raw.next(MSG.GLOBAL_REQUEST));
  assertEquals(type, "cancel-streamlocal-forward@openssh.com");
  assertEquals([binding.isUp, isRenewed], [false, false]);
  raw.send(granted);
  await renewing;
});

Deno.test("A connection that ends while bindings are requested again leaves them for the next one", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const errors: unknown[] = [];
  const bindings = new Bindings(connection);
  const { binding } = await bound(
    world,
    bindings,
    { hostname: "a", port: 80 },
    () => {},
    (error) => errors.push(error),
  );
  const renewing = bindings.renew(connection, new AbortController().signal);
  await raw.next(MSG.GLOBAL_REQUEST);
  transport.fail(new ConnectError("lost"));
  await renewing;
  assertEquals([errors, binding.isUp], [[], false]);
});

Deno.test("A connection to the target is closed if the SSH connection has ended meanwhile", async () => {
  await using world = await rawWorld("client");
  let closed = 0;
  const setNoDelay = () => world.transport.fail(new ConnectError("The line is dead"));
  using remote = await remoteTo({ setNoDelay, close: () => void closed++ }, world);
  world.raw.send(tcp("localhost", 80));
  await world.transport.closed;
  await until(() => remote.tunnel.connections === 0);
  assert(closed > 0);
});

Deno.test("The end of a SOCKS tunnel from the server closes the channels of clients that are silent", async () => {
  await using world = await rawWorld("client");
  using _time = new FakeTime(); // otherwise the handshake times out
  const { raw, connection, transport } = world;
  const making = new Forwarding(through(connection, transport.closed))
    .remoteSocks({ from: { port: 80 } });
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(granted);
  const tunnel = await making;
  raw.send(tcp("localhost", 80));
  await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
  const closing = tunnel.close();
  await raw.next(MSG.GLOBAL_REQUEST); // to cancel, after that
  assert(raw.received.some(([number]) => number === MSG.CHANNEL_CLOSE));
  raw.send(granted);
  await closing;
});

Deno.test("A check of a local tunnel opens a channel to its target, and closes it", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const tunnel = await new Forwarding(through(connection, transport.closed))
    .local({ from: { port: 0 }, to: "db:5432" });
  const answer = async (accept: boolean) => {
    const { sender: recipient, type, data } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
    const { address, port } = TcpipOpen.decode(data);
    assertEquals([type, address, port], ["direct-tcpip", "db", 5432]);
    raw.send(
      accept
        ? ChannelOpenConfirmation.encode({
          recipient,
          sender: 3,
          window: 1_000,
          maxPacket: 1_000,
          data: NOTHING,
        })
        : ChannelOpenFailure.encode({ recipient, reason: 2, description: "", language: "" }),
    );
  };
  const good = tunnel.check();
  await answer(true);
  assert(await good);
  await raw.next(MSG.CHANNEL_CLOSE);
  const bad = tunnel.check();
  await answer(false);
  assert(!await bad);
  await tunnel.close();
});
