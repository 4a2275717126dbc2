/** Clients that reconnect: which operations wait, fail or resume, and when the client gives up. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  ClosedError,
  connect,
  ConnectError,
  type ConnectOptions,
  HostKeyError,
  none,
  password,
  SshError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { localFiles, serve, type SessionHandler } from "@denossh/ssh/server";
import { serveSftp, streamChannel } from "@denossh/ssh/sftp";
import { ask, echo, until } from "../forward/world.ts";
import { folder } from "../sftp/world.ts";
import { FakeTime } from "../support/fake_time.ts";
import { CutWorld } from "./cut_world.ts";

const hostKey = await generateKey();
const auth = { none: () => true };
const quick = { attempts: Infinity, backoff: () => 0 };

Deno.test("a command that was running fails, and the next one uses the next connection", async () => {
  const states: string[] = [];
  const begun: string[] = [];
  await using world = new CutWorld({
    handler: async (session) => {
      begun.push(session.command!);
      if (session.command === "wait") return await session.channel.closed.catch(() => {});
      await session.print(`${session.command} ${session.env.LANG}`);
    },
    connect: {
      env: { LANG: "C" },
      resilient: { ...quick, onState: (state) => void states.push(state) },
    },
  });
  const host = await world.connect();
  const first = host.info;
  assertEquals(host.state, "connected");
  const running = assertRejects(() => host.run("wait"), SshError, "The cable was cut");
  await until(() => begun.length === 1);
  world.cut();
  await running;
  assertEquals(await host.run("again"), "again C");
  assertEquals([world.made, begun], [2, ["wait", "again"]]);
  assertEquals([states, { ...host.info }], [["reconnecting", "connected"], { ...first }]);
  await host.close();
  await host.closed;
  assertEquals([host.state, states.at(-1)], ["closed", "closed"]);
  await assertRejects(() => host.run("late"), ClosedError);
});

Deno.test("requests without a connection wait, and can be aborted", async () => {
  await using world = new CutWorld({ handler: (session) => session.print("done") });
  await using host = await world.connect();
  world.refusal = new ConnectError("no route");
  const channel = host.openSession(); // requested before the loss is detected
  world.cut();
  await until(() => host.state === "reconnecting");
  const abort = new AbortController();
  const signal = abort.signal;
  const given = [
    assertRejects(() => host.command("x", { signal }).output(), Error, "enough"),
    assertRejects(() => host.dial("db:1", { signal }), Error, "enough"),
    assertRejects(() => host.request("x", undefined, { signal }), Error, "enough"),
    assertRejects(() => host.listen({ port: 1 }, { signal }), Error, "enough"),
    assertRejects(() => host.sftp({ signal }), Error, "enough"),
  ];
  const waiting = host.run("x");
  abort.abort(new Error("enough"));
  await Promise.all(given);
  world.refusal = null;
  assertEquals(await waiting, "done");
  (await channel).abort();
});

Deno.test("a different host key is refused, and ends the client", async () => {
  const serve = { hostKeys: [await generateKey()] };
  await using world = new CutWorld({ serve, connect: { hostKeys: () => true } });
  const host = await world.connect();
  serve.hostKeys = [await generateKey()];
  const closed = assertRejects(() => host.closed, HostKeyError, "not the key of the first");
  world.cut();
  await closed;
  assertEquals([host.state, world.made], ["closed", 2]);
  await host.close();
});

Deno.test("the accepted answers are repeated, and their refusal is final", async () => {
  let asked = 0;
  let right = "open sesame";
  await using world = new CutWorld({
    serve: { auth: { password: (_, secret) => secret === right } },
    connect: { auth: [password(() => (asked++, "open sesame"))] },
    handler: () => 0,
  });
  const host = await world.connect();
  world.cut();
  await host.run("true");
  right = "another";
  world.cut();
  const error = await assertRejects(() => host.closed, SshError);
  assertEquals([error.code, asked, world.made], ["auth", 1, 3]);
  await host.close();
});

Deno.test("a client gives up after its attempts, with the error of the last one", async () => {
  const told: unknown[] = [];
  const backoff = (attempt: number, cause: unknown) => {
    told.push(attempt, (cause as Error).message);
    return Promise.resolve(1);
  };
  await using world = new CutWorld({ connect: { resilient: { attempts: 2, backoff } } });
  const host = await world.connect();
  world.refusal = new ConnectError("no route");
  world.cut();
  const waiting = assertRejects(() => host.run("x"), ClosedError, "no route");
  const error = await assertRejects(() => host.closed, ConnectError);
  await waiting;
  assertEquals(
    error.message,
    "The connection was lost, and not made again in 2 tries: no route [connect]",
  );
  assertEquals(told, [
    1,
    "The connection was lost: The cable was cut [connect]",
    2,
    "no route [connect]",
  ]);
  assertEquals(host.state, "closed");
  await host.close();
});

Deno.test("an error of backoff, or a value that is not a number, ends the client", async () => {
  const bug = new Error("bug in backoff");
  const wrong: [() => unknown, string][] = [
    [() => Promise.reject(bug), "bug in backoff"],
    [() => {
      throw bug;
    }, "bug in backoff"],
    [() => NaN, "resilient.backoff must return milliseconds, not NaN"],
    [() => undefined, "resilient.backoff must return milliseconds, not undefined"],
    [() => "1000", 'resilient.backoff must return milliseconds, not the text "1000"'],
  ];
  for (const [returned, message] of wrong) {
    let calls = 0;
    const backoff = () => {
      if (++calls > 3) void host.close();
      return returned() as number;
    };
    const resilient = { attempts: Infinity, backoff };
    await using world = new CutWorld({ connect: { resilient } });
    const host = await world.connect();
    world.refusal = new ConnectError("no route");
    const waiting = assertRejects(() => host.run("x"), ClosedError, message);
    world.cut();
    await Promise.all([waiting, assertRejects(() => host.closed, Error, message)]);
    assertEquals([calls, host.state], [1, "closed"]);
    await host.close();
  }
});

Deno.test("giving up on a host that was reached but did not stay says so", async () => {
  await using world = new CutWorld({
    connect: {
      resilient: {
        attempts: 3,
        backoff: () => 0,
        onState: (state) => {
          if (state === "connected") queueMicrotask(() => world.cut());
        },
      },
    },
  });
  const host = await world.connect();
  world.cut();
  await assertRejects(
    () => host.closed,
    ConnectError,
    "The connection was lost, and no new one lasted in 3 tries: The connection was lost: The cable",
  );
  assertEquals(world.made, 4);
  await host.close();
});

Deno.test("attempts are counted from zero once a connection has lasted, and the default pauses double", async () => {
  using time = new FakeTime();
  const states: unknown[] = [];
  await using world = new CutWorld({
    handler: () => 0,
    connect: {
      resilient: { attempts: 3, onState: (state) => void states.push([state, time.now]) },
    },
  });
  const host = await world.connect();
  const lose = async (ms: number) => {
    await time.advance(ms);
    const { made } = world;
    states.length = 0;
    world.cut();
    for (let at = 0; at < 2000 && world.made === made && host.state !== "closed"; at += 10) {
      await time.advance(10);
    }
    await time.advance(0);
  };
  for (const [lasted, least, most] of [[1, 150, 250], [1, 300, 500], [6000, 150, 250]] as const) {
    const lost = time.now + lasted;
    await lose(lasted);
    const waited = time.now - lost;
    assertEquals([waited >= least && waited <= most + 10, host.state], [true, "connected"]);
  }
  for (let i = 0; i < 3; i++) await lose(1);
  assertEquals(host.state, "closed");
  await assertRejects(() => host.closed, ConnectError, "3 tries");
  await host.close();
});

Deno.test("a closed client does not reconnect, and pending requests fail", async () => {
  const never = new Promise<never>(() => {});
  const stuck: [string, ConnectOptions, boolean][] = [
    ["a pause", { resilient: { backoff: () => 1e9 } }, false],
    ["a pause that is being decided", { resilient: { backoff: () => never } }, false],
    ["a way that does not open", { resilient: quick }, true],
  ];
  for (const [what, options, isStuck] of stuck) {
    for (const way of ["close", "dispose"]) {
      await using world = new CutWorld({ connect: options });
      let count = 0;
      const { transport, ...others } = world.way;
      const opens = transport as (signal: AbortSignal) => never;
      const host = await connect({
        ...others,
        transport: (signal) => isStuck && count++ > 0 ? never : opens(signal),
      });
      world.cut();
      await until(() => host.state === "reconnecting");
      const waiting = assertRejects(() => host.run("x"), ClosedError, "closed by", what);
      await (way === "close" ? host.close() : host[Symbol.asyncDispose]());
      await waiting;
      await host.closed;
      assertEquals([host.state, world.made], ["closed", 1]);
    }
  }
});

Deno.test("a silent server counts as lost, unless keepalives are disabled", async () => {
  for (
    const [keepaliveInterval, state] of [[undefined, "reconnecting"], [0, "connected"]] as const
  ) {
    using time = new FakeTime();
    const own = keepaliveInterval === undefined ? {} : { keepaliveInterval };
    const connect = { ...own, resilient: { backoff: () => 1000 } };
    await using world = new CutWorld({ connect });
    const host = await world.connect();
    world.refusal = new ConnectError("no route");
    world.silence();
    await time.advance(5 * 15_000);
    assertEquals(host.state, state);
    await time.advance(1000);
    const closing = host.close();
    await time.advance(2000);
    await closing;
  }
});

Deno.test("tunnels of all kinds survive, on their ports", async () => {
  await using here = echo();
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const permits = { local: true, remote: true };
  await using world = new CutWorld({
    serve: { forward: { local: () => permits.local, remote: () => permits.remote } },
  });
  await using host = await world.connect();
  await using local = await host.forwardLocal({ from: { port: 0 }, to: here.to, onError });
  await using remote = await host.forwardRemote({ from: { port: 0 }, to: here.to, onError });
  await using socks = await host.forwardSocks({ port: 0 });
  await using listener = await host.listen({ port: 0 });
  const tunnels = [local, remote, socks];
  const ports = () => [local, remote].map(({ addr }) => (addr as Deno.NetAddr).port);
  const before = [...ports(), listener.addr.port];
  const comes = async () => {
    const accepting = listener.accept();
    using near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using conn = await accepting;
    await near.write(new Uint8Array(1));
    assertEquals(await conn.read(new Uint8Array(2)), 1);
  };
  for (let round = 0; round < 3; round++) {
    for (const port of ports()) assertEquals(await ask(port, "through"), "through");
    await comes();
    assertEquals(await Promise.all(tunnels.map((tunnel) => tunnel.check())), [true, true, true]);
    const { made } = world;
    world.cut();
    await until(() => world.made > made && host.state === "connected");
    await until(() => host.state === "connected");
  }
  assertEquals([...ports(), listener.addr.port], before);
  assertEquals(errors, []);

  // A port that the server refuses at first is requested until it is granted.
  permits.remote = false;
  const { made } = world;
  world.cut();
  await until(() => world.made > made && errors.length > 0);
  assertMatch(`${errors[0]}`, /RequestDeniedError/);
  assertEquals(await Promise.all(tunnels.map((tunnel) => tunnel.check())), [true, false, true]);
  permits.remote = true;
  for (let isUp = false; !isUp;) isUp = await remote.check();
  assertEquals(await ask(ports()[1]!, "through"), "through");
});

Deno.test("a port that the server neither grants nor refuses again does not block other calls", async () => {
  using time = new FakeTime();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let asked = 0;
  await using world = new CutWorld({
    handler: (session) => session.print("done"),
    serve: { forward: { remote: () => asked++ === 0 || promise } },
  });
  const host = await world.connect();
  await host.forwardRemote({ from: { port: 0 }, to: "127.0.0.1:1" });
  world.cut();
  for (let i = 0; i < 10 && (asked < 2 || host.state !== "connected"); i++) {
    await time.advance(1000);
  }
  assertEquals([asked, host.state], [2, "connected"]);
  assertEquals(await host.run("x"), "done");
  resolve(false);
  await time.settle(host.close());
});

/** A server that ends its SFTP programs when asked to, and a client that counts the channels it has lost. */
async function endingSftp() {
  const lost = { channels: 0 };
  const ends: (() => void)[] = [];
  const root = await folder();
  const sftp: SessionHandler = async ({ channel }) => {
    const ended = new Promise<number>((resolve) => ends.push(() => resolve(143)));
    const serving = serveSftp(
      streamChannel(channel.readable, channel.writable),
      localFiles({ root: root.path }),
    );
    return await Promise.race([serving.then(() => 0), ended]);
  };
  const world = new CutWorld({
    serve: { subsystems: { sftp } },
    connect: {
      trace: ({ direction, name }) => {
        if (direction === "received" && name === "CHANNEL_CLOSE") lost.channels++;
      },
    },
  });
  return { world, root, lost, end: () => ends.at(-1)!() };
}

