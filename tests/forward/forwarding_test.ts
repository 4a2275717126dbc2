/** What a client's tunnels ask of its connection, and what they tell when it fails. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ChannelOpenError, ConnectError } from "@denossh/ssh";
import { Forwarding, type TunnelConnection } from "../../lib/forward/forwarding.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import {
  ChannelOpen,
  ChannelOpenFailure,
  GlobalRequest,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { TcpipForward, TcpipOpen } from "../../lib/wire/requests.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { until } from "../connection/until.ts";
import { FakeListener } from "../support/fake_listener.ts";
import { replaced } from "../support/replaced.ts";
import { through } from "./world.ts";

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
  const start = (length: number) => {
    const credentials = { username: "ann", password: "é".repeat(length) };
    return forwarding.socks({ port: 0, credentials });
  };
  await assertRejects(() => start(128), RangeError, "The password must be 1 to 255 bytes");
  await assertRejects(() => start(0), RangeError, "The password must be 1 to 255 bytes");
  await using _tunnel = await start(127);
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
