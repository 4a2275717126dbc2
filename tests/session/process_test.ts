/** A remote process behaves like Deno.ChildProcess. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { connect, type ConnectOptions, DisconnectError, SshError } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { KILL_GRACE_MS, STALL_MS } from "../../lib/defaults.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { FakeTime } from "../support/fake_time.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Prints its input, and exits with 3. */
const count: SessionHandler = async ({ channel }) => {
  const { length } = await channel.readAll();
  await channel.writeAll(new TextEncoder().encode(`${length}`));
  return 3;
};

const broken: Record<string, (stdin: WritableStream<Uint8Array>) => Promise<void>> = {
  "an abort of the stream": async (stdin) => {
    const writer = stdin.getWriter();
    await writer.write(new Uint8Array(5));
    await writer.abort(new Error("changed my mind"));
  },
  "a pipe whose source fails": async (stdin) => {
    let pulls = 0;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(5));
        else controller.error(new Error("the disk is gone"));
      },
    });
    await assertRejects(() => source.pipeTo(stdin), Error, "the disk is gone");
  },
  "a pipe that is aborted": async (stdin) => {
    const leaving = new AbortController();
    let pulls = 0;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(5));
        else leaving.abort(new Error("enough"));
      },
    }, { highWaterMark: 0 });
    await assertRejects(() => source.pipeTo(stdin, { signal: leaving.signal }), Error, "enough");
  },
};
for (const [what, breakInput] of Object.entries(broken)) {
  Deno.test(`After ${what} the input ends, and output and status arrive`, async () => {
    await using pair = await connectedPair({ handler: count });
    await using process = await pair.host.command("wc -c").spawn();
    await breakInput(process.stdin);
    const { code, stdout } = await process.output();
    assertEquals([code, text(stdout)], [3, "5"]);
  });
}

Deno.test("An abort ends the input also while a write waits for the window", async () => {
  await using pair = await connectedPair({
    serve: { window: 4_096 },
    handler: async (session) => {
      await session.print("ready");
      await session.channel.ready("read");
      await new Promise<void>((resolve) => session.onSignal(() => resolve()));
      return (await session.channel.readAll()).length > 0 ? 3 : 4;
    },
  });
  await using process = await pair.host.command("x").spawn();
  const writer = process.stdin.getWriter();
  const writing = assertRejects(() => writer.write(new Uint8Array(1_000_000)));
  await process.channel.readChunk();
  await writer.abort(new Error("enough"));
  await writing;
  process.kill("USR1");
  assertEquals((await process.status).code, 3);
});

Deno.test("await using ends a running command, and does not signal one that has ended", async () => {
  const told: string[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      session.onSignal((name) => told.push(`${session.command} ${name}`));
      if (session.command === "true") return;
      if (session.command === "daemon") session.exit(0); // but its channel stays open
      await new Promise<void>((resolve) =>
        session.signal.addEventListener("abort", () => resolve())
      );
      told.push(`${session.command} gone`);
    },
  });
  for (const command of ["true", "daemon"]) {
    await using process = await pair.host.command(command).spawn();
    await process.status;
  }
  {
    await using _process = await pair.host.command("sleep 1000").spawn();
  }
  await pair.host.run("true"); // earlier data has been handled
  assertEquals(told, ["daemon gone", "sleep 1000 TERM", "sleep 1000 gone"]);
});

