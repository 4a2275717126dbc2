/** A server's session, from the requests that a client makes on its channel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Channel, ChannelOpenError, RequestDeniedError } from "@denossh/ssh";
import { Grant, type ServeOptions, type Session, type SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { encodePtyRequest, encodeWindowSize } from "../../lib/connection/session_requests.ts";
import { AGENT_FORWARDING, SIGNALS } from "../../lib/wire/numbers.ts";
import { Break, Env, Exec, Signal, Subsystem, X11Req } from "../../lib/wire/requests.ts";
import { record } from "../support/spans.ts";

interface OpenSession extends AsyncDisposable {
  /** The client's channel, on which nothing runs yet. */
  readonly channel: Channel;
  /** Starts a shell; the server's session then. */
  start(): Promise<Session>;
  /** Lets the handler return. */
  end(code?: number): void;
  /** The server's log. */
  readonly errors: unknown[];
}

async function openSession(serve: Partial<ServeOptions> = {}): Promise<OpenSession> {
  const started = Promise.withResolvers<Session>();
  const ended = Promise.withResolvers<number | void>();
  const errors: unknown[] = [];
  const pair = await connectedPair({
    serve: { onError: (error) => errors.push(error), ...serve },
    handler: (session) => {
      started.resolve(session);
      return ended.promise;
    },
  });
  const channel = await pair.host.openSession();
  return {
    channel,
    errors,
    async start() {
      await channel.shell();
      return await started.promise;
    },
    end: (code) => ended.resolve(code),
    async [Symbol.asyncDispose]() {
      ended.resolve();
      await pair[Symbol.asyncDispose]();
    },
  };
}

const env = (name: string, value = "") => Env.encode({ name, value });

/** Whether the server accepts a request. */
async function isGranted(channel: Channel, type: string, data?: Uint8Array): Promise<boolean> {
  try {
    await channel.request(type, data);
    return true;
  } catch (error) {
    if (error instanceof RequestDeniedError) return false;
    throw error;
  }
}

Deno.test("Session: unknown requests are refused", async () => {
  await using world = await openSession();
  for (const type of ["", "exit-status", "eow@openssh.com", "pty-req ", "SHELL", "xon-xoff"]) {
    assert(!await isGranted(world.channel, type), type);
  }
});

for (
  const [type, data, expected] of [
    ["exec", Exec.encode({ command: "ls -l" }), ["ls -l", null]],
    ["shell", new Uint8Array(0), [null, null]],
  ] as const
) {
  Deno.test(`Session.command and subsystem name the program: ${type}`, async () => {
    const seen: unknown[] = [];
    await using pair = await connectedPair({
      handler: ({ command, subsystem, originalCommand }) => {
        seen.push(command, subsystem, originalCommand);
      },
    });
    const channel = await pair.host.openSession();
    assert(await isGranted(channel, type, data));
    await channel.exitStatus;
    assertEquals(seen, [...expected, null]);
  });
}

const replaced: [string, Uint8Array, string | null][] = [
  ["exec", Exec.encode({ command: "rm -r /" }), "rm -r /"],
  ["shell", new Uint8Array(0), null],
  ["subsystem", Subsystem.encode({ name: "sftp" }), "sftp"],
];
for (const [type, data, original] of replaced) {
  Deno.test(`A forced command runs instead of ${type}, and gets the original request`, async () => {
    const seen: unknown[] = [];
    await using pair = await connectedPair({
      serve: { auth: { none: () => new Grant({ command: "status" }) } },
      handler: ({ command, subsystem, originalCommand }) => {
        seen.push(command, subsystem, originalCommand);
      },
    });
    const channel = await pair.host.openSession();
    assert(await isGranted(channel, type, data));
    await channel.exitStatus;
    assertEquals(seen, ["status", null, original]);
  });
}

Deno.test("Session: a second program of any kind is refused, and the first one continues", async () => {
  await using world = await openSession();
  const session = await world.start();
  assert(!await isGranted(world.channel, "exec", Exec.encode({ command: "x" })));
  assert(!await isGranted(world.channel, "shell"));
  assert(!await isGranted(world.channel, "subsystem", Subsystem.encode({ name: "sftp" })));
  assertEquals([session.command, session.originalCommand], [null, null]);
});

