/** Limits on connections, on a server that listens in memory. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type AuthMethod,
  type Client,
  connect,
  DisconnectError,
  HostKeyError,
  none,
  password,
  publicKey,
  SshError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import type { ServeOptions } from "@denossh/ssh/server";
import type { ByteStreams } from "@denossh/ssh/testing";
import { CLOSE_LINGER_MS } from "../../lib/defaults.ts";
import { Startups } from "../../lib/server/startups.ts";
import { until } from "../connection/until.ts";
import { type MemoryServer, serveInMemory } from "../support/fake_listener.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import "../support/quick_refusals.ts";

const hostKey = await generateKey("ed25519");
const options = {
  hostKeys: [hostKey],
  auth: { none: (user) => user === "ann", password: (_user, secret) => secret === "right" },
} satisfies ServeOptions;

/** A client that connects and is silent. */
interface Stranger extends AsyncDisposable {
  /** Whether the server answers it. */
  readonly isServed: boolean;
}

async function stranger(server: MemoryServer, from: string): Promise<Stranger> {
  const streams = server.dial(from);
  const reader = streams.readable.getReader();
  const { done } = await reader.read().catch(() => ({ done: true }));
  return {
    isServed: !done,
    async [Symbol.asyncDispose]() {
      await reader.cancel().catch(() => {});
      await streams.writable.abort().catch(() => {});
    },
  };
}

async function isServed(server: MemoryServer, from: string): Promise<boolean> {
  await using one = await stranger(server, from);
  return one.isServed;
}

async function logIn(
  transport: ByteStreams,
  user: string,
  ...auth: AuthMethod[]
): Promise<Client> {
  const host = await connect({ transport, user, auth, hostKeys: hostKey.publicKey, config: false });
  // The server answers this after it has recorded the login.
  await host.request("keepalive@openssh.com");
  return host;
}

Deno.test("Unauthenticated connections are counted per source", async () => {
  await using server = serveInMemory({ ...options, maxStartupsPerSource: 2 });
  await using one = await stranger(server, "192.0.2.1");
  await using two = await stranger(server, "192.0.2.1");
  assertEquals([one.isServed, two.isServed], [true, true]);
  assert(!await isServed(server, "192.0.2.1"));
  assert(await isServed(server, "192.0.2.2"));
});

Deno.test("All addresses of an IPv6 network count as one source", async () => {
  await using server = serveInMemory({ ...options, maxStartupsPerSource: 1 });
  await using one = await stranger(server, "2001:db8::1");
  assert(one.isServed);
  assert(!await isServed(server, "2001:db8::ffff:2"));
  assert(await isServed(server, "2001:db8:0:1::1"));
});

for (
  const [what, leave] of [
    ["hangs up", async (server) => {
      const connected = server.server.connections;
      await using _gone = await stranger(server, "192.0.2.1");
      await _gone[Symbol.asyncDispose]();
      await until(() => server.server.connections === connected);
    }],
    ["fails to log in", async (server) => {
      await assertRejects(() => logIn(server.dial("192.0.2.1"), "bob", none()), SshError);
      await until(() => server.server.connections === 1);
    }],
  ] satisfies [string, (server: MemoryServer) => Promise<void>][]
) {
  Deno.test(`A source that ${what} frees its slot, once`, async () => {
    await using server = serveInMemory({ ...options, maxStartupsPerSource: 2 });
    await using _one = await stranger(server, "192.0.2.1");
    await leave(server);
    await leave(server);
    await using two = await stranger(server, "192.0.2.1");
    assert(two.isServed);
    assert(!await isServed(server, "192.0.2.1"));
  });
}

Deno.test("A login frees the source's slot, and its end does not free it again", async () => {
  await using server = serveInMemory({ ...options, maxStartupsPerSource: 1 });
  const host = await logIn(server.dial("192.0.2.1"), "ann", none());
  await using one = await stranger(server, "192.0.2.1");
  assert(one.isServed);
  await host.close();
  await until(() => server.server.connections === 1);
  assert(!await isServed(server, "192.0.2.1"));
});