Deno.test("A command blocked by unread standard error ends with an error that says so", async () => {
  using time = new FakeTime();
  const pair = await time.settle(
    connectedPair({
      connect: { window: 65_536 },
      serve: { keepaliveInterval: 0 },
      handler: async (session) => {
        await session.channel.writeAllStderr(new Uint8Array(100_000));
        await session.print("done");
      },
    }),
    1000,
  );
  const unread = await time.settle(pair.host.command("x").spawn(), 1000);
  const reading = new Response(unread.stdout).text();
  reading.catch(() => {});
  await time.advance(STALL_MS);
  assert(unread.channel.isOpen, "a reader may be on its way");
  const error = await time.settle(assertRejects(() => reading, SshError));
  assertEquals([error.code, time.now <= 2 * STALL_MS + 1000], ["command", true]);
  assertStringIncludes(error.message, "its standard error to be read (65536 bytes)");

  // Once the stream has been accessed, even late, it counts as read.
  const late = await time.settle(pair.host.command("x").spawn(), 1000);
  const text = new Response(late.stdout).text();
  await time.advance(STALL_MS);
  const { stderr } = late;
  await time.advance(3 * STALL_MS); // its reader may still be on its way
  const errors = new Response(stderr).bytes();
  assertEquals([(await time.settle(errors)).length, await time.settle(text)], [100_000, "done"]);
  const thrownAway = await time.settle(pair.host.command("x", { stderr: "null" }).spawn(), 1000);
  assertEquals(await time.settle(new Response(thrownAway.stdout).text()), "done");
  await time.settle(Promise.resolve(pair[Symbol.asyncDispose]()));
  assertEquals(time.timers, 0);
});

Deno.test("kill() closes the channel after a grace period if the server ignores signals", async () => {
  for (const [handles, signal] of [[false, "TERM"], [true, "KILL"]] as const) {
    using time = new FakeTime();
    const pair = await time.settle(
      connectedPair({
        serve: { keepaliveInterval: 0 },
        handler: async (session) => {
          const { resolve, promise } = Promise.withResolvers<void>();
          session.signal.addEventListener("abort", () => resolve());
          if (handles) session.onSignal(() => setTimeout(resolve, 100 * KILL_GRACE_MS));
          await promise;
          return 7;
        },
      }),
      1000,
    );
    const process = await time.settle(pair.host.command("x").spawn(), 1000);
    if (!handles) {
      // Like a server without this request.
      const { request } = process.channel;
      process.channel.request = (type, ...rest) =>
        request.call(process.channel, type === "signal" ? "unknown" : type, ...rest);
    }
    process.kill(signal);
    process.kill(signal);
    const { code } = await time.settle(process.status);
    assertEquals([code, time.now >= KILL_GRACE_MS], handles ? [7, true] : [null, true]);
    assertEquals(time.now >= 100 * KILL_GRACE_MS, handles, `${time.now}`);
    await pair[Symbol.asyncDispose]();
  }
});

Deno.test("The grace period of kill() ends when the server ends the command", async () => {
  using time = new FakeTime();
  const ended = Promise.withResolvers<number>();
  await using pair = await time.settle(
    connectedPair({ serve: { keepaliveInterval: 0 }, handler: () => ended.promise }),
    1000,
  );
  const process = await time.settle(pair.host.command("x").spawn(), 1000);
  const before = time.timers;
  // Like a server without this request.
  process.channel.request = () => Promise.reject(new Error("not known here"));
  process.kill();
  assertEquals(time.timers, before + 1);
  ended.resolve(3);
  assertEquals((await process.status).code, 3);
  await process.channel.closed;
  assertEquals(time.timers, before);
});

Deno.test("timeout ends a command with a time-out error", async () => {
  const told: string[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      session.onSignal((name) => told.push(name));
      if (session.command === "true") return;
      await new Promise<void>((resolve) =>
        session.signal.addEventListener("abort", () => resolve())
      );
    },
  });
  for (const start of ["run", "output"] as const) {
    const late = () =>
      start === "run"
        ? pair.host.run("sleep 1000", { timeout: 20 })
        : pair.host.command("sleep 1000", { timeout: 20 }).output();
    const error = await assertRejects(late, DOMException, "did not end within 20 ms");
    assertEquals(error.name, "TimeoutError");
  }
  await pair.host.run("true", { timeout: 60_000 });
  assertEquals(told, ["TERM", "TERM"]);
});

Deno.test("input is text, bytes, a stream or a Blob, and replaces stdin", async () => {
  await using pair = await connectedPair({ handler: ({ stdin, stdout }) => stdin.pipeTo(stdout) });
  const bytes = new TextEncoder().encode("hellö");
  const inputs = ["hellö", bytes, new Blob(["hell", "ö"]), ReadableStream.from([bytes])];
  for (const input of inputs) assertEquals(await pair.host.run("cat", { input }), "hellö");
  assertEquals(await pair.host.run("cat", { stdin: new Blob(["hellö"]) }), "hellö");
  const both = () => pair.host.run("cat", { input: "a", stdin: "null" });
  await assertRejects(both, TypeError, "either stdin or input");
});

