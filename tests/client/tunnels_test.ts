/** sshtunnel's features: start, stop, restart, several binds, checks, and a gateway that reconnects. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  type Client,
  connect,
  ConnectError,
  type ConnectOptions,
  HostKeyError,
  none,
  openTunnels,
  password,
  RequestDeniedError,
  Tunnels,
  type TunnelsOptions,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions, serveStreams, type SshServer } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import { ask, echo, freed, until } from "../forward/world.ts";
import { freePort } from "../support/free_port.ts";
import { CutWorld } from "./cut_world.ts";

const hostKey = await generateKey();

function gateway(port = 0, options: Partial<ServeOptions> = {}): SshServer {
  return serve({
    port,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { none: () => true },
    forward: { local: () => true, remote: () => true },
    ...options,
  });
}

const way = (port: number): ConnectOptions => ({
  hostname: "127.0.0.1",
  port,
  user: "me",
  auth: [none()],
  hostKeys: hostKey.publicKey,
});

const ports = (tunnels: Tunnels) => tunnels.addrs.map((addr) => (addr as Deno.NetAddr).port);

Deno.test("Tunnels: several binds of every kind, start, stop and restart on the same ports", async () => {
  await using server = gateway();
  await using here = echo();
  const states: string[] = [];
  const options: TunnelsOptions = {
    local: [{ from: { port: 0 }, to: here.to }, { from: { port: 0 }, to: here.to }],
    remote: [{ from: { port: 0 }, to: here.to }],
    socks: [{ port: 0 }],
    onState: (state) => {
      states.push(state);
      throw new Error("who listens cannot hurt them");
    },
  };
  await using tunnels = new Tunnels(way(server.addr.port), options);
  assertEquals([tunnels.state, tunnels.addrs, tunnels.forwarders], ["stopped", [], []]);
  await tunnels.start();
  await tunnels.start(); // has been started
  const first = ports(tunnels);
  assertEquals(new Set(first).size, 4);
  for (const port of first.slice(0, 3)) assertEquals(await ask(port, "x"), "x");
  assertEquals((await tunnels.check()).map(({ up }) => up), [true, true, true, true]);
  assertEquals(tunnels.forwarders[0]!.bytesOut, 1);

  await tunnels.restart();
  assertEquals(ports(tunnels).slice(0, 2), first.slice(0, 2));
  assertEquals(ports(tunnels)[3], first[3]);
  assertEquals(await ask(first[0]!, "y"), "y");

  await tunnels.stop();
  await tunnels.stop();
  await tunnels.closed;
  assertEquals(server.connections, 0);
  for (const port of first) {
    await freed(port);
  }
  assertEquals((await tunnels.check()).map(({ up }) => up), [false, false, false, false]);
  assertEquals(states, ["starting", "up", "stopped", "starting", "up", "stopped"]);
});

Deno.test("Tunnels: stop() resolves when the ports are free", async () => {
  await using world = new CutWorld({ serve: { forward: { local: () => true } } });
  await using tunnels = await openTunnels(world.way, {
    local: [{ from: { port: 0 }, to: "a:1" }],
    socks: [{ port: 0 }],
  });
  const first = ports(tunnels);
  await tunnels.stop();
  for (const port of first) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("Tunnels: a restart requests the chosen port of the gateway, and another one if it is refused", async () => {
  const asked: number[] = [];
  let refused = 0;
  const remote = (on: object) => {
    const port = "port" in on ? on.port as number : -1;
    asked.push(port);
    return port !== refused || port === 0;
  };
  await using server = gateway(0, { forward: { remote } });
  const specs = { remote: [{ from: { port: 0 }, to: "127.0.0.1:1" }] };
  await using tunnels = await openTunnels(way(server.addr.port), specs);
  const [first] = ports(tunnels);
  refused = first!;
  await tunnels.restart();
  assertEquals(asked, [0, first, 0]);
  const [second] = ports(tunnels);
  await tunnels.stop();
  await tunnels.start();
  assertEquals(asked.slice(0, 4), [0, first, 0, second]);
});

Deno.test("Tunnels: a check finds the tunnel without a reachable target", async () => {
  await using server = gateway();
  await using here = echo();
  await using tunnels = await openTunnels(way(server.addr.port), {
    local: [{ from: { port: 0 }, to: here.to }, {
      from: { port: 0 },
      to: `127.0.0.1:${freePort()}`,
    }],
  });
  const checks = await tunnels.check();
  assertEquals(checks.map(({ up }) => up), [true, false]);
  assertEquals(checks.map(({ addr }) => addr), [...tunnels.addrs]);
  const reason = new Error("no time");
  await assertRejects(() => tunnels.check({ signal: AbortSignal.abort(reason) }), Error, "no time");
});

Deno.test("Tunnels: they resume with the gateway, on the same ports", async () => {
  const first = gateway();
  const { port } = first.addr;
  await using here = echo();
  const states: string[] = [];
  await using tunnels = await openTunnels(way(port), {
    local: [{ from: { port: 0 }, to: here.to }],
    retryDelay: 1,
    maxRetryDelay: 4,
    onState: (state) => states.push(state),
  });
  const [own] = ports(tunnels);
  await first.shutdown();
  // At least one more attempt has failed.
  await until(() => states.filter((state) => state === "down").length > 2);
  assertEquals([tunnels.state, tunnels.forwarders.length], ["down", 0]);
  assertEquals((await tunnels.check())[0]!.up, false);
  await using _second = gateway(port);
  await until(() => tunnels.state === "up");
  assertEquals(ports(tunnels), [own]);
  assertEquals(await ask(own!, "again"), "again");
});

Deno.test("Tunnels: without reconnect the loss of the gateway ends them with its error", async () => {
  const server = gateway();
  await using tunnels = await openTunnels(way(server.addr.port), {
    socks: [{ port: 0 }],
    reconnect: false,
  });
  const closed = assertRejects(() => tunnels.closed);
  await server.shutdown();
  await closed;
  assertEquals(tunnels.state, "failed");
});

Deno.test("Tunnels: a gateway that returns with a different host key is not retried", async () => {
  const first = gateway();
  const { port } = first.addr;
  await using tunnels = await openTunnels(way(port), { socks: [{ port: 0 }], retryDelay: 1 });
  const closed = assertRejects(() => tunnels.closed, HostKeyError);
  await first.shutdown();
  await using _other = gateway(port, { hostKeys: [await generateKey()] });
  await closed;
  assertEquals(tunnels.state, "failed");
});

for (const given of ["options", "a function"]) {
  Deno.test(`Tunnels: a gateway given by ${given} must keep its host key; options log in without questions`, async () => {
    const served = { hostKeys: [await generateKey()], auth: { password: () => true } };
    let asked = 0;
    await using world = new CutWorld({
      serve: served,
      connect: { hostKeys: () => true, auth: [password(() => `${asked++}`)], resilient: false },
    });
    const gateway = given === "options" ? world.way : () => world.connect();
    const specs = { socks: [{ port: 0 }], retryDelay: 1 };
    await using tunnels = await openTunnels(gateway, specs);
    world.cut();
    await until(() => world.made === 2 && tunnels.state === "up");
    assertEquals(asked, given === "options" ? 1 : 2);
    served.hostKeys = [await generateKey()];
    world.cut();
    await until(() => world.made === 3 && ["up", "failed"].includes(tunnels.state));
    assertEquals(tunnels.state, "failed");
    await assertRejects(() => tunnels.closed, HostKeyError, "not the key of the first");
  });
}

Deno.test("Tunnels: a gateway with a connection of its own, or a control socket, is connected to", async () => {
  const [near, far] = memoryPair();
  const served = serveStreams(far, { hostKeys: [hostKey], auth: { none: () => true } });
  const { hostname: _no, port: _none, ...others } = way(0);
  const specs = { socks: [{ port: 0 }], reconnect: false };
  await using tunnels = await openTunnels({ ...others, transport: near }, specs);
  assertEquals(tunnels.state, "up");
  await tunnels.stop();
  await served.close();
  const socket = { ...way(1), controlPath: "/there/is/none" };
  await assertRejects(() => openTunnels(socket, specs), ConnectError); // of a new connection
});

Deno.test("Tunnels: a failed start is an error, releases everything, and can be repeated", async () => {
  const port = freePort();
  await using tunnels = new Tunnels(way(port), { socks: [{ port: 0 }] });
  await assertRejects(() => tunnels.start(), ConnectError);
  assertEquals(tunnels.state, "failed");
  await using server = gateway(port, { forward: { local: () => true } });
  await tunnels.start();
  assertEquals(tunnels.state, "up");

  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const from = { port: (taken.addr as Deno.NetAddr).port };
  const local = [{ from: { port: 0 }, to: "a:1" }, { from, to: "a:1" }];
  await assertRejects(() => openTunnels(way(port), { local }), Deno.errors.AddrInUse);
  const remote = [{ from: { port: 0 }, to: "a:1" }];
  await assertRejects(() => openTunnels(way(port), { remote }), RequestDeniedError);
  await tunnels.stop();
  await until(() => server.connections === 0);
  assertThrows(() => new Tunnels(way(port), {}), TypeError, "No tunnel");
  for (const wrong of ["8080:db:5432", { from: { port: 0 } }, { to: "a:1" }]) {
    for (const side of ["local", "remote"]) {
      const options = { [side]: [wrong] };
      assertThrows(() => new Tunnels(way(port), options), TypeError, "A tunnel must be { from");
    }
  }
  const away = [{ from: { port: 70_000 }, to: "a:1" }];
  assertThrows(() => new Tunnels(way(port), { local: away }), RangeError, "not 70000");
  assertThrows(() => new Tunnels(way(port), { socks: [{ port: -1 }] }), RangeError, "not -1");
});

Deno.test("Tunnels: an abort stops them at any time: while connecting, up or waiting", async () => {
  const server = gateway();
  const { port } = server.addr;
  const started = async (when: "starting" | "up" | "down"): Promise<Tunnels> => {
    const aborter = new AbortController();
    const tunnels = new Tunnels(way(port), {
      socks: [{ port: 0 }],
      retryDelay: 60_000,
      signal: aborter.signal,
      onState: (state) => {
        if (state === when) queueMicrotask(() => aborter.abort(new Error("enough")));
      },
    });
    const starting = tunnels.start();
    if (when === "starting") await assertRejects(() => starting);
    else await starting;
    if (when === "down") await server.shutdown();
    await until(() => tunnels.state === "stopped");
    await tunnels.closed;
    await assertRejects(() => tunnels.start(), Error, "enough");
    return tunnels;
  };
  await started("starting");
  await started("up");
  await started("down");
});

Deno.test("Tunnels: a function can provide the client, for example through jump hosts", async () => {
  await using outer = gateway();
  await using inner = gateway();
  await using here = echo();
  let jumped: Client | null = null;
  await using tunnels = await openTunnels(async (signal) => {
    const jump = way(outer.addr.port);
    return jumped = await connect({ ...way(inner.addr.port), jump, signal });
  }, { local: [{ from: { port: 0 }, to: here.to }] });
  assertEquals(await ask(ports(tunnels)[0]!, "far"), "far");
  assertInstanceOf(jumped, Object);
  await tunnels.stop();
  await (jumped as unknown as Client).closed; // taken over
  assert(outer.connections === 0 || (await until(() => outer.connections === 0), true));
});

Deno.test("Tunnels: a connection's error is reported, and ends no tunnel", async () => {
  await using server = gateway();
  await using here = echo();
  const errors: unknown[] = [];
  await using tunnels = await openTunnels(way(server.addr.port), {
    local: [{ from: { port: 0 }, to: `127.0.0.1:${freePort()}` }, {
      from: { port: 0 },
      to: here.to,
    }],
    onError: (error) => errors.push(error),
  });
  assertEquals(await ask(ports(tunnels)[0]!, "x").catch(() => ""), "");
  await until(() => errors.length === 1);
  assertEquals(await ask(ports(tunnels)[1]!, "y"), "y");
});
