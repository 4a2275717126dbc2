/** Sessions that a bastion relays to another server. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RequestDeniedError } from "@denossh/ssh";
import { localFiles, relay, type RelayOptions, type SessionHandler } from "@denossh/ssh/server";
import { type ConnectedPair, connectedPair } from "@denossh/ssh/testing";
import { until } from "../connection/until.ts";
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
