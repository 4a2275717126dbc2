/** Layers around a handler: their order and effect. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  allowPrograms,
  layered,
  logSessions,
  type Middleware,
  rateLimit,
  type Session,
  type SessionHandler,
  type SessionReport,
} from "@denossh/ssh/server";
import { type ConnectedPair, connectedPair } from "@denossh/ssh/testing";
import { turn } from "../sftp/world.ts";
import { FakeTime } from "../support/fake_time.ts";

async function run({ host }: ConnectedPair, command = "x") {
  const { code, stdout, stderr } = await host.command(command).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return [code, text(stdout), text(stderr)];
}

Deno.test("Layers run from the outermost to the handler, and back", async () => {
  const order: string[] = [];
  const note = (name: string): Middleware => (next) => async (session) => {
    order.push(`in ${name}`);
    const code = await next(session);
    order.push(`out ${name}`);
    return (code ?? 0) + 1;
  };
  const handler = layered(() => void order.push("handler"), note("a"), note("b"));
  await using pair = await connectedPair({ handler });
  assertEquals(await run(pair), [2, "", ""]);
  assertEquals(order, ["in a", "in b", "handler", "out b", "out a"]);
});

Deno.test("Layers keep the terminal support of their handler", async () => {
  const bare: SessionHandler = () => {};
  assert(!("hasTerminals" in layered(bare)));
  const able: SessionHandler = Object.assign(() => {}, { hasTerminals: () => false });
  assertEquals(await layered(able, (next) => next).hasTerminals?.(), false);
});

Deno.test("logSessions logs user, command, duration and result", async () => {
  const reports: SessionReport[] = [];
  const log = (report: SessionReport) => {
    reports.push(report);
    throw new Error("the log is full");
  };
  const error = new Error("mistake");
  const handler = layered((session) => {
    if (session.command === "fail") throw error;
    return session.command === null ? undefined : 3;
  }, logSessions(log));
  await using pair = await connectedPair({ handler, serve: { onError: () => {} } });
  assertEquals((await run(pair, "ls"))[0], 3);
  assertEquals((await run(pair, "fail"))[0], 1);
  await (await pair.host.shell({ pty: false })).output();
  assertEquals(
    reports.map(({ user, program, code, error }) => [user, program, code, error]),
    [["tester", "ls", 3, undefined], ["tester", "fail", null, error], [
      "tester",
      null,
      0,
      undefined,
    ]],
  );
  assert(reports.every(({ milliseconds }) => milliseconds >= 0));
});

Deno.test("allowPrograms runs a program only for true", async () => {
  for (const answer of [true, false, 1, "yes", undefined, Promise.resolve(true)]) {
    const seen: unknown[] = [];
    const handler = layered(
      (session) => session.print("ran"),
      allowPrograms((program, { user }) => {
        seen.push(program, user);
        return answer as boolean | Promise<boolean>;
      }),
    );
    await using pair = await connectedPair({ handler });
    const refused = [126, "", "This is not allowed here.\n"];
    assertEquals(await run(pair, "ls"), await answer === true ? [0, "ran", ""] : refused);
    assertEquals(seen, ["ls", "tester"]);
  }
});

Deno.test("rateLimit counts the sessions of a user within its period", async () => {
  const handler = layered(
    (session) => session.print("ran"),
    rateLimit({ sessions: 2, seconds: 60 }),
  );
  await using pair = await connectedPair({ handler });
  const { now } = performance;
  try {
    performance.now = () => 0;
    assertEquals(await run(pair), [0, "ran", ""]);
    performance.now = () => 30_000;
    assertEquals(await run(pair), [0, "ran", ""]);
    assertEquals(await run(pair), [75, "", "Too many sessions: try again later.\n"]);
    performance.now = () => 60_000; // the first one has expired
    assertEquals(await run(pair), [0, "ran", ""]);
    assertEquals((await run(pair))[0], 75);
  } finally {
    performance.now = now;
  }
});

/** Starts a session of a user in a handler, and returns the exit code. */
async function code(handler: SessionHandler, user: string): Promise<number | void> {
  return await handler({ user, printError: () => Promise.resolve() } as unknown as Session);
}

Deno.test("rateLimit counts each user's sessions, and none that it refuses", async () => {
  using time = new FakeTime();
  let ran = 0;
  const handler = layered(() => void ran++, rateLimit({ sessions: 1, seconds: 10 }));
  const start = async () => [await code(handler, "ann"), await code(handler, "bob")];
  assertEquals([await start(), await start()], [[undefined, undefined], [75, 75]]);
  time.skip(9_999);
  assertEquals([await start(), ran], [[75, 75], 2]);
  time.skip(1);
  assertEquals([await start(), ran], [[undefined, undefined], 4]);
});

Deno.test("rateLimit forgets the user that was inactive for longest, beyond 65,536", async () => {
  const handler = layered(() => {}, rateLimit({ sessions: 2, seconds: 1_000_000 }));
  for (const user of ["ann", "bob", "ann", "bob"]) await code(handler, user);
  for (let at = 2; at < 65_536; at++) await code(handler, `${at}`);
  assertEquals([await code(handler, "ann"), await code(handler, "bob")], [75, 75]);
  // A refused session counts as activity: the oldest users are now 2 and 3.
  await code(handler, "2");
  await code(handler, "new");
  assertEquals([await code(handler, "ann"), await code(handler, "bob")], [75, 75]);
  assertEquals([await code(handler, "2"), await code(handler, "3")], [75, undefined]);
  assertEquals(await code(handler, "3"), undefined, "it was forgotten");
});

Deno.test("The reports and decisions of layers are about the program and the user", async () => {
  using time = new FakeTime();
  const reports: SessionReport[] = [];
  const asked: unknown[] = [];
  const handler = layered(
    () => time.skip(250),
    logSessions((report) => reports.push(report)),
    allowPrograms((program, session) => (asked.push(program, session.user), true)),
  );
  const remoteAddr = { transport: "tcp", hostname: "192.0.2.1", port: 1 };
  for (const [command, subsystem] of [["ls", null], [null, "sftp"], [null, null]]) {
    await handler({ user: "ann", remoteAddr, command, subsystem } as unknown as Session);
  }
  const told = { user: "ann", remoteAddr, code: 0, milliseconds: 250 };
  const programs = ["ls", "sftp", null];
  assertEquals(reports as unknown[], programs.map((program) => ({ ...told, program })));
  assertEquals(asked, programs.flatMap((program) => [program, "ann"]));
});

Deno.test("A refused session ends once its message is written, and fails if that fails", async () => {
  const layers: [Middleware, number][] = [
    [allowPrograms(() => false), 126],
    [rateLimit({ sessions: 0, seconds: 1 }), 75],
  ];
  for (const [layer, expected] of layers) {
    const handler = layered(() => assert(false, "it runs nothing"), layer);
    const written = Promise.withResolvers<void>();
    const session = { user: "ann", printError: () => written.promise } as unknown as Session;
    let result: unknown = null;
    const running = Promise.try(handler, session).then((code) => result = code);
    await turn();
    assertEquals(result, null);
    written.resolve();
    await running;
    assertEquals(result, expected);
    const error = new Error("gone");
    const lost = { user: "ann", printError: () => Promise.reject(error) } as unknown as Session;
    assertEquals(await assertRejects(() => Promise.try(handler, lost)), error);
  }
});