Deno.test("Session: a program may follow one that was refused", async () => {
  await using world = await openSession();
  const { channel } = world;
  assert(!await isGranted(channel, "subsystem", Subsystem.encode({ name: "sftp" })));
  assertEquals((await world.start()).subsystem, null);
});

Deno.test("Session.pty is the requested terminal, once and before the program", async () => {
  await using world = await openSession();
  const { channel } = world;
  const asked = { term: "vt220", columns: 1, rows: 2, width: 3, height: 4 };
  const modes = { VINTR: 3, ECHO: 0, TTY_OP_OSPEED: 38_400 } as const;
  assert(await isGranted(channel, "pty-req", encodePtyRequest({ ...asked, modes })));
  assert(!await isGranted(channel, "pty-req", encodePtyRequest({ term: "other" })));
  const session = await world.start();
  assertEquals(session.pty, { ...asked, modes });
});

Deno.test("Session: a terminal comes before the program, or not at all", async () => {
  await using world = await openSession();
  const session = await world.start();
  assert(!await isGranted(world.channel, "pty-req", encodePtyRequest({})));
  assertEquals(session.pty, null);
});

Deno.test("Session: a server with pty: false gives no terminal", async () => {
  await using world = await openSession({ pty: false });
  assert(!await isGranted(world.channel, "pty-req", encodePtyRequest({})));
  assertEquals((await world.start()).pty, null);
});

Deno.test("Session: a size change is accepted only with a terminal", async () => {
  await using world = await openSession();
  const { channel } = world;
  const size = { columns: 132, rows: 50, width: 7, height: 8 };
  assert(!await isGranted(channel, "window-change", encodeWindowSize(size)));
  assert(await isGranted(channel, "pty-req", encodePtyRequest({ term: "vt100" })));
  assert(await isGranted(channel, "window-change", encodeWindowSize(size)), "before the program");
  const session = await world.start();
  assertEquals(session.pty, { term: "vt100", ...size, modes: {} });
  const sizes: unknown[] = [];
  session.onResize((size) => sizes.push(size));
  assert(await isGranted(channel, "window-change", encodeWindowSize({ ...size, rows: 51 })));
  assertEquals(sizes, [{ ...size, rows: 51 }]);
  assertEquals(session.pty?.rows, 51);
});

Deno.test("Session.print sends line feeds as CR LF to a terminal, and unchanged otherwise", async () => {
  for (const pty of [false, true]) {
    await using world = await openSession();
    if (pty) await world.channel.request("pty-req", encodePtyRequest({}));
    const session = await world.start();
    await session.print("a\nb\r\n\n");
    await session.printError("c\n");
    world.end();
    const out = new TextDecoder().decode(await world.channel.readAll());
    const err = new TextDecoder().decode(await world.channel.readAll({ stream: "stderr" }));
    assertEquals([out, err], pty ? ["a\r\nb\r\n\r\n", "c\r\n"] : ["a\nb\r\n\n", "c\n"]);
  }
});

Deno.test("Session.stderr is one stream; closing it keeps the channel open", async () => {
  await using world = await openSession();
  const session = await world.start();
  assert(session.stderr === session.stderr);
  const writer = session.stderr.getWriter();
  await writer.write(new TextEncoder().encode("oops"));
  await writer.close();
  await session.print("on");
  world.end();
  assertEquals(new TextDecoder().decode(await world.channel.readAll({ stream: "stderr" })), "oops");
  assertEquals(new TextDecoder().decode(await world.channel.readAll()), "on");
});