Deno.test("An input with chunks that are not bytes, or with another reader, ends the command", async () => {
  await using pair = await connectedPair({ handler: ({ stdin, stdout }) => stdin.pipeTo(stdout) });
  const locked = new ReadableStream<Uint8Array>();
  locked.getReader();
  await assertRejects(() => pair.host.run("cat", { input: locked }), TypeError, "stream is locked");
  const message = "A stream must have Uint8Array chunks, not ";
  for (const chunk of ["text", new Uint16Array([1000]), null]) {
    const input = ReadableStream.from([new Uint8Array(1), chunk as never]);
    await assertRejects(() => pair.host.run("cat", { input }), TypeError, message);
    await using process = await pair.host.command("cat").spawn();
    const writer = process.stdin.getWriter();
    await assertRejects(() => writer.write(chunk as never), TypeError, message);
    await assertRejects(() => process.output(), TypeError, message);
  }
});

Deno.test("args are quoted, and cwd sets the working folder", async () => {
  await using pair = await connectedPair({ handler: (session) => session.print(session.command!) });
  const { host } = pair;
  assertEquals(await host.run("ls", { args: ["-l", "a b", "it's"] }), `ls -l 'a b' 'it'\\''s'`);
  assertEquals(await host.run("make", { cwd: "/srv/my app" }), "cd '/srv/my app' || exit 1; make");
  assertEquals(await host.run("ls", { cwd: "-x" }), "cd ./-x || exit 1; ls");
});

Deno.test("Inherited outputs go to this program's outputs, and cannot also be read", async () => {
  const written: Record<string, string> = { stdout: "", stderr: "" };
  const { terminal } = runtime;
  const before = { stdout: terminal.stdout, stderr: terminal.stderr };
  const fake = (name: string) => ({
    write: (bytes: Uint8Array) => {
      written[name] += text(bytes.subarray(0, 3));
      return Promise.resolve(Math.min(3, bytes.length));
    },
  });
  Object.defineProperties(terminal, {
    stdout: { value: fake("stdout"), configurable: true, writable: true },
    stderr: { value: fake("stderr"), configurable: true, writable: true },
  });
  try {
    await using pair = await connectedPair({
      handler: async (session) => {
        await session.print("to stdout");
        await session.printError("to stderr");
        return 5;
      },
    });
    const inherit = { stdout: "inherit", stderr: "inherit" } as const;
    const process = await pair.host.command("x", inherit).spawn();
    assertThrows(() => process.stdout, TypeError, 'Cannot get "stdout"');
    assertThrows(() => process.stderr, TypeError, 'Cannot get "stderr"');
    const { code, stdout, stderr } = await process.output();
    assertEquals([code, stdout.length, stderr.length], [5, 0, 0]);
    assertEquals(written, { stdout: "to stdout", stderr: "to stderr" });
  } finally {
    Object.defineProperties(terminal, {
      stdout: { value: before.stdout, configurable: true, writable: true },
      stderr: { value: before.stderr, configurable: true, writable: true },
    });
  }
});

Deno.test("Operations pending at the end of a scope reject with a hint to await them", async () => {
  const pair = await connectedPair({ handler: () => new Promise<void>(() => {}) });
  const running = pair.host.run("x");
  const rejected = assertRejects(() => running, DisconnectError, "at the end of its scope");
  await pair.host.command("x").spawn();
  await pair.host[Symbol.asyncDispose]();
  await rejected;
  await pair[Symbol.asyncDispose]();
});

Deno.test("connect() with two sets of options is refused", () => {
  const both = [{ hostname: "db1" }, { user: "me" }] as unknown as [string, ConnectOptions];
  assertThrows(() => connect(...both), TypeError, "not two objects of options");
  assert(true);
});