Deno.test("SFTP continues if the server ends its program before the connection", async () => {
  const { world, root, lost, end } = await endingSftp();
  await using _root = root;
  await using _world = world;
  await using host = await world.connect();
  await using sftp = await host.sftp();
  await sftp.writeTextFile("/file", "1");
  end();
  await until(() => lost.channels === 1);
  const size = sftp.stat("/file");
  world.cut();
  assertEquals([(await size).size, world.made], [1, 2]);
});

Deno.test("SFTP whose program has ended fails, after a wait that a close ends", async () => {
  for (const what of ["time", "the session", "the client"]) {
    using time = new FakeTime();
    const { world, root, lost, end } = await endingSftp();
    await using _root = root;
    await using _world = world;
    const host = await world.connect();
    const sftp = await host.sftp();
    end();
    while (lost.channels === 0) await time.advance(0);
    const failing = assertRejects(() => sftp.stat("/"), Error);
    const began = time.now;
    if (what === "the session") await sftp.close();
    if (what === "the client") await host.close();
    await time.settle(failing);
    assertEquals(
      [time.now - began, host.state],
      what === "time" ? [2000, "connected"] : [0, what === "the client" ? "closed" : "connected"],
    );
    await time.settle(host.close());
  }
});

Deno.test("jump hosts are logged in to once, and also reconnect", async () => {
  let asked = 0;
  await using inner = serve({ port: 0, hostname: "127.0.0.1", hostKeys: [hostKey], auth }, () => 0);
  await using gateway = new CutWorld({
    serve: {
      forward: { local: () => true },
      auth: { password: (_, secret) => secret === "open sesame" },
    },
    connect: { auth: [password(() => (asked++, "open sesame"))] },
  });
  const { resilient: _own, ...jump } = gateway.way;
  const host = await connect({
    hostname: "127.0.0.1",
    port: inner.addr.port,
    user: "ann",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    jump,
    resilient: quick,
  });
  for (let round = 1; round < 4; round++) {
    await host.run("true");
    assertEquals([asked, gateway.made], [1, round]);
    gateway.cut();
    await until(() => host.state === "reconnecting");
  }
  await host.close();
  assertEquals(host.state, "closed");
  await until(() => inner.connections === 0);
});