Deno.test("Session.env accepts variables until the program starts; the last value wins", async () => {
  await using world = await openSession();
  const { channel } = world;
  assert(await isGranted(channel, "env", env("LANG", "C")));
  assert(await isGranted(channel, "env", env("LANG", "C.UTF-8")));
  assert(await isGranted(channel, "env", env("_0", "")));
  for (const name of ["", "0A", "A=B", "A-B", "A B", "\u00e4", "A\n", "A\0"]) {
    assert(!await isGranted(channel, "env", env(name, "x")), JSON.stringify(name));
  }
  assert(!await isGranted(channel, "env", env("A", "x\0y")));
  const session = await world.start();
  assert(!await isGranted(channel, "env", env("LATE", "x")));
  assertEquals({ ...session.env }, { LANG: "C.UTF-8", _0: "" });
  assertEquals(Object.getPrototypeOf(session.env), null);
});

Deno.test("Session.env has at most 256 variables", async () => {
  await using world = await openSession();
  for (let i = 0; i < 256; i++) assert(await isGranted(world.channel, "env", env(`V${i}`)));
  assert(!await isGranted(world.channel, "env", env("V256")));
  assertEquals(Object.keys((await world.start()).env).length, 256);
});

Deno.test("Session.env has at most 64 KiB, including names", async () => {
  await using world = await openSession();
  assert(await isGranted(world.channel, "env", env("A", "x".repeat(32 * 1024 - 1))));
  assert(!await isGranted(world.channel, "env", env("B", "x".repeat(32 * 1024))));
  assert(await isGranted(world.channel, "env", env("B", "x".repeat(32 * 1024 - 1))));
  assert(!await isGranted(world.channel, "env", env("C", "")));
});

Deno.test("Session.onSignal gets the signals of RFC 4254 once a program runs", async () => {
  await using world = await openSession();
  const { channel } = world;
  const send = (name: string) => isGranted(channel, "signal", Signal.encode({ name }));
  assert(!await send("INT"), "before the program");
  const session = await world.start();
  assert(await send("INT"), "without a handler");
  const names: string[] = [];
  session.onSignal((name) => names.push(name));
  for (const name of SIGNALS) assert(await send(name), name);
  for (const name of ["STOP", "CONT", "WINCH", "SIGTERM", "term", "", "\x1b[2J"]) {
    assert(!await send(name), name);
  }
  assertEquals(names, [...SIGNALS]);
});

Deno.test("A forced command gets no signals of the client", async () => {
  const auth = { none: () => new Grant({ command: "backup" }) };
  await using world = await openSession({ auth });
  const session = await world.start();
  // A handler that throws would refuse the request, too.
  const names: string[] = [];
  session.onSignal((name) => names.push(name));
  for (const name of SIGNALS) {
    assert(!await isGranted(world.channel, "signal", Signal.encode({ name })), name);
  }
  assertEquals(names, []);
});

Deno.test("Session.onBreak gets breaks, which are refused without it", async () => {
  await using world = await openSession();
  const session = await world.start();
  const data = Break.encode({ milliseconds: 300 });
  assert(!await isGranted(world.channel, "break", data));
  const breaks: number[] = [];
  session.onBreak((milliseconds) => breaks.push(milliseconds));
  assert(await isGranted(world.channel, "break", data));
  assertEquals(breaks, [300]);
});

const ends: [string, SessionHandler, [number | null, string | null]][] = [
  ["a number that is returned", () => 7, [7, null]],
  ["nothing", () => {}, [0, null]],
  ["a promise of a number", () => Promise.resolve(8), [8, null]],
  ["exit() and a number", (session) => (session.exit(9), 1), [9, null]],
  ["exit() twice", (session) => (session.exit(9), session.exit(1)), [9, null]],
  ["exitSignal() and a number", (session) => (session.exitSignal("KILL"), 1), [null, "KILL"]],
  ["an exception", () => Promise.reject(new Error("x")), [1, null]],
  [
    "exit() and an exception",
    (session) => {
      session.exit(4);
      throw new Error("x");
    },
    [4, null],
  ],
];
for (const [what, handler, [code, signal]] of ends) {
  Deno.test(`A session that ends by ${what} has one exit status, and then its channel ends`, async () => {
    await using pair = await connectedPair({ handler });
    const channel = await pair.host.openSession();
    const requests: string[] = [];
    channel.handleRequests(({ type }) => {
      requests.push(type);
      return false;
    });
    await channel.shell();
    const status = await channel.exitStatus;
    assertEquals([status.code, status.signal], [code, signal]);
    assertEquals(await channel.readAll(), new Uint8Array(0));
    // This needs nothing of the client.
    await channel.closed;
    assertEquals(requests, [signal === null ? "exit-status" : "exit-signal"]);
  });
}

