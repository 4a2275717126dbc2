import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { TextLineStream, toText } from "@std/streams";
import { ClosedError, CommandError, RequestDeniedError, SshError } from "../../lib/errors.ts";
import { startProgram } from "../../lib/session/command.ts";
import type { Session } from "../../lib/session/session.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";

const text = new TextDecoder();

Deno.test("Client.run returns standard output without the last line feed", async () => {
  await using pair = await connectedPair({ handler: (s) => s.print(`ran ${s.command}\n\n`) });
  assertEquals(await pair.host.run("a b"), "ran a b\n");
});

Deno.test("Client.run throws an error with the output of a failed command", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("half");
      await session.printError("first\nno space left\n");
      return 28;
    },
  });
  const error = await assertRejects(
    () => pair.host.run("dd"),
    CommandError,
    'Command "dd" failed with exit code 28: no space left',
  );
  assertEquals(error.exitCode, 28);
  assertEquals(text.decode(error.stdout), "half");
});

Deno.test("Command.output collects both streams in any mix", async () => {
  const block = new Uint8Array(50_000).fill(120);
  await using pair = await connectedPair({
    handler: async ({ channel }) => {
      for (let i = 0; i < 100; i++) {
        await channel.writeAll(block);
        await channel.writeAllStderr(block);
      }
      return 1;
    },
  });
  const output = await pair.host.command("x").output();
  assertEquals([output.stdout.length, output.stderr.length], [5_000_000, 5_000_000]);
  assertEquals([output.success, output.code, output.signal], [false, 1, null]);
});

Deno.test("Command.output rejects beyond maxOutput", async () => {
  await using pair = await connectedPair({
    handler: async ({ channel }) => {
      for (;;) await channel.writeAll(new Uint8Array(10_000));
    },
  });
  await assertRejects(
    () => pair.host.command("yes", { maxOutput: 100_000 }).output(),
    SshError,
    "longer than 100000 bytes",
  );
});

Deno.test("Process.stdin reaches the command, and closing it is EOF", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      const said = await toText(session.stdin);
      await session.print(said.toUpperCase());
    },
  });
  await using process = await pair.host.command("tr a-z A-Z").spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode("shout"));
  await writer.close();
  assertEquals(await toText(process.stdout), "SHOUT");
  assert((await process.status).success);
});

for (
  const stdin of [
    "null" as const,
    new Uint8Array([104, 105]),
    { text: "hi" },
    new Blob(["hi"]).stream(),
  ]
) {
  const kind = stdin === "null" ? "nothing" : stdin.constructor.name;
  Deno.test(`Command.output feeds ${kind} to standard input and ends it`, async () => {
    await using pair = await connectedPair({
      handler: async (session) => session.print(`[${await toText(session.stdin)}]`),
    });
    const { stdout } = await pair.host.command("x", { stdin }).output();
    assertEquals(text.decode(stdout), stdin === "null" ? "[]" : "[hi]");
  });
}

Deno.test("A command that ends without reading its input does not fail", async () => {
  await using pair = await connectedPair({ handler: () => 0 });
  const stdin = new Uint8Array(10_000_000);
  assertEquals((await pair.host.command("true", { stdin }).output()).code, 0);
});

Deno.test("Process.stdout streams lines as they arrive", async () => {
  const more = Promise.withResolvers<void>();
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("one\n");
      await more.promise;
      await session.print("two\n");
    },
  });
  await using process = await pair.host.command("tail -f").spawn();
  const lines: string[] = [];
  const stream = process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(
    new TextLineStream(),
  );
  for await (const line of stream) {
    lines.push(line);
    more.resolve();
  }
  assertEquals(lines, ["one", "two"]);
});

Deno.test("A null standard output is discarded without stalling the command", async () => {
  await using pair = await connectedPair({
    handler: async ({ channel }) => {
      for (let i = 0; i < 100; i++) await channel.writeAll(new Uint8Array(100_000));
      return 3;
    },
  });
  const output = await pair.host.command("x", { stdout: "null", stderr: "null" }).output();
  assertEquals([output.code, output.stdout.length], [3, 0]);
});

Deno.test("An exit signal carries its name, core dump and message", async () => {
  await using pair = await connectedPair({
    handler: (session) =>
      session.exitSignal("SEGV", { coreDumped: true, message: "bad\x1b address" }),
  });
  const output = await pair.host.command("x").output();
  assertEquals(
    [output.code, output.signal, output.coreDumped, output.message],
    [null, "SEGV", true, "bad address"],
  );
});

