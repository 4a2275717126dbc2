/** Controls a program on a terminal or a pipe by its output. */
import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { ExpectError } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { EXPECT_TIMEOUT_MS } from "../../lib/defaults.ts";
import type { Channel } from "../../lib/connection/channel.ts";
import { Expecter } from "../../lib/session/expect.ts";
import { replaced } from "../support/replaced.ts";
import { FakeTime } from "../support/fake_time.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** Answers line by line, as a shell with a prompt. */
const shell: SessionHandler = async (session) => {
  await session.print("welcome\n$ ");
  for await (const line of session.channel.lines()) {
    if (line === "exit") return 3;
    await session.print(`${line.toUpperCase()}\n$ `);
  }
};

Deno.test("expect() and send() hold a dialog, and return the text before the match", async () => {
  await using pair = await connectedPair({ handler: shell });
  await using process = await pair.host.shell({ pty: false });
  assertEquals((await process.expect("$ ")).before, "welcome\n");
  await process.send("one\n");
  await process.send(new TextEncoder().encode("two\n"));
  assertEquals((await process.expect("$ ")).before, "ONE\n");
  assertEquals((await process.expect([/nothing/, /^\$ /m])).before, "TWO\n");
  await process.send("exit\n");
  assertEquals((await process.status).code, 3);
});

Deno.test("Data after a match is left to lines(), stdout and output()", async () => {
  const handler: SessionHandler = (session) => session.print("login: one\ntwo\n");
  await using pair = await connectedPair({ handler });
  {
    await using process = await pair.host.command("x").spawn();
    await process.expect("login: ");
    assertEquals(await Array.fromAsync(process.lines()), ["one", "two"]);
  }
  {
    await using process = await pair.host.command("x").spawn();
    await process.expect(/lo/);
    await process.expect(/in: /);
    const { stdout } = await process.output();
    assertEquals(new TextDecoder().decode(stdout), "one\ntwo\n");
  }
});

Deno.test("The end of the last match does not count as the start of a line", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print("one two\nthree\nfour"),
  });
  await using process = await pair.host.command("x").spawn();
  await process.expect("one");
  assertEquals((await process.expect(/^( two|three)/m)).text, "three");
  assertEquals((await process.expect(/(?=\n)/)).text, "");
  assertEquals((await process.expect(/^four/m)).before, "\n");
});

Deno.test("expect() can wait for standard error", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("out\n");
      await session.printError("Password:");
      await session.channel.ready("read");
    },
  });
  await using process = await pair.host.command("x").spawn();
  assertEquals((await process.expect("word:", { stream: "stderr" })).before, "Pass");
  await process.send("x");
  assertEquals((await process.expect("\n")).before, "out");
});

Deno.test("An output that ends without a match is an error that quotes its last part", async () => {
  const text = `${"a".repeat(500)}\x1b[1mbye`;
  await using pair = await connectedPair({ handler: (session) => session.print(text) });
  await using process = await pair.host.command("x").spawn();
  const error = await assertRejects(() => process.expect(["login:", /\d\d/]), ExpectError);
  assertEquals([error.code, error.received], ["expect", text.slice(-400)]);
  assertMatch(
    plainMessage(error),
    /^Expected "login:" or \/\\d\\d\/, which did not come before the output ended: the last that came was "a+\[1mbye"$/,
  );
  // It is still there.
  assertEquals((await process.expect("bye")).before.length, text.length - 3);
  const nothing = await assertRejects(() => process.expect("x"), ExpectError);
  assertMatch(plainMessage(nothing), /before the output ended: nothing came$/);
});