Deno.test("By default any number of a source's connections may wait to log in", async () => {
  await using server = serveInMemory(options);
  await using strangers = new AsyncDisposableStack();
  for (let i = 0; i < 10; i++) {
    assert(strangers.use(await stranger(server, "192.0.2.1")).isServed);
  }
});

/** Which of sequential connections are served, by the random numbers. */
async function served(server: MemoryServer, draws: number[]): Promise<boolean[]> {
  await using strangers = new AsyncDisposableStack();
  const { random } = Math;
  const result: boolean[] = [];
  try {
    for (const draw of draws) {
      Math.random = () => draw;
      result.push(strangers.use(await stranger(server, "192.0.2.1")).isServed);
    }
  } finally {
    Math.random = random;
  }
  return result;
}

Deno.test("MaxStartups drops a growing share from begin on, and all at full", async () => {
  const maxStartups = { begin: 2, rate: 30, full: 4 };
  await using server = serveInMemory({ ...options, maxStartups });
  // Two are always served. The third is dropped with 30 %, the fourth with 65 %.
  const draws = [0, 0, 0.29, 0.3, 0.64, 0.65, 0.999];
  assertEquals(await served(server, draws), [true, true, false, true, false, true, false]);
});

Deno.test("MaxStartups is 10:30:100 by default", async () => {
  await using server = serveInMemory(options);
  const draws = [...Array(10).fill(0), 0.299, 0.3];
  assertEquals(await served(server, draws), [...Array(10).fill(true), false, true]);
});

Deno.test("MaxStartups with full not above begin drops all from there on", async () => {
  await using server = serveInMemory({
    ...options,
    maxStartups: { begin: 1, rate: 0, full: 1 },
  });
  assertEquals(await served(server, [0.999, 0.999]), [true, false]);
});

Deno.test("A limit that maxStartups leaves undefined is the default", () => {
  const { random } = Math;
  try {
    Math.random = () => 0.999;
    const limits = [[{ begin: 1 }, 100], [{ rate: 100 }, 10], [{ full: 20 }, 20]] as const;
    for (const [given, most] of limits) {
      const maxStartups = { begin: undefined, rate: undefined, full: undefined, ...given };
      const startups = new Startups({ maxStartups: maxStartups as never });
      let admitted = 0;
      while (startups.admit("192.0.2.1") !== null) admitted++;
      assertEquals(admitted, most);
    }
  } finally {
    Math.random = random;
  }
});

Deno.test("Nothing is stored for a source without connections", () => {
  const startups = new Startups({ maxStartupsPerSource: 2 });
  const one = startups.admit("192.0.2.1");
  const two = startups.admit("192.0.2.1");
  const other = startups.admit("192.0.2.2");
  assertEquals([startups.admit("192.0.2.1"), startups.sources], [null, 2]);
  one![Symbol.dispose]();
  other![Symbol.dispose]();
  assertEquals(startups.sources, 1);
  two![Symbol.dispose]();
  assertEquals(startups.sources, 0);
});

Deno.test("MaxStartups counts neither logged-in nor closed connections", async () => {
  await using server = serveInMemory({
    ...options,
    maxStartups: { begin: 1, rate: 100, full: 1 },
  });
  await using _one = await logIn(server.dial("192.0.2.1"), "ann", none());
  await using _two = await logIn(server.dial("192.0.2.1"), "ann", none());
  for (let i = 0; i < 3; i++) {
    assert(await isServed(server, "192.0.2.1"));
    await until(() => server.server.connections === 2);
  }
});

Deno.test("A failed accept is reported, and the server accepts the next connection", async () => {
  const errors: unknown[] = [];
  await using server = serveInMemory({
    ...options,
    onError: (...args) => errors.push(args),
  });
  const error = new Error("Too many open files");
  server.failAccept(error);
  assert(await isServed(server, "192.0.2.1"));
  assertEquals(errors[0], [error, null]);
  assertEquals(server.isClosed, false);
});