Deno.test("a jump host with a different host key ends the client, too", async () => {
  await using inner = serve({ port: 0, hostname: "127.0.0.1", hostKeys: [hostKey], auth }, () => 0);
  const served = { hostKeys: [hostKey], forward: { local: () => true } };
  await using gateway = new CutWorld({ serve: served, connect: { hostKeys: () => true } });
  const { resilient: _own, ...jump } = gateway.way;
  let tries = 0;
  const backoff = () => {
    if (++tries > 20) void host.close();
    return 0;
  };
  const host = await connect({
    hostname: "127.0.0.1",
    port: inner.addr.port,
    user: "ann",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    jump,
    resilient: { attempts: Infinity, backoff },
  });
  served.hostKeys = [await generateKey()];
  const closed = assertRejects(() => host.closed, ClosedError, "not the key of the first");
  gateway.cut();
  await closed;
  await host.close();
});

Deno.test("channels that the server opens, and global requests, arrive on each connection", async () => {
  await using world = new CutWorld({
    handler: async (session) => {
      const { connection } = session.channel;
      (await connection.openChannel("news@example.com")).abort();
      await session.print(`${await connection.request("sum@example.com")}`);
    },
  });
  await using host = await world.connect();
  host.handleGlobals("sum@example.com", () => new Uint8Array([42]));
  let news = 0;
  const reading = (async () => {
    for await (const open of host.incoming) {
      news++;
      open.accept().abort();
    }
  })();
  for (let round = 1; round < 4; round++) {
    assertEquals(await host.run("subscribe"), "42");
    assertEquals(news, round);
    const { made } = world;
    world.cut();
    await until(() => world.made > made);
  }
  await host.close();
  await reading;
});

Deno.test("invalid options of resilient are refused", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const cases: [ConnectOptions, string][] = [
    [{ transport: { readable, writable }, resilient: true }, "resilient must be false"],
    [{ hostname: "x", controlPath: "/x", resilient: true }, "controlPath"],
    [{ hostname: "x", resilient: { attempts: -1 } }, "attempts must be"],
    [{ hostname: "x", resilient: { tries: 1 } as never }, '"tries"'],
    [{ hostname: "x", resilient: { backoff: 5 as never } }, "backoff must be"],
  ];
  for (const [options, message] of cases) {
    await assertRejects(async () => await connect(options), TypeError, message);
  }
});
