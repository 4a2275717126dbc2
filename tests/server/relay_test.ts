/** Sessions that a bastion relays to another server. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RequestDeniedError } from "@denossh/ssh";
import {
  type Channel,
  type ExitStatus,
  localFiles,
  relay,
  type RelayOptions,
  type Session,
  type SessionHandler,
} from "@denossh/ssh/server";
import { type ConnectedPair, connectedPair } from "@denossh/ssh/testing";
import { until } from "../connection/until.ts";
import { turn } from "../sftp/world.ts";
import { noise } from "../support/random.ts";
import { tempFolder } from "../support/temp.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

interface World extends AsyncDisposable {
  /** Connected to the bastion. */
  readonly host: ConnectedPair["host"];
  /** The bastion's log. */
  readonly errors: unknown[];
}

/** A client, a bastion and a server on which `handler` runs. */
async function world(handler: SessionHandler | null, options: RelayOptions = {}): Promise<World> {
  const inside = await connectedPair({ ...handler && { handler } });
  const errors: unknown[] = [];
  const pass: SessionHandler = (session) => relay(session, inside.host, options);
  const outside = await connectedPair({
    serve: { onError: (error) => errors.push(error), subsystems: { echo: pass } },
    handler: pass,
  });
  return {
    host: outside.host,
    errors,
    async [Symbol.asyncDispose]() {
      await outside[Symbol.asyncDispose]();
      await inside[Symbol.asyncDispose]();
    },
  };
}

Deno.test("relay passes on the command, its variables, both outputs and the exit code", async () => {
  await using bastion = await world(async (session) => {
    await session.print(`${session.command} ${session.env.LANG}`);
    await session.printError("oh");
    return 42;
  });
  const output = await bastion.host.command("ls -l", { env: { LANG: "C" } }).output();
  assertEquals([text(output.stdout), text(output.stderr)], ["ls -l C", "oh"]);
  assertEquals(output.code, 42);
});

Deno.test("relay passes on input, EOF, and megabytes both ways", async () => {
  await using bastion = await world(({ stdin, stdout }) => stdin.pipeTo(stdout));
  const sent = noise(3_000_000);
  const { stdout, code } = await bastion.host.command("cat", { stdin: sent }).output();
  assertEquals([stdout.length, code], [sent.length, 0]);
  assertEquals(stdout, sent);
});

Deno.test("relay passes on how a program ended: by a signal, or without a status", async () => {
  await using killed = await world((session) => {
    session.exitSignal("TERM", { coreDumped: true, message: "out of time" });
  });
  const { signal, coreDumped, message } = await killed.host.command("x").output();
  assertEquals([signal, coreDumped, message], ["TERM", true, "out of time"]);
  await using silent = await world(async ({ channel }) => await channel.close());
  assertEquals((await silent.host.command("x").output()).code, 255);
});

Deno.test("relay passes on the terminal, its sizes, signals and breaks", async () => {
  const told: unknown[] = [];
  await using bastion = await world(async (session) => {
    const { term, columns, rows, modes } = session.pty!;
    told.push([session.command, term, columns, rows, modes]);
    session.onResize(({ columns, rows }) => told.push([columns, rows]));
    session.onSignal((name) => told.push(name));
    session.onBreak((milliseconds) => told.push(milliseconds));
    await session.print("ready");
    await session.channel.readAll();
  });
  const pty = { term: "vt100", columns: 100, rows: 30, modes: { ECHO: 0 } };
  await using process = await bastion.host.shell({ pty });
  await process.channel.readChunk();
  process.resize({ columns: 101, rows: 31 });
  process.kill("INT");
  await process.channel.sendBreak(500);
  await until(() => told.length === 4);
  assertEquals(told, [[null, "vt100", 100, 30, { ECHO: 0 }], [101, 31], "INT", 500]);
  await process.channel.closeWrite();
  assertEquals((await process.status).code, 0);
});

Deno.test("relay runs the bastion's command, if given", async () => {
  await using bastion = await world((session) => session.print(session.command!), {
    command: "backup",
  });
  assertEquals(await bastion.host.run("rm -r /"), "backup");
});