Deno.test("Accepting pauses after each failure, so that a lack of descriptors does not spin", async () => {
  using time = new FakeTime();
  await using server = serveInMemory(options);
  for (let i = 0; i < 100; i++) server.failAccept(new Error("Too many open files"));
  await time.advance(49);
  assertEquals(server.accepted, 5);
  await time.settle(isServed(server, "192.0.2.1"));
});

Deno.test("A server without onError survives errors", async () => {
  await using server = serveInMemory(options);
  server.failAccept(new Error("Too many open files"));
  assert(await isServed(server, "192.0.2.1"));
});

Deno.test("A server that stops closes its listener, refuses new connections, and ends", async () => {
  const controller = new AbortController();
  await using server = serveInMemory({ ...options, signal: controller.signal });
  const host = await logIn(server.dial("192.0.2.1"), "ann", none());
  await using _silent = await stranger(server, "192.0.2.1");
  assertEquals(server.server.connections, 2);
  controller.abort();
  assert(server.isClosed);
  await server.server.finished;
  assertEquals(server.server.connections, 0);
  await assertRejects(() => host.closed, SshError, "The server is shutting down");
  await server.server.shutdown();
});

Deno.test("A server that has ended, or never began, leaves no listener on its signal", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  using _add = replaced(signal, "addEventListener", () => void listeners++);
  using _remove = replaced(signal, "removeEventListener", () => void listeners--);
  {
    await using _server = serveInMemory({ ...options, signal });
    assertEquals(listeners, 1);
  }
  assertEquals(listeners, 0);
  const onListen = () => {
    throw new Error("a mistake");
  };
  assertThrows(() => serveInMemory({ ...options, signal, onListen }), Error, "a mistake");
  assertEquals(listeners, 0);
});

Deno.test("A server that was stopped by its signal can be shut down, any number of times", async () => {
  const controller = new AbortController();
  await using server = serveInMemory({ ...options, signal: controller.signal });
  const host = await logIn(server.dial("192.0.2.1"), "ann", none());
  controller.abort();
  await Promise.all([server.server.shutdown(), server.server.shutdown()]);
  await server.server.shutdown();
  await assertRejects(() => host.closed, DisconnectError, "The server is shutting down");
});

Deno.test("A shutdown waits until each client has been told, and its socket is closed", async () => {
  using time = new FakeTime();
  const server = serveInMemory({ ...options, loginGraceTime: 0 });
  const streams = server.dial("192.0.2.1");
  const writer = streams.writable.getWriter();
  await writer.write(new TextEncoder().encode("SSH-2.0-client\r\n"));
  await time.advance(0);
  let ended = false;
  const stopping = server.server.shutdown().then(() => ended = true);
  await time.advance(CLOSE_LINGER_MS - 1); // the client does not read the message
  assertEquals([ended, server.server.connections], [false, 1]);
  await time.advance(1);
  assertEquals([ended, server.server.connections, time.timers], [true, 0, 0]);
  await stopping;
  await Promise.allSettled([streams.readable.cancel(), writer.abort()]);
});

Deno.test("serve listens on port 22 of all addresses by default", async () => {
  await using usual = serveInMemory(options);
  await using other = serveInMemory({ ...options, port: 2222, hostname: "127.0.0.1" });
  await using shared = serveInMemory({ ...options, reusePort: true });
  assertEquals(shared.listened, [{ port: 22, reusePort: true }]);
  assertEquals([usual.listened, other.listened], [[{ port: 22 }], [{
    port: 2222,
    hostname: "127.0.0.1",
  }]]);
  await using free = serveInMemory({ ...options, port: 0, hostname: "" });
  assertEquals(free.listened, [{ port: 0, hostname: "" }]);
});

Deno.test("serve does not listen if its signal is already aborted", () => {
  const signal = AbortSignal.abort(new Error("never mind"));
  let error: unknown;
  try {
    serveInMemory({ ...options, signal });
  } catch (thrown) {
    error = thrown;
  }
  assertStrictEquals(error, signal.reason);
});

Deno.test("A connection that arrives during the server's stop is closed silently", async () => {
  const server = serveInMemory(options);
  const streams = server.dial("192.0.2.1");
  const stopping = server.server.shutdown();
  const { done } = await streams.readable.getReader().read().catch(() => ({ done: true }));
  assert(done);
  await stopping;
});

