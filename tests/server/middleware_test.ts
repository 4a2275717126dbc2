/** Layers around a handler: their order and effect. */
import { assert, assertEquals } from "@std/assert";
import {
  allowPrograms,
  layered,
  logSessions,
  type Middleware,
  rateLimit,
  type SessionHandler,
  type SessionReport,
} from "@denossh/ssh/server";
import { type ConnectedPair, connectedPair } from "@denossh/ssh/testing";

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
  await using _other = await connectedPair({ handler });
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