Deno.test("A session ends with its status, EOF and CLOSE, after pending writes", async () => {
  const sent: string[] = [];
  await using pair = await connectedPair({
    connect: { window: 4_096 },
    serve: { trace: ({ direction, name }) => void (direction === "sent" && sent.push(name)) },
    handler: ({ channel }) => void channel.writeAll(new Uint8Array(10_000)),
  });
  const channel = await pair.host.openSession();
  await channel.shell();
  assertEquals((await channel.readAll()).length, 10_000);
  await channel.closed;
  const [last, ...others] = sent.toReversed().filter((name) => name !== "CHANNEL_WINDOW_ADJUST");
  assertEquals([last, others[0], others[1]], ["CHANNEL_CLOSE", "CHANNEL_EOF", "CHANNEL_DATA"]);
  assertEquals(sent.filter((name) => name === "CHANNEL_REQUEST").length, 1);
});

Deno.test("A session that the client closes has an aborted signal, and its exit has no effect", async () => {
  await using world = await openSession();
  const session = await world.start();
  assertEquals(session.signal.aborted, false);
  const aborted = new Promise((resolve) => session.signal.addEventListener("abort", resolve));
  await world.channel.close();
  await aborted;
  session.exit(3);
  world.end();
});

Deno.test("An error of a handler is reported, unless the client has disconnected", async () => {
  const errors: unknown[] = [];
  const gone = Promise.withResolvers<void>();
  const thrown = Promise.withResolvers<void>();
  await using pair = await connectedPair({
    serve: { onError: (error, remoteAddr) => errors.push([String(error), remoteAddr]) },
    handler: async (session) => {
      if (session.command === "at once") throw new Error("first");
      session.signal.addEventListener("abort", () => gone.resolve());
      await gone.promise;
      queueMicrotask(thrown.resolve);
      throw new Error("second");
    },
  });
  await pair.host.command("at once").output();
  const channel = await pair.host.openSession();
  await channel.exec("later");
  await channel.close();
  await thrown.promise;
  await pair.host.request("keepalive@openssh.com");
  assertEquals(errors, [["Error: first", null]]);
});

const AGENT = AGENT_FORWARDING.OPENSSH.request;

for (
  const [what, forward, expected] of [
    ["true", () => true, true],
    ["a promise of true", () => Promise.resolve(true), true],
    ["false", () => false, false],
    ["1", () => 1, false],
    ["{}", () => ({}), false],
    ["an exception", () => Promise.reject(new Error("x")), false],
    ["nothing", undefined, false],
  ] as const
) {
  Deno.test(`An agent and a display are forwarded only if the policy returns true, here ${what}`, async () => {
    const policy = forward && { agent: forward as () => boolean, x11: forward as () => boolean };
    await using world = await openSession(policy ? { forward: policy } : {});
    assertEquals(await isGranted(world.channel, AGENT), expected);
    const x11 = { protocol: "MIT-MAGIC-COOKIE-1", cookie: "00", screen: 0, single: false };
    assertEquals(await isGranted(world.channel, "x11-req", X11Req.encode(x11)), expected);
    const session = await world.start();
    assertEquals([session.agent !== null, session.x11 !== null], [expected, expected]);
  });
}

Deno.test("The agent policy is called until it returns true, and gets the user", async () => {
  const asked: string[] = [];
  const agent = ({ user }: { user: string }) => asked.push(user) === 2;
  await using world = await openSession({ forward: { agent } });
  assertEquals(await isGranted(world.channel, AGENT), false);
  assertEquals(await isGranted(world.channel, AGENT), true);
  assertEquals(await isGranted(world.channel, AGENT), true);
  assertEquals(asked, ["tester", "tester"]);
});

