/** Features of all tunnels, and local tunnels on a listener in memory. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import { ClosedError, ConnectError, DisconnectError } from "../../lib/errors.ts";
import { type BindAddress, bindOf, describe, targetOf } from "../../lib/forward/address.ts";
import { Tunnel, type TunnelParts } from "../../lib/forward/forwarder.ts";
import { localTunnel, type Router } from "../../lib/forward/local.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { sessionPair } from "../connection/session_pair.ts";
import { until } from "../connection/until.ts";
import { FakeListener } from "../support/fake_listener.ts";
import { decode, encode } from "./world.ts";

const addr: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };

interface World {
  readonly tunnel: Tunnel<Deno.NetAddr>;
  readonly over: PromiseWithResolvers<unknown>;
  readonly errors: unknown[];
  stops: number;
  probe: (signal: AbortSignal) => Promise<void>;
}

function world(parts: Partial<TunnelParts<Deno.NetAddr>> = {}): World {
  const over = Promise.withResolvers<unknown>();
  const errors: unknown[] = [];
  const made: World = {
    over,
    errors,
    stops: 0,
    probe: () => Promise.resolve(),
    tunnel: new Tunnel({
      addr,
      over: over.promise,
      probe: (signal) => made.probe(signal),
      stop: () => Promise.resolve(void made.stops++),
      onError: (error) => errors.push(error),
      ...parts,
    }),
  };
  return made;
}

const life = () => Promise.withResolvers<void>();

/** Whether a promise is still pending after a turn of the event loop. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const done = () => void (settled = true);
  promise.then(done, done);
  await new Promise((resolve) => setTimeout(resolve));
  return !settled;
}

Deno.test("A tunnel counts the connections that go through it until they end", async () => {
  const { tunnel, errors } = world();
  const [one, two] = [life(), life()];
  const lives = [tunnel.run(() => one.promise), tunnel.run(() => two.promise)];
  assertEquals([tunnel.addr, tunnel.connections], [addr, 2]);
  one.resolve();
  await lives[0];
  assertEquals(tunnel.connections, 1);
  const error = new Error("reset");
  two.reject(error);
  await lives[1];
  assertEquals([tunnel.connections, errors], [0, [error]]);
  await tunnel.close();
});

Deno.test("A tunnel's close stops it once, ends its connections and waits for them", async () => {
  const made = world();
  const { tunnel } = made;
  const one = life();
  tunnel.run(() => one.promise);
  const closing = tunnel.close();
  assert(tunnel.signal.aborted);
  assert(tunnel.signal.reason instanceof ClosedError);
  assert(await isPending(closing));
  assert(await isPending(tunnel.closed));
  const again = tunnel[Symbol.asyncDispose]();
  one.reject(new Error("ended by the close: not told"));
  await Promise.all([closing, again, tunnel.closed]);
  assertEquals([made.stops, made.errors], [1, []]);
});

Deno.test("A callback that throws affects neither the end of the connection nor the tunnel", async () => {
  const { tunnel } = world({
    onError: () => {
      throw new Error("broken log");
    },
  });
  await tunnel.run(() => Promise.reject(new Error("x")));
  assertEquals(tunnel.connections, 0);
  const silent = world({ onError: undefined });
  await silent.tunnel.run(() => Promise.reject(new Error("x")));
  await Promise.all([tunnel.close(), silent.tunnel.close()]);
});

Deno.test("A tunnel ends with its SSH connection, without an error if we closed that", async () => {
  const lost = world();
  const cause = new ConnectError("lost");
  lost.over.resolve(cause);
  assertStrictEquals(await assertRejects(() => lost.tunnel.closed), cause);
  assertStrictEquals(lost.tunnel.signal.reason, cause);
  const theirs = world();
  theirs.over.resolve(new DisconnectError(11, "peer", "bye"));
  await assertRejects(() => theirs.tunnel.closed, DisconnectError);
  const ours = world();
  ours.over.resolve(new DisconnectError(11, "us", "bye"));
  await ours.tunnel.closed;
  assertEquals(await ours.tunnel.check(), false);
  await Promise.all([lost, theirs, ours].map(({ tunnel }) => tunnel.close()));
  assertEquals([lost.stops, theirs.stops, ours.stops], [1, 1, 1]);
  const made = world();
  const closing = made.tunnel.close();
  made.over.resolve(cause);
  await closing;
  await made.tunnel.closed;
});

Deno.test("close() waits until a tunnel whose SSH connection has ended does not listen any more", async () => {
  const stopped = life();
  const { tunnel, over } = world({ stop: () => stopped.promise });
  over.resolve(new ConnectError("lost"));
  await assertRejects(() => tunnel.closed, ConnectError);
  const closing = tunnel.close();
  assert(await isPending(closing));
  stopped.resolve();
  await closing;
});

Deno.test("A check returns whether the probe succeeds, and throws only the reason of its signal", async () => {
  const made = world();
  const { tunnel } = made;
  assertEquals(await tunnel.check(), true);
  made.probe = () => Promise.reject(new Error("refused"));
  assertEquals(await tunnel.check(), false);
  const controller = new AbortController();
  made.probe = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const checking = tunnel.check({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => checking, Error, "enough");
  let probes = 0;
  made.probe = () => Promise.resolve(void probes++);
  const signal = AbortSignal.abort(new Error("before"));
  await assertRejects(() => tunnel.check({ signal }), Error, "before");
  await tunnel.close();
  assertEquals([await tunnel.check(), probes], [false, 0]);
});

Deno.test("A pending check ends with the tunnel", async () => {
  for (const options of [{}, { signal: new AbortController().signal }]) {
    const made = world();
    made.probe = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const checking = made.tunnel.check(options);
    await made.tunnel.close();
    assertEquals(await checking, false);
  }
});

/** A local tunnel on a listener in memory. */
function startLocal(router: Router, from: BindAddress = { port: 0 }) {
  const listener = new FakeListener("127.0.0.1", 4242);
  const asked: unknown[] = [];
  const { listen } = denoNet;
  denoNet.listen = (options) => {
    asked.push(options);
    return listener as unknown as Deno.TcpListener;
  };
  const errors: unknown[] = [];
  try {
    const tunnel = localTunnel(from, router, {
      over: new Promise(() => {}),
      probe: () => Promise.resolve(),
      onError: (error) => errors.push(error),
    });
    return { tunnel, listener, errors, asked };
  } finally {
    denoNet.listen = listen;
  }
}