Deno.test("relay passes on a subsystem", async () => {
  const seen: unknown[] = [];
  const serve = {
    subsystems: {
      echo: async (session: Parameters<SessionHandler>[0]) => {
        seen.push(session.subsystem);
        await session.print("here");
      },
    },
  };
  await using inside = await connectedPair({ serve });
  const pass: SessionHandler = (session) => relay(session, inside.host);
  await using outside = await connectedPair({ serve: { subsystems: { echo: pass } } });
  const channel = await outside.host.subsystem("echo");
  assertEquals(text(await channel.readAll()), "here");
  assertEquals(seen, ["echo"]);
  await assertRejects(() => outside.host.subsystem("other"), RequestDeniedError);
  await assertRejects(() => outside.host.subsystem("toString"), RequestDeniedError);
});

Deno.test("relay passes on SFTP", async () => {
  await using folder = await tempFolder();
  await folder.write("note", "hello");
  await using inside = await connectedPair({ serve: { sftp: localFiles({ root: folder.path }) } });
  const pass: SessionHandler = (session) => relay(session, inside.host);
  await using outside = await connectedPair({ serve: { subsystems: { sftp: pass } } });
  await using sftp = await outside.host.sftp();
  assertEquals(await sftp.readTextFile("note"), "hello");
});

Deno.test("The program's channel closes when the client disconnects", async () => {
  const gone = Promise.withResolvers<void>();
  await using bastion = await world(async (session) => {
    session.signal.addEventListener("abort", () => gone.resolve());
    await gone.promise;
  });
  const process = await bastion.host.command("sleep 1000").spawn();
  await process.channel.close();
  await gone.promise;
});

Deno.test("A program that stops reading does not block its client", async () => {
  await using bastion = await world(async ({ channel }) => {
    await channel.readable.cancel();
    await channel.writeAll(Uint8Array.of(1));
    return 3;
  });
  await using process = await bastion.host.command("x").spawn();
  await process.channel.readChunk();
  // More than the window.
  await Promise.allSettled([process.channel.writeAll(new Uint8Array(10_000_000))]);
  assertEquals((await process.status).code, 3);
});

Deno.test("relay fails where the other server refuses the program", async () => {
  await using bastion = await world(null);
  assertEquals((await bastion.host.command("x").output()).code, 1);
  assert(bastion.errors[0] instanceof RequestDeniedError);
  const shell = await bastion.host.shell({ pty: false });
  assertEquals((await shell.output()).code, 1);
  assert(bastion.errors[1] instanceof RequestDeniedError);
});

Deno.test("A recording has the client's output in asciicast format, and no input", async () => {
  const lines: string[] = [];
  let closed = false;
  const record = new WritableStream<string>({
    write: (line) => void lines.push(line),
    close: () => void (closed = true),
  });
  const euro = new TextEncoder().encode("1 €");
  await using bastion = await world(async ({ channel }) => {
    assertEquals(text((await channel.readChunk())!), "secret");
    await channel.writeAll(euro.subarray(0, 3)); // in the middle of a character
    await channel.readChunk();
    await channel.writeAll(euro.subarray(3));
  }, { record });
  await using process = await bastion.host.shell({
    pty: { columns: 100, rows: 30, term: "vt100" },
  });
  await process.channel.writeAll(new TextEncoder().encode("secret"));
  await process.channel.readChunk();
  process.resize({ columns: 50, rows: 20 });
  await until(() => lines.length === 3);
  await process.channel.writeAll(Uint8Array.of(1));
  assertEquals((await process.status).code, 0);
  await until(() => closed);
  assert(lines.every((line) => line.endsWith("\n") && line.indexOf("\n") === line.length - 1));
  const [header, ...events] = lines.map((line) => JSON.parse(line));
  assertEquals([header.version, header.width, header.height], [2, 100, 30]);
  assertEquals([header.env, header.title], [{ TERM: "vt100" }, "tester"]);
  assertEquals(events.map(([, kind, data]) => [kind, data]), [
    ["o", "1 "],
    ["r", "50x20"],
    ["o", "€"],
  ]);
  assert(events.every(([at], i) => at >= (events[i - 1]?.[0] ?? 0)));
});

Deno.test("A session whose recording fails ends, and its program with it", async () => {
  const gone = Promise.withResolvers<void>();
  const record = new WritableStream<string>({
    write(line) {
      if (line.startsWith("[")) throw new Error("the disk is full");
    },
  });
  await using bastion = await world(async (session) => {
    session.signal.addEventListener("abort", () => gone.resolve());
    await session.print("first");
    await gone.promise;
  }, { record });
  const { code } = await bastion.host.command("x").output();
  assertEquals([code, text((await bastion.host.command("x").output()).stdout)], [1, ""]);
  await gone.promise;
  assert(bastion.errors.some((error) => `${error}`.includes("the disk is full")));
});