Deno.test("onListen gets the address, and onError reports clients that disconnect abruptly", async () => {
  const told: unknown[] = [];
  await using server = serveInMemory({
    ...options,
    onListen: (addr) => told.push(addr),
    onError: (error, remoteAddr) =>
      told.push([error instanceof SshError, (remoteAddr as Deno.NetAddr).hostname]),
  });
  assertEquals(told, [server.server.addr]);
  await (await logIn(server.dial("192.0.2.1"), "ann", none())).close();
  await until(() => server.server.connections === 0);
  assertEquals(told.length, 1);
  assert(await isServed(server, "192.0.2.7"));
  await until(() => server.server.connections === 0);
  assertEquals(told.slice(1), [[true, "192.0.2.7"]]);
});

Deno.test("A client's DISCONNECT with an error reason is reported", async () => {
  const told: unknown[] = [];
  await using server = serveInMemory({ ...options, onError: (error) => told.push(error) });
  const other = (await generateKey("ed25519")).publicKey;
  const transport = server.dial("192.0.2.1");
  const connecting = connect({ transport, user: "ann", auth: [none()], hostKeys: other });
  await assertRejects(() => connecting, HostKeyError);
  await until(() => server.server.connections === 0);
  const [error] = told;
  assert(error instanceof DisconnectError && told.length === 1, String(error));
  assertEquals(error.reason, 9);
});

Deno.test("A shutdown resolves when each connection has ended", async () => {
  await using server = serveInMemory(options);
  await using _host = await logIn(server.dial("192.0.2.1"), "ann", none());
  await server.server.shutdown();
  assertEquals(server.server.connections, 0);
});

/** Whether an offence makes the server refuse its source, if only this offence has a penalty. */
async function isRefusedAfter(
  offend: (server: MemoryServer) => Promise<unknown>,
  penalties: ServeOptions["penalties"],
  others: Partial<ServeOptions> = {},
): Promise<boolean> {
  await using server = serveInMemory({
    ...options,
    ...others,
    penalties: { authFail: 0, invalidUser: 0, noAuth: 0, graceExceeded: 0, min: 100, ...penalties },
  });
  await offend(server);
  await until(() => server.server.connections === 0);
  assert(await isServed(server, "192.0.2.2"));
  return !await isServed(server, "192.0.2.1");
}

Deno.test("An unknown user is a separate offence, and makes no other difference", async () => {
  const asked: string[] = [];
  const auth = {
    ...options.auth,
    isUser: (user: string) => {
      asked.push(user);
      return user === "ann";
    },
  };
  const tries = (user: string) => (server: MemoryServer) =>
    assertRejects(
      () => logIn(server.dial("192.0.2.1"), user, none(), password("wrong"), password("bad")),
      SshError,
      "rejected every one",
    );
  const others = { auth: { ...auth, none: () => false } };
  for (const kind of ["authFail", "invalidUser"] as const) {
    assertEquals(
      await isRefusedAfter(tries("bob"), { [kind]: 100_000 }, others),
      kind === "invalidUser",
    );
    assertEquals(
      await isRefusedAfter(tries("ann"), { [kind]: 100_000 }, others),
      kind === "authFail",
    );
  }
  assertEquals(asked, ["bob", "ann", "bob", "ann"]); // once a connection
  for (const broken of [() => new Promise<boolean>(() => {}), () => Promise.reject(new Error())]) {
    const hanging = { auth: { ...others.auth, isUser: broken } };
    assert(await isRefusedAfter(tries("bob"), { authFail: 100_000 }, hanging));
  }
});

Deno.test("isUser knows a user only by true", async () => {
  for (const answer of [true, Promise.resolve(true), 1, "ann", {}, undefined, Promise.resolve(1)]) {
    const auth = { password: () => false, isUser: () => answer as boolean };
    const guess = (server: MemoryServer) =>
      assertRejects(() => logIn(server.dial("192.0.2.1"), "ann", password("x")), SshError);
    assertEquals(
      await isRefusedAfter(guess, { invalidUser: 100_000 }, { auth }),
      await answer !== true,
    );
  }
});