for (const { request, channel: type } of [AGENT_FORWARDING.IANA, AGENT_FORWARDING.OPENSSH]) {
  Deno.test(`An agent forwarded by ${request} is reached by ${type}`, async () => {
    await using world = await openSession({ forward: { agent: () => true } });
    assert(await isGranted(world.channel, request));
    const { agent } = await world.start();
    // This client forwards none, so it refuses the channel.
    await assertRejects(() => agent!.connect(), ChannelOpenError, `refused a ${type} channel`);
  });
}

const good = { protocol: "MIT-MAGIC-COOKIE-1", cookie: "00ff", screen: 0, single: true };
const displays: [string, Partial<typeof good>, boolean][] = [
  ["a cookie of 256 bytes", { cookie: "aB".repeat(256) }, true],
  ["a cookie of 257 bytes", { cookie: "ab".repeat(257) }, false],
  ["no cookie", { cookie: "" }, false],
  ["half a byte", { cookie: "000" }, false],
  ["a cookie that is not hexadecimal", { cookie: "0g" }, false],
  ["a cookie with a line feed", { cookie: "00\n" }, false],
  ["a protocol of 64 characters", { protocol: "p".repeat(64) }, true],
  ["a protocol of 65 characters", { protocol: "p".repeat(65) }, false],
  ["a protocol with a space", { protocol: "a b" }, false],
  ["no protocol", { protocol: "" }, false],
  ["screen 65535", { screen: 65_535 }, true],
  ["screen 65536", { screen: 65_536 }, false],
];
for (const [what, wish, expected] of displays) {
  Deno.test(`A display with ${what} is ${expected ? "" : "not "}forwarded`, async () => {
    await using world = await openSession({ forward: { x11: () => true } });
    const asked = { ...good, ...wish };
    assertEquals(await isGranted(world.channel, "x11-req", X11Req.encode(asked)), expected);
    const { x11 } = await world.start();
    if (!expected) return assertEquals(x11, null);
    const { protocol, cookie, screen, single } = x11!;
    assertEquals({ protocol, cookie, screen, single }, asked);
  });
}

Deno.test("A display is forwarded once, before the program", async () => {
  const data = X11Req.encode(good);
  await using world = await openSession({ forward: { x11: () => true } });
  assert(await isGranted(world.channel, "x11-req", data));
  assert(!await isGranted(world.channel, "x11-req", data));
  await using late = await openSession({ forward: { x11: () => true } });
  const session = await late.start();
  assert(!await isGranted(late.channel, "x11-req", data));
  assertEquals(session.x11, null);
});

Deno.test("A session has the user and the address of the login", async () => {
  await using world = await openSession();
  const session = await world.start();
  assertEquals([session.user, session.remoteAddr], ["tester", null]);
  assertEquals(session.login.methods, ["none"]);
  assertEquals(session.channel.id >= 0, true);
});

Deno.test("A program's span on the server ends with it, and has its result", async () => {
  using spans = record();
  await using pair = await connectedPair({
    handler: ({ command }) => {
      if (command === "bad") throw new TypeError("secret");
    },
  });
  await pair.host.command("good").output();
  await pair.host.command("bad").output();
  const own = spans.ended.filter(({ name, kind }) => name === "ssh.exec" && kind === 1);
  assertEquals(own.map(({ status }) => status?.message), [undefined, "TypeError"]);
});

Deno.test("A malformed request is refused, and the session continues", async () => {
  await using world = await openSession({ forward: { x11: () => true } });
  const bad = new Uint8Array([0, 0, 0, 9, 65]);
  for (
    const type of ["env", "pty-req", "window-change", "x11-req", "signal", "exec", "subsystem"]
  ) {
    assert(!await isGranted(world.channel, type, bad), type);
  }
  await assertRejects(() => world.channel.request("exec", bad), RequestDeniedError, "exec");
  const session = await world.start();
  assertEquals([session.pty, session.x11, { ...session.env }], [null, null, {}]);
});
