import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ChannelOpenError, type Process, SshError } from "@denossh/ssh";
import { connectedPair } from "@denossh/ssh/testing";
import type { Channel } from "../../lib/connection/channel.ts";
import { SessionQueue } from "../../lib/client/session_queue.ts";
import { until } from "../connection/until.ts";
import { FakeTime } from "../support/fake_time.ts";

/** A server of `limit` sessions whose commands end with the text of their standard input. */
function limited(limit: number) {
  return connectedPair({
    serve: { maxSessions: limit },
    handler: async (session) => {
      for await (const _ of session.stdin);
      await session.print(session.command ?? "");
    },
  });
}

Deno.test("30 parallel commands all run on a server of 10 parallel sessions", async () => {
  await using pair = await limited(10);
  const ran = Array.from({ length: 30 }, (_, i) => pair.host.run(`${i}`));
  assertEquals(await Promise.all(ran), Array.from({ length: 30 }, (_, i) => `${i}`));
});

Deno.test("60 commands, one after the other, run on a server of one session", async () => {
  await using pair = await limited(1);
  for (let i = 0; i < 60; i++) assertEquals(await pair.host.run(`${i}`), `${i}`);
});

Deno.test("queued sessions are opened in the order of their requests", async () => {
  await using pair = await limited(2);
  const order: number[] = [];
  const running: Process[] = [];
  const asked = Array.from({ length: 6 }, async (_, i) => {
    running.push(await pair.host.command(`${i}`).spawn());
    order.push(i);
  });
  for (let ended = 0; ended < 6; ended++) {
    await until(() => running.length > ended);
    await running[ended]!.stdin.close();
    await running[ended]!.output();
  }
  await Promise.all(asked);
  assertEquals(order, [0, 1, 2, 3, 4, 5]);
});

Deno.test("a queued session rejects with the abort reason, and the next one gets its place", async () => {
  await using pair = await limited(1);
  const first = await pair.host.command("first").spawn();
  const controller = new AbortController();
  const second = pair.host.openSession({ signal: controller.signal });
  const third = pair.host.run("third");
  controller.abort(new Error("no longer wanted"));
  await assertRejects(() => second, Error, "no longer wanted");
  await first.stdin.close();
  await first.output();
  assertEquals(await third, "third");
});

Deno.test("queued sessions fail when the connection closes", async () => {
  const pair = await limited(1);
  const first = await pair.host.command("first").spawn();
  const others = [pair.host.openSession(), pair.host.openSession()];
  others.forEach((other) => other.catch(() => {}));
  first.status.catch(() => {});
  await pair.host.close();
  for (const other of others) await assertRejects(() => other, SshError);
  await pair[Symbol.asyncDispose]();
});

/** A scripted server, which decides whether a session opens. */
function fakeServer(allows: (open: number) => boolean) {
  const open = new Set<() => void>();
  let asked = 0;
  const queue = new SessionQueue(() => {
    asked++;
    if (!allows(open.size)) return Promise.reject(new ChannelOpenError(2, "open failed"));
    const closed = Promise.withResolvers<void>();
    const end = () => {
      open.delete(end);
      closed.resolve();
    };
    open.add(end);
    return Promise.resolve({ closed: closed.promise } as Channel);
  });
  return {
    queue,
    get asked() {
      return asked;
    },
    end: () => [...open][0]!(),
  };
}

Deno.test("a session that is refused while none is open fails immediately", async () => {
  const server = fakeServer(() => false);
  await assertRejects(() => server.queue.open(), ChannelOpenError, "open failed");
  assertEquals(server.asked, 1);
});

Deno.test("a refusal just after a session ended is retried for a moment", async () => {
  using time = new FakeTime();
  let counted = 0;
  const server = fakeServer(() => ++counted === 1 || counted > 4);
  await server.queue.open();
  server.end();
  await time.settle(server.queue.open());
  assertEquals(server.asked, 5);
});

Deno.test("repeated refusals after a session ended fail in the end", async () => {
  using time = new FakeTime();
  let first = true;
  const server = fakeServer(() => first && !(first = false));
  await server.queue.open();
  server.end();
  const error = await time.settle(server.queue.open().catch((error) => error));
  assert(error instanceof ChannelOpenError, String(error));
  assert(server.asked < 25, `${server.asked} requests`);
});

Deno.test("the error of a session queued too long tells how many the server allows", async () => {
  using time = new FakeTime();
  const server = fakeServer((open) => open < 3);
  for (let i = 0; i < 3; i++) await server.queue.open();
  const error = await time.settle(server.queue.open().catch((error) => error));
  assert(error instanceof ChannelOpenError, String(error));
  assertStringIncludes(error.message, "3 parallel sessions");
  assertEquals(server.asked, 4);
});

Deno.test("a spare session is opened only if there is room, and is not queued", async () => {
  const server = fakeServer((open) => open < 2);
  const ended = () => {};
  const [first, second] = [
    await server.queue.openSpare(ended),
    await server.queue.openSpare(ended),
  ];
  assert(first !== null && second !== null);
  assertEquals(await server.queue.openSpare(ended), null);
  assertEquals(server.asked, 3);
  assertEquals(await server.queue.openSpare(ended), null); // known without a request
  assertEquals(server.asked, 3);
});

Deno.test("spare sessions are closed for queued callers, one for each", async () => {
  const server = fakeServer((open) => open < 3);
  const asked: number[] = [];
  for (let i = 0; i < 3; i++) await server.queue.openSpare(() => void asked.push(i));
  const waiting = [server.queue.open(), server.queue.open()];
  await until(() => asked.length === 2);
  assertEquals(asked, [0, 1]);
  server.end();
  server.end();
  await Promise.all(waiting);
  assertEquals(asked, [0, 1]);
});

Deno.test("a spare session that is opened while a caller waits is closed immediately", async () => {
  const gate = Promise.withResolvers<Channel>();
  const closed = Promise.withResolvers<void>();
  let asked = 0;
  const queue = new SessionQueue(() => {
    if (++asked === 1) return gate.promise;
    if (asked === 2) return Promise.reject(new ChannelOpenError(2, "open failed"));
    return Promise.resolve({ closed: Promise.withResolvers<void>().promise } as Channel);
  });
  let gaveWay = false;
  const spare = queue.openSpare(() => {
    gaveWay = true;
    closed.resolve();
  });
  const needed = queue.open();
  await until(() => asked === 2);
  gate.resolve({ closed: closed.promise } as Channel);
  await spare;
  assertEquals(gaveWay, true);
  await needed;
});

Deno.test("a spare session that is refused for another reason fails", async () => {
  const queue = new SessionQueue(() => Promise.reject(new ChannelOpenError(3, "unknown type")));
  await assertRejects(() => queue.openSpare(() => {}), ChannelOpenError, "unknown type");
});