const offences = {
  noAuth: [
    (server: MemoryServer) => isServed(server, "192.0.2.1"),
    (server: MemoryServer) =>
      assertRejects(() => logIn(server.dial("192.0.2.1"), "bob", none()), SshError),
  ],
  authFail: [
    (server: MemoryServer) =>
      assertRejects(() => logIn(server.dial("192.0.2.1"), "bob", password("wrong")), SshError),
  ],
} as const;

for (const [offence, ways] of Object.entries(offences)) {
  for (const [at, way] of ways.entries()) {
    Deno.test(`A connection without a login is an offence: ${offence} ${at}`, async () => {
      for (const kind of ["authFail", "noAuth", "graceExceeded"]) {
        assertEquals(await isRefusedAfter(way, { [kind]: 100_000 }), kind === offence, kind);
      }
    });
  }
}

Deno.test("A client that leaves after its first factor has not failed to log in", async () => {
  using key = await generateKey();
  const auth = {
    publicKey: () => true,
    password: () => false,
    required: [["publickey", "password"]],
  };
  const first = publicKey(key);
  const leave = (server: MemoryServer) =>
    assertRejects(() => logIn(server.dial("192.0.2.1"), "ann", first), SshError);
  const guess = (server: MemoryServer) =>
    assertRejects(() => logIn(server.dial("192.0.2.1"), "ann", first, password("x")), SshError);
  for (const [offend, offence] of [[leave, "noAuth"], [guess, "authFail"]] as const) {
    for (const kind of ["authFail", "noAuth"]) {
      const refused = await isRefusedAfter(offend, { [kind]: 100_000 }, { auth });
      assertEquals(refused, kind === offence, `${offence} ${kind}`);
    }
  }
});

Deno.test("A connection beyond LoginGraceTime is an offence, regardless of attempts", async () => {
  const wait = async (server: MemoryServer) => {
    using time = new FakeTime();
    await using _silent = await stranger(server, "192.0.2.1");
    await time.advance(120_000);
  };
  for (const kind of ["authFail", "noAuth", "graceExceeded"]) {
    assertEquals(await isRefusedAfter(wait, { [kind]: 100_000 }), kind === "graceExceeded", kind);
  }
});

Deno.test("A login is not an offence", async () => {
  const all = { authFail: 100_000, noAuth: 100_000, graceExceeded: 100_000 };
  const enter = async (server: MemoryServer) => {
    await (await logIn(server.dial("192.0.2.1"), "ann", none())).close();
  };
  assert(!await isRefusedAfter(enter, all));
  const offend = async (server: MemoryServer) => {
    await enter(server);
    await isServed(server, "192.0.2.1");
  };
  assert(await isRefusedAfter(offend, all), "nor does it pay for one");
});

Deno.test("Penalties are on by default, and a refusal is reported once", async () => {
  using _now = replaced(Date, "now", () => 1_000_000_000_000.5);
  for (const penalties of [undefined, false] as const) {
    const told: string[] = [];
    await using server = serveInMemory({
      ...options,
      ...penalties === false && { penalties },
      onError: (error, address) => {
        if (!`${error}`.includes("refused")) return;
        told.push(`${plainMessage(error)}: ${(address as Deno.NetAddr).hostname}`);
      },
    });
    for (let i = 0; i < 4; i++) {
      const guess = () => logIn(server.dial("192.0.2.1"), "bob", password("wrong"));
      await assertRejects(guess, SshError);
      await until(() => server.server.connections === 0);
    }
    for (let i = 0; i < 3; i++) {
      assertEquals(await isServed(server, "192.0.2.1"), penalties === false);
    }
    assert(await isServed(server, "192.0.2.2"));
    assertEquals(told.length, penalties === false ? 0 : 1, told.join());
    if (penalties !== false) {
      const text = "Connections from 192.0.2.1 are refused for 15 s, because its logins failed";
      assertEquals(told, [`${text}: 192.0.2.1`]);
    }
  }
});