Deno.test("expect() rejects at its time-out, and can be called again", async () => {
  using time = new FakeTime();
  const pair = await time.settle(
    connectedPair({
      serve: { keepaliveInterval: 0 },
      handler: async (session) => {
        await session.print("Verification code: ");
        await session.channel.ready("read");
        await session.print("ok\n");
      },
    }),
    1000,
  );
  const process = await time.settle(pair.host.command("x").spawn(), 1000);
  const started = time.now;
  const late = process.expect("Password:").catch((error) => error);
  const error = await time.settle(late, EXPECT_TIMEOUT_MS);
  assertInstanceOf(error, ExpectError);
  assertEquals([error.code, time.now - started], ["timeout", EXPECT_TIMEOUT_MS]);
  assertMatch(
    plainMessage(error),
    /within 30000 ms: the last that came was "Verification code: "$/,
  );
  const match = process.expect("ok", { timeout: Infinity });
  await process.send("1");
  assertEquals((await match).before, "Verification code: ");
  await pair[Symbol.asyncDispose]();
});

Deno.test("A signal ends the wait with its reason, and reads nothing more", async () => {
  await using pair = await connectedPair({ handler: shell });
  await using process = await pair.host.shell({ pty: false });
  const leaving = new AbortController();
  const waiting = process.expect("never", { signal: leaving.signal });
  leaving.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  assertEquals((await process.expect("$ ")).before, "welcome\n");
});

Deno.test("Queued chunks are searched together, up to 32 KiB at a time", async () => {
  let searches = 0;
  const { exec } = RegExp.prototype;
  using _counting = replaced(RegExp.prototype, "exec", function (this: RegExp, text: string) {
    if (this.source === "needle") searches++;
    return exec.call(this, text);
  });
  const half = 16 * 1024;
  const expected: [pieces: number[], searches: number][] = [
    [[1, 1, 1], 1],
    [[half, half, 1], 2],
    [[half, half - 1, 1], 1],
    [[half, half, half, half - 1, 1], 2],
  ];
  for (const [pieces, times] of expected) {
    searches = 0;
    const channel = channelOf(pieces.map((length) => new Uint8Array(length)));
    await assertRejects(() => new Expecter(channel, "stdout").expect(/needle/), ExpectError);
    assertEquals(searches, times + 1, `${pieces}`); // and at the end
    assertEquals(channel.readableBytes, pieces.reduce((a, b) => a + b));
  }
});

Deno.test("One character before is seen, and at the end one that is not whole", async () => {
  const channel = channelOf(["onetwo", "a\u20ac"].map((text) => new TextEncoder().encode(text)));
  const expecter = new Expecter(channel, "stdout");
  await expecter.expect("one");
  assertEquals((await expecter.expect([/(?<=ne)t/, /(?<=e)tw/])).index, 1);
  channel.unread((await channel.readChunk())!.subarray(0, -1));
  assertEquals((await expecter.expect("a\ufffd")).before, "o");
});

/** The reading end of a channel that has received everything. */
function channelOf(pieces: Uint8Array<ArrayBuffer>[]): Channel {
  return {
    get readableBytes() {
      return pieces.reduce((sum, { length }) => sum + length, 0);
    },
    readableStderrBytes: 0,
    readChunk: () => Promise.resolve(pieces.shift() ?? null),
    unread: (bytes: Uint8Array<ArrayBuffer>) => void pieces.unshift(bytes),
  } as unknown as Channel;
}

Deno.test("expect() refuses invalid arguments", async () => {
  await using pair = await connectedPair({ handler: shell });
  await using process = await pair.host.shell({ pty: false });
  await assertRejects(() => process.expect(""), TypeError, "an empty text");
  await assertRejects(() => process.expect("x", { timeout: -1 }), RangeError, "timeout");
  await assertRejects(() => process.expect("x", { timeout: NaN }), RangeError, "timeout");
  await assertRejects(() => process.expect("x", { timeout: 0 }), ExpectError, "within 0 ms");
  const waiting = process.expect("$ ");
  await assertRejects(() => process.expect("$ "), TypeError, "another call waits");
  await waiting;
  const reader = process.stdout.getReader();
  await assertRejects(() => process.expect("x"), TypeError, '"stdout" has a reader');
  reader.releaseLock();
  await using inherited = await pair.host.command("x", { stderr: "inherit" }).spawn();
  await assertRejects(() => inherited.expect("x", { stream: "stderr" }), TypeError, "inherited");
});