Deno.test("Process.kill and Process.resize reach the session", async () => {
  const seen: unknown[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      seen.push(session.pty?.term, session.pty?.columns, session.pty?.modes);
      const done = Promise.withResolvers<void>();
      session.onResize((size) => seen.push(size));
      session.onSignal((name) => {
        seen.push(name);
        done.resolve();
      });
      await session.print("ready");
      await done.promise;
    },
  });
  await using process = await pair.host.shell({
    pty: { term: "vt100", columns: 132, rows: 43, modes: { ECHO: 0 } },
  });
  await process.channel.readChunk();
  process.resize({ columns: 100, rows: 50 });
  process.kill("SIGINT");
  await process.status;
  assertEquals(seen, [
    "vt100",
    132,
    { ECHO: 0 },
    { columns: 100, rows: 50, width: 0, height: 0 },
    "INT",
  ]);
  assertThrows(() => process.kill("WINCH" as "TERM"), TypeError, "Unknown signal");
});

Deno.test("The environment arrives before the command starts", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(JSON.stringify({ ...session.env })),
  });
  const env = { LANG: "C", EMPTY: "", __proto__x: "1" };
  assertEquals(JSON.parse(await pair.host.run("env", { env })), env);
});

Deno.test("A session's environment refuses unusual names and is limited", async () => {
  let count = 0;
  await using pair = await connectedPair({
    handler: (session: Session) => void (count = Object.keys(session.env).length),
  });
  const env = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`V${i}`, "x"]));
  // The channel accepts 256 pending requests; the server decides about unusual names.
  await pair.host.run("x", { env: Object.fromEntries(Object.entries(env).slice(0, 200)) });
  assertEquals(count, 200);
  await pair.host.run("x", { env: { "LD PRELOAD": "x", "A=B": "x", OK: "x" } });
  assertEquals(count, 1);
});

Deno.test("The error names the request that the server refused", async () => {
  await using pair = await connectedPair({ serve: { pty: false } });
  const refused = (request: Promise<unknown>, message: string) =>
    assertRejects(() => request, RequestDeniedError, `The server refused ${message}`);
  const { host } = pair;
  await refused(host.run("x"), '"exec": it runs no commands for this user');
  await refused(host.shell({ pty: false }), '"shell": it has no shell for this user');
  await refused(host.shell(), '"pty-req": it gives this user no terminal');
  await refused(host.sftp(), '"subsystem": it has no subsystem "sftp" for this user');
  await assertRejects(() => pair.host.request("tcpip-forward"), RequestDeniedError);
});

Deno.test("A channel runs only one program", async () => {
  await using pair = await connectedPair({
    handler: async (session) => void await toText(session.stdin),
  });
  const channel = await pair.host.openSession();
  await channel.request("shell");
  await assertRejects(() => channel.request("shell"), RequestDeniedError);
  await channel.closeWrite();
  assertEquals((await channel.exitStatus).code, 0);
  await channel.close();
});

Deno.test("startProgram sends no request for a second program", async () => {
  await using pair = await connectedPair({
    handler: async (session) => void await toText(session.stdin),
  });
  const channel = await pair.host.openSession();
  await startProgram(channel, { kind: "shell" });
  const again = () => startProgram(channel, { kind: "exec", command: "x" });
  await assertRejects(again, TypeError, "The channel has a program: shell");
  await channel.closeWrite();
  assertEquals((await channel.exitStatus).code, 0);
  await channel.close();
});

Deno.test("A command whose terminal cannot be requested does not start", async () => {
  const started: (string | null)[] = [];
  await using pair = await connectedPair({ handler: ({ command }) => void started.push(command) });
  const pty = { columns: -1 };
  await assertRejects(
    () => pair.host.command("one", { pty }).output(),
    RangeError,
    "Terminal size",
  );
  await pair.host.command("two").output();
  assertEquals(started, ["two"]);
});

Deno.test("Channel.readAll reads one stream to its end, and leaves the other", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("out");
      await session.printError("error");
    },
  });
  const channel = await pair.host.openSession();
  await channel.shell();
  assertEquals(text.decode(await channel.readAll({ stream: "stderr" })), "error");
  assertEquals(text.decode(await channel.readAll()), "out");
  await channel.close();
  await assertRejects(() => channel.readAll(), ClosedError);
});