Deno.test("A local tunnel listens on loopback by default, and carries connections", async () => {
  await using pair = await sessionPair();
  const routed: [Deno.Addr, AbortSignal][] = [];
  const { tunnel, listener, asked, errors } = startLocal((conn, signal) => {
    routed.push([conn.remoteAddr, signal]);
    return Promise.resolve({ channel: pair.client, early: encode("early ") });
  });
  assertEquals(asked, [{ hostname: "127.0.0.1", port: 0 }]);
  assertEquals(tunnel.addr, listener.addr);
  const streams = listener.dial("127.0.0.1");
  const writer = streams.writable.getWriter();
  await writer.write(encode("late"));
  await writer.close();
  assertEquals(decode(await pair.server.readAll()), "early late");
  await pair.server.closeWrite();
  await until(() => tunnel.connections === 0);
  assertEquals([tunnel.bytesOut, errors], [10, []]);
  assertStrictEquals(routed[0]![1], tunnel.signal);
  assertEquals((routed[0]![0] as Deno.NetAddr).port, 50_000);
  await tunnel.close();
  assert(listener.isClosed);
});

Deno.test("A local tunnel closes a connection whose target fails, reports it, and accepts the next", async () => {
  const error = new Error("no route");
  const { tunnel, listener, errors } = startLocal(() => Promise.reject(error));
  for (let i = 0; i < 2; i++) {
    const reader = listener.dial("127.0.0.1").readable.getReader();
    const { done } = await reader.read().catch(() => ({ done: true }));
    assert(done);
  }
  await until(() => errors.length === 2);
  assertEquals(errors, [error, error]);
  await tunnel.close();
});

Deno.test("Closing a local tunnel closes connections that are not yet connected", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const { tunnel, listener } = startLocal((_conn, signal) => {
    asked.resolve(signal);
    return new Promise<{ channel: Channel }>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  });
  const reader = listener.dial("127.0.0.1").readable.getReader();
  await asked.promise;
  await tunnel.close();
  const { done } = await reader.read().catch(() => ({ done: true }));
  assert(done);
  assertEquals(tunnel.connections, 0);
});

const binds: [BindAddress, unknown][] = [
  [{ port: 0 }, { hostname: "here", port: 0 }],
  [{ port: 65_535, hostname: "" }, { hostname: "", port: 65_535 }],
  [{ port: 1, hostname: "x".repeat(255) }, { hostname: "x".repeat(255), port: 1 }],
  [{ path: "/run/x" }, { path: "/run/x" }],
  [{ port: -1 }, RangeError],
  [{ port: 65_536 }, RangeError],
  [{ port: 0.5 }, RangeError],
  [{ port: 1, hostname: "x".repeat(256) }, TypeError],
  [{ port: 1, hostname: "a b" }, TypeError],
  [{ port: 1, hostname: "a\x7f" }, TypeError],
  [{ path: "" }, TypeError],
  [{ path: "a\0" }, TypeError],
];
for (const [bind, expected] of binds) {
  Deno.test(`The listen address is checked: ${JSON.stringify(bind).slice(0, 40)}`, () => {
    let result: unknown;
    try {
      result = bindOf(bind, "here");
    } catch (error) {
      result = (error as Error).constructor;
    }
    assertEquals(result, expected);
  });
}

Deno.test("Addresses are safe to print", () => {
  assertEquals(describe({ hostname: "db", port: 80 }), "db port 80");
  assertEquals(describe({ hostname: "", port: 80 }), "* port 80");
  assertEquals(describe({ hostname: "\x1b[2J", port: 80 }), "[2J port 80");
  assertEquals(describe({ path: "/run/\x07x" }), "/run/x");
});

Deno.test("An address is copied, so that a later change of the caller's has no effect", () => {
  for (const address of [{ path: "/run/x" }, { hostname: "db", port: 80 }]) {
    const checked = targetOf(address);
    Object.assign(address, { path: "", hostname: "other" });
    assertEquals(
      "path" in checked ? checked.path : checked.hostname,
      "port" in checked ? "db" : "/run/x",
    );
  }
});

Deno.test("A text that is not a target is refused with the forms of one", () => {
  for (const text of ["db", "db:", "db:port", "db:123456", "::1:80", "[::1]80", ""]) {
    assertThrows(
      () => targetOf(text),
      TypeError,
      `Cannot parse "${text}": expected host:port, [v6]:port or /path`,
    );
  }
});