/** A channel to the other server that records calls, and a session before it. */
function recorded(session: Partial<Session> = {}, answers: Partial<Record<string, Error>> = {}) {
  const calls: unknown[][] = [];
  const over = Promise.withResolvers<ExitStatus>();
  const gone = new AbortController();
  const handlers: Record<string, (value: never) => void> = {};
  const state = { isOpen: true };
  const call = (name: string) => (...given: unknown[]) => {
    calls.push([name, ...given]);
    return answers[name] === undefined ? Promise.resolve() : Promise.reject(answers[name]);
  };
  const names = ["updateEnv", "requestPty", "subsystem", "exec", "shell", "closeWrite", "writeAll"];
  const far = {
    ...Object.fromEntries(
      [...names, "sendSignal", "sendBreak", "resizePty"].map((name) => [name, call(name)] as const),
    ),
    get isOpen() {
      return state.isOpen;
    },
    exitStatus: over.promise,
    readChunk: () => over.promise.then(() => null),
    readStderrChunk: () => over.promise.then(() => null),
    abort: (reason?: unknown) => void calls.push(["abort", reason]),
  };
  const target = {
    openSession: (options: { signal?: AbortSignal }) => {
      calls.push(["openSession", options.signal]);
      return Promise.resolve(far as unknown as Channel);
    },
  };
  const on = (name: string) => (handler: (value: never) => void) => void (handlers[name] = handler);
  const near = {
    signal: gone.signal,
    env: { LANG: "C" },
    pty: null,
    command: null,
    subsystem: null,
    user: "ann",
    channel: {
      readChunk: () => Promise.resolve(null),
      discard: call("discard"),
      writeAll: call("out"),
      writeAllStderr: call("err"),
    },
    onSignal: on("signal"),
    onBreak: on("break"),
    onResize: on("resize"),
    exit: call("exit"),
    exitSignal: call("exitSignal"),
    ...session,
  };
  const end = (status: Partial<ExitStatus>) =>
    over.resolve({ code: null, signal: null, ...status } as ExitStatus);
  return { near: near as unknown as Session, target, calls, handlers, state, gone, end };
}

Deno.test("relay asks the other server for the program with its variables, and may be aborted", async () => {
  const pty = { term: "vt100", columns: 1, rows: 2, width: 3, height: 4, modes: {} };
  const cases: [session: Partial<Session>, command: string | undefined, started: string[]][] = [
    [{}, undefined, ["shell"]],
    [{ command: "ls" }, undefined, ["exec", "ls"]],
    [{ command: "" }, undefined, ["exec", ""]],
    [{ command: "ls" }, "backup", ["exec", "backup"]],
    [{}, "backup", ["exec", "backup"]],
    [{ subsystem: "sftp" }, undefined, ["subsystem", "sftp"]],
    [{ subsystem: "sftp" }, "backup", ["subsystem", "sftp"]],
  ];
  for (const terminal of [null, pty]) {
    for (const [session, command, started] of cases) {
      const { near, target, calls, gone: { signal }, end } = recorded({
        ...session,
        pty: terminal,
      });
      end({ code: 0 });
      await relay(near, target, command === undefined ? {} : { command });
      assertEquals(calls, [
        ["openSession", signal],
        ["updateEnv", { LANG: "C" }],
        ...terminal ? [["requestPty", { ...pty, signal }]] : [],
        [...started, { signal }],
        ["closeWrite"],
        ["exit", 0],
        ["abort", undefined],
      ]);
    }
  }
});

Deno.test("relay reports the end of the program, with 255 for one without a status", async () => {
  const ends: [Partial<ExitStatus>, unknown[]][] = [
    [{ code: 0 }, ["exit", 0]],
    [{ code: 7 }, ["exit", 7]],
    [{}, ["exit", 255]],
    [{ signal: "KILL", coreDumped: true, message: "m" }, ["exitSignal", "KILL", {
      coreDumped: true,
      message: "m",
    }]],
  ];
  for (const [status, told] of ends) {
    const { near, target, calls, end } = recorded();
    end(status);
    await relay(near, target);
    assertEquals(calls.filter(([name]) => `${name}`.startsWith("exit")), [told]);
  }
});