Deno.test("Channel.readAll refuses a stream that has a reader, and data beyond its limit", async () => {
  await using pair = await connectedPair({ handler: (session) => session.print("x".repeat(11)) });
  const channel = await pair.host.openSession();
  await channel.shell();
  const reader = channel.readable.getReader();
  await assertRejects(() => channel.readAll(), TypeError, "it has a reader");
  reader.releaseLock();
  await assertRejects(() => channel.readAll({ maxBytes: 10 }), SshError, "longer than 10 bytes");
  await channel.close();
});

Deno.test("Channel.readAll can be aborted", async () => {
  await using pair = await connectedPair({
    handler: async (session) => void await toText(session.stdin),
  });
  const channel = await pair.host.openSession();
  await channel.shell();
  const controller = new AbortController();
  const reading = channel.readAll({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => reading, Error, "enough");
  await channel.closeWrite();
  assertEquals(await channel.readAll(), new Uint8Array(0));
  await channel.close();
});

Deno.test("Channel.discard discards received and later data; the other stream is read", async () => {
  await using pair = await connectedPair({
    serve: { window: 1024 },
    handler: async (session) => {
      await session.print("x".repeat(100_000));
      await session.printError("done");
    },
  });
  const channel = await pair.host.openSession();
  await channel.shell();
  channel.discard("stdout");
  assertEquals(text.decode(await channel.readAll({ stream: "stderr" })), "done");
  assertEquals(await channel.readAll(), new Uint8Array(0));
  await channel.close();
});

Deno.test("Aborting a command ends it on both sides with the reason", async () => {
  const gone = Promise.withResolvers<void>();
  const signals: string[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      session.onSignal((name) => signals.push(name));
      session.signal.addEventListener("abort", () => gone.resolve());
      await session.print("started");
      await gone.promise;
    },
  });
  const aborter = new AbortController();
  await using process = await pair.host.command("sleep 1000", { signal: aborter.signal }).spawn();
  await process.channel.readChunk();
  aborter.abort(new Error("too long"));
  await assertRejects(() => process.status, Error, "too long");
  await assertRejects(() => process.output(), Error, "too long");
  await gone.promise;
  assertEquals(signals, ["TERM"]);
});

Deno.test("An aborted signal keeps a command from starting", async () => {
  let ran = false;
  await using pair = await connectedPair({ handler: () => void (ran = true) });
  await assertRejects(
    () => pair.host.run("x", { signal: AbortSignal.abort(new Error("no")) }),
    Error,
    "no",
  );
  assertEquals(ran, false);
});

Deno.test("A handler that throws is exit code 1, without details for the client", async () => {
  const reported: unknown[] = [];
  await using pair = await connectedPair({
    serve: { onError: (error) => reported.push(error) },
    handler: () => {
      throw new Error("database password is hunter2");
    },
  });
  const output = await pair.host.command("x").output();
  assertEquals([output.code, output.stderr.length], [1, 0]);
  assertEquals(reported.map(String), ["Error: database password is hunter2"]);
});

Deno.test("A hundred parallel commands on one connection", async () => {
  await using pair = await connectedPair({
    serve: { maxSessions: 100 },
    handler: (session) => session.print(session.command!),
  });
  const commands = Array.from({ length: 100 }, (_, i) => `command ${i}`);
  assertEquals(await Promise.all(commands.map((c) => pair.host.run(c))), commands);
});

Deno.test("A command with unread output stalls, while nine others continue", async () => {
  await using pair = await connectedPair({
    connect: { window: 64 * 1024 },
    handler: async ({ channel, command }) => {
      const bytes = command === "stalled" ? 1_000_000 : 300_000;
      await channel.writeAll(new Uint8Array(bytes));
    },
  });
  await using stalled = await pair.host.command("stalled").spawn();
  const others = Array.from({ length: 9 }, () => pair.host.command("x").output());
  for (const output of await Promise.all(others)) assertEquals(output.stdout.length, 300_000);
  const settled = await Promise.race([stalled.status, Promise.resolve("running")]);
  assertEquals(settled, "running");
  assertEquals((await stalled.output()).stdout.length, 1_000_000);
});