Deno.test("relay sends signals, breaks and sizes while the program runs, and drops later ones", async () => {
  const { near, target, calls, handlers, state, end } = recorded();
  const relaying = relay(near, target);
  await turn();
  const size = { columns: 1, rows: 2, width: 3, height: 4 };
  const send = () => {
    handlers.signal!("INT" as never);
    handlers.break!(5 as never);
    handlers.resize!(size as never);
  };
  const before = calls.length;
  send();
  const sent = [["sendSignal", "INT"], ["sendBreak", 5], ["resizePty", size]];
  assertEquals(calls.slice(before), sent);
  state.isOpen = false;
  send();
  assertEquals(calls.slice(before), sent);
  end({ code: 0 });
  await relaying;
});

Deno.test("relay closes the other channel when the client leaves, and listens no longer at its end", async () => {
  const { near, target, calls, gone, end } = recorded();
  const relaying = relay(near, target);
  await turn();
  const reason = new Error("gone");
  gone.abort(reason);
  assertEquals(calls.at(-1), ["abort", reason]);
  end({});
  await relaying;
  const after = recorded();
  after.end({ code: 0 });
  await relay(after.near, after.target);
  const length = after.calls.length;
  after.gone.abort();
  assertEquals(after.calls.length, length);
});

Deno.test("relay that fails closes the other channel and aborts the recording with the error", async () => {
  const error = new RequestDeniedError("no");
  for (const failing of ["updateEnv", "requestPty", "exec", "shell", "subsystem"]) {
    const pty = { term: "x", columns: 1, rows: 1, width: 0, height: 0, modes: {} };
    const session = failing === "subsystem" ? { subsystem: "x" } : { command: "x" };
    const asked = failing === "shell" ? {} : session;
    const { near, target, calls } = recorded({ pty, ...asked }, { [failing]: error });
    const reasons: unknown[] = [];
    const record = new WritableStream<string>({ abort: (reason) => void reasons.push(reason) });
    assertEquals(await assertRejects(() => relay(near, target, { record })), error);
    assertEquals([reasons, calls.at(-1)], [[error], ["abort", undefined]]);
    assert(!calls.some(([name]) => name === "exit"), "the session's failure tells the client");
  }
});

Deno.test("relay discards the client's input when the program reads no more", async () => {
  const chunks = [Uint8Array.of(1), Uint8Array.of(2)];
  const readChunk = () => Promise.resolve(chunks.shift() ?? null);
  for (const failing of ["writeAll", "closeWrite", "none"]) {
    chunks.splice(0, 2, Uint8Array.of(1), Uint8Array.of(2));
    const { near, target, calls, end } = recorded({}, { [failing]: new Error("EPIPE") });
    Object.assign(near.channel, { readChunk });
    const relaying = relay(near, target);
    await turn();
    end({ code: 3 });
    await relaying;
    const seen = calls.map(([name]) => name).filter((name) =>
      /^(writeAll|close|disc)/.test(`${name}`)
    );
    const writes = failing === "writeAll" ? ["writeAll"] : ["writeAll", "writeAll", "closeWrite"];
    assertEquals(seen, failing === "none" ? writes : [...writes, "discard"]);
    assert(calls.some(([name, code]) => name === "exit" && code === 3));
  }
});

for (
  const [stream, written] of [["readChunk", "writeAll"], ["readStderrChunk", "writeAllStderr"]]
) {
  Deno.test(`relay of ${stream} records, then sends, then reads more, and ends with the recording`, async () => {
    const gates = { record: Promise.withResolvers<void>(), close: Promise.withResolvers<void>() };
    const sending = Promise.withResolvers<void>();
    const steps: string[] = [];
    const { near, target, end } = recorded();
    const channel = await target.openSession({});
    const chunks = [Uint8Array.of(97), Uint8Array.of(98)];
    Object.assign(channel, {
      [stream!]: () => (steps.push("read"), Promise.resolve(chunks.shift() ?? null)),
    });
    Object.assign(near.channel, { [written!]: () => (steps.push("send"), sending.promise) });
    const record = new WritableStream<string>({
      async write(line) {
        if (!line.startsWith("[")) return;
        steps.push("record");
        await gates.record.promise;
      },
      async close() {
        steps.push("close");
        await gates.close.promise;
      },
    });
    let over = false;
    const relaying = relay(near, target, { record }).then(() => over = true);
    await turn();
    assertEquals(steps, ["read", "record"]);
    gates.record.resolve();
    await turn();
    assertEquals(steps.slice(2), ["send"]);
    sending.resolve();
    await turn();
    assertEquals(steps.slice(3), ["read", "record", "send", "read"]);
    end({ code: 0 });
    await turn();
    assertEquals([steps.slice(7), over], [["close"], false]);
    gates.close.resolve();
    await relaying;
  });
}
