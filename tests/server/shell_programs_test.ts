/** The programs that systemShell starts and their streams, with scripted programs. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { toText } from "@std/streams";
import { type Client, ClosedError, connect, connectAgent, Keyring, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import {
  Grant,
  type ServeOptions,
  systemShell,
  type SystemShellOptions,
} from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { runtime } from "../../lib/runtime/runtime.ts";
import { until } from "../connection/until.ts";
import { serveInMemory } from "../support/fake_listener.ts";
import { type FakeProgram, FakePrograms } from "../support/fake_programs.ts";
import { replaced } from "../support/replaced.ts";

const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text));

interface World extends AsyncDisposable {
  readonly host: Client;
  readonly programs: FakePrograms;
  readonly errors: unknown[];
}

async function world(
  options: SystemShellOptions = {},
  serve: Partial<ServeOptions> = {},
): Promise<World> {
  const programs = new FakePrograms();
  const errors: unknown[] = [];
  const pair = await connectedPair({
    serve: { onError: (error) => errors.push(error), ...serve },
    handler: systemShell(options),
  });
  return {
    host: pair.host,
    programs,
    errors,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      programs[Symbol.dispose]();
    },
  };
}

/** Ends a program without further output. */
async function end({ stdout, stderr, exit }: FakeProgram, status = { code: 0 }): Promise<void> {
  await Promise.all([stdout.close(), stderr.close()]);
  exit(status);
}

/** The program for a command. */
async function startedBy(
  { host, programs }: World,
  command: string | null,
  env: Record<string, string> = {},
): Promise<FakeProgram> {
  const next = programs.next();
  const running = command === null
    ? host.shell({ pty: false, env }).then((shell) => shell.output())
    : host.command(command, { env }).output();
  const program = await next;
  await end(program);
  await running;
  return program;
}

Deno.test("systemShell runs a command by /bin/sh -c, and a shell without arguments", async () => {
  await using plain = await world();
  const command = await startedBy(plain, "ls -l");
  assertEquals([command.program, command.options.args], ["/bin/sh", ["-c", "ls -l"]]);
  const { stdin, stdout, stderr } = command.options;
  assertEquals([stdin, stdout, stderr], ["piped", "piped", "piped"]);
  assert(!("cwd" in command.options));
  const shell = await startedBy(plain, null);
  assertEquals([shell.program, shell.options.args], ["/bin/sh", []]);
  await using other = await world({ shell: "/bin/zsh", cwd: "/home" });
  const { program, options } = await startedBy(other, "ls");
  assertEquals([program, options.cwd], ["/bin/zsh", "/home"]);
});

Deno.test("systemShell passes on LANG and LC_* by default, and never its own agent or display", async () => {
  await using plain = await world();
  const sent = { LANG: "C", LC_ALL: "d", LC_: "x", XLANG: "y", LANGUAGE: "z", PATH: "/evil" };
  const own = ["HOME", "USER", "LOGNAME", "PATH", "LANG"].map((name) => [name, Deno.env.get(name)]);
  const usual = {
    ...Object.fromEntries(own.filter(([, value]) => value !== undefined)),
    SHELL: "/bin/sh",
  };
  const { options } = await startedBy(plain, "env", { ...sent, SSH_AUTH_SOCK: "/evil" });
  assertEquals(options.env, { ...usual, LANG: "C", LC_ALL: "d" });
  assert(options.clearEnv);
  await using choosy = await world({ acceptEnv: (name) => name === "XLANG" });
  assertEquals((await startedBy(choosy, "env", sent)).options.env, { ...usual, XLANG: "y" });
});

Deno.test("A grant's environment overrides the client's, and includes the original command", async () => {
  const grant = new Grant({ command: "status", environment: { LANG: "C", EXTRA: "1" } });
  await using granted = await world({}, { auth: { none: () => grant } });
  const { options } = await startedBy(granted, "rm -r /", { LANG: "x" });
  assertEquals(options.args, ["-c", "status"]);
  const { SSH_ORIGINAL_COMMAND, LANG, EXTRA } = options.env!;
  assertEquals([SSH_ORIGINAL_COMMAND, LANG, EXTRA], ["rm -r /", "C", "1"]);
  const shell = await startedBy(granted, null);
  assert(!("SSH_ORIGINAL_COMMAND" in shell.options.env!));
});

Deno.test("A client's variables override none of the server's facts, even if all are accepted", async () => {
  using programs = new FakePrograms();
  const hostKey = await generateKey("ed25519");
  const grant = new Grant({ command: "status", environment: { SSH_CLIENT: "x", GRANTED: "1" } });
  const accepting = { acceptEnv: () => true, env: { OWN: "1", LANG: "own" } };
  await using server = serveInMemory({
    hostKeys: [hostKey],
    auth: { none: () => grant },
    forward: { agent: () => true, x11: () => true },
  }, systemShell(accepting));
  await using host = await connect({
    transport: server.dial("192.0.2.7"),
    user: "ann",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    config: false,
  });
  const facts = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_ORIGINAL_COMMAND", "SSH_AUTH_SOCK"];
  const sent = [...facts, "DISPLAY", "XAUTHORITY", "GRANTED", "SHELL", "OWN"];
  using keyring = new Keyring();
  const next = programs.next();
  const running = host.command("rm -r /", {
    env: Object.fromEntries(sent.map((name) => [name, "evil"])),
    forwardAgent: keyring,
    forwardX11: { display: ":0", authority: null },
  }).output();
  const program = await next;
  const env = program.options.env!;
  assertEquals(sent.filter((name) => env[name] === "evil"), ["SHELL", "OWN"]);
  assertEquals(facts.slice(0, 3).map((name) => env[name]), [
    "192.0.2.7 50000 192.0.2.250 22",
    "192.0.2.7 50000 22",
    "rm -r /",
  ]);
  assertEquals([env.LANG, env.GRANTED], ["own", "1"]);
  await end(program);
  await running;
});

Deno.test("Only variables that this process may read are passed on, and PATH is always set", async () => {
  for (const granted of ["HOME", "PATH", "LANG", "none"]) {
    using _env = replaced(runtime, "env", { ...runtime.env, get: (name) => `value of ${name}` });
    using _granted = replaced(
      runtime,
      "isGranted",
      (it) => it.name !== "env" || it.variable === granted,
    );
    await using plain = await world();
    const { env } = (await startedBy(plain, "x")).options;
    assertEquals(env, {
      PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
      SHELL: "/bin/sh",
      ...granted !== "none" && { [granted]: `value of ${granted}` },
    });
  }
});

Deno.test("A program gets the client's input and EOF, and the client its output", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  const running = host.command("tr", { stdin: { text: "in" } }).output();
  const program = await next;
  assertEquals(await toText(program.stdin), "in");
  const [out, err] = [program.stdout.getWriter(), program.stderr.getWriter()];
  await out.write(bytes("o"));
  await err.write(bytes("e"));
  await out.write(bytes("ut"));
  await err.write(bytes("rr"));
  await Promise.all([out.close(), err.close()]);
  program.exit({ code: 3 });
  const { code, stdout, stderr } = await running;
  assertEquals([code, ...[stdout, stderr].map((each) => new TextDecoder().decode(each))], [
    3,
    "out",
    "err",
  ]);
});

Deno.test("Large output goes through in the memory of its pieces, in order", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  const running = host.command("cat").output();
  const program = await next;
  const writer = program.stdout.getWriter();
  const piece = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251);
  for (let i = 0; i < 5; i++) await writer.write(piece);
  await Promise.all([writer.close(), program.stderr.close()]);
  program.exit({});
  const { stdout } = await running;
  assertEquals(stdout.length, 250_000);
  for (let i = 0; i < 5; i++) assertEquals(stdout.subarray(i * 50_000, (i + 1) * 50_000), piece);
});

Deno.test("A program ended by a signal is reported with its name without SIG", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  const running = host.command("x").output();
  const program = await next;
  await Promise.all([program.stdout.close(), program.stderr.close()]);
  program.exit({ code: 143, signal: "SIGTERM" });
  const { code, signal } = await running;
  assertEquals([code, signal], [null, "TERM"]);
});

Deno.test("The session waits for the exit after the output ended, and for the output after the exit", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  await using process = await host.command("x").spawn();
  let ended = false;
  process.status.then(() => ended = true);
  const program = await next;
  await program.stdout.close();
  program.exit({ code: 5 });
  const writer = program.stderr.getWriter();
  await writer.write(bytes("late"));
  await host.request("keepalive@openssh.com");
  assert(!ended);
  await writer.close();
  assertEquals((await process.status).code, 5);
  assertEquals(await toText(process.stderr), "late");
});

Deno.test("Signals of the client reach the program, and unsendable ones are dropped", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  await using process = await host.command("x").spawn();
  const program = await next;
  process.kill("SIGINT");
  process.kill("USR1");
  await until(() => program.signals.length === 2);
  assertEquals(program.signals, ["SIGINT", "SIGUSR1"]);
  programs.killError = new TypeError("Child process has already terminated");
  process.kill("TERM");
  await host.request("keepalive@openssh.com");
  programs.killError = null;
  await end(program, { code: 6 });
  assertEquals((await process.status).code, 6);
});

Deno.test("A client that disconnects sends HUP to its program, and its output is not read", async () => {
  await using served = await world();
  const { host, programs, errors } = served;
  const next = programs.next();
  const process = await host.command("x").spawn();
  const program = await next;
  const writing = program.stdout.getWriter().write(bytes("x"));
  await writing.catch(() => {});
  await process.channel.close();
  await until(() => program.signals.length > 0);
  assertEquals(program.signals, ["SIGHUP"]);
  // A remaining child may hold the program's pipes open; the session does not wait for it.
  program.exit({ code: 129 });
  await assertRejects(async () => {
    const writer = program.stderr.getWriter();
    for (;;) await writer.write(bytes("x"));
  });
  assertEquals(await toText(program.stdin), "");
  assertEquals(errors, []);
});

Deno.test("A program gets a broken pipe if its client leaves while output waits for its window", async () => {
  using programs = new FakePrograms();
  await using pair = await connectedPair({
    connect: { window: 32_768 },
    handler: systemShell(),
  });
  const next = programs.next();
  const process = await pair.host.command("x").spawn();
  const program = await next;
  const writer = program.stdout.getWriter();
  for (let written = 0; written <= 65_536; written += 32_768) {
    writer.write(new Uint8Array(32_768)).catch(() => {});
  }
  await until(() => process.channel.readableBytes === 32_768);
  await process.channel.close();
  await assertRejects(async () => {
    for (;;) await writer.write(bytes("x"));
  });
  program.exit({ code: 129 });
});

Deno.test("A program gets a broken pipe if its client reads no more, and its status arrives", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  await using process = await host.command("x").spawn();
  const program = await next;
  await process.stdout.cancel();
  const writer = program.stdout.getWriter();
  await assertRejects(async () => {
    for (;;) await writer.write(bytes("x"));
  });
  await program.stderr.close();
  program.exit({ code: 5 });
  assertEquals((await process.status).code, 5);
});

for (const kept of ["stdout", "stderr"] as const) {
  Deno.test(`A client that leaves ends its session, although a background program keeps ${kept} open`, async () => {
    using programs = new FakePrograms();
    const shell = systemShell();
    const ended = Promise.withResolvers<void>();
    await using pair = await connectedPair({
      handler: async (session) => {
        await shell(session);
        ended.resolve();
      },
    });
    const next = programs.next();
    const process = await pair.host.command("x &").spawn();
    const program = await next;
    await program[kept === "stdout" ? "stderr" : "stdout"].close();
    program.exit({ code: 0 });
    await process.channel.close();
    await ended.promise;
    await assertRejects(() => program[kept].getWriter().write(bytes("x")));
  });
}

Deno.test("A lost connection breaks its program's input, and sends HUP", async () => {
  await using served = await world();
  const { host, programs, errors } = served;
  const next = programs.next();
  const process = await host.command("x").spawn();
  const program = await next;
  await process.channel.writeAll(bytes("half"));
  const reader = program.stdin.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "half");
  const broken = assertRejects(() => reader.read());
  await host.close();
  await broken;
  await until(() => program.signals.length > 0);
  assertEquals(program.signals, ["SIGHUP"]);
  program.exit({ code: 129 });
  await end(program).catch(() => {});
  assertEquals(errors, []);
});

Deno.test("A program that has ended gets no HUP", async () => {
  await using served = await world();
  const program = await startedBy(served, "x");
  await served.host.request("keepalive@openssh.com");
  assertEquals(program.signals, []);
});

Deno.test("A client learns that its program stopped reading, and the program keeps running", async () => {
  await using served = await world();
  const { host, programs } = served;
  const next = programs.next();
  await using process = await host.command("true").spawn();
  const program = await next;
  await program.stdin.cancel(new Error("EPIPE"));
  // More than the window, which would block without a reader.
  const writing = process.channel.writeAll(new Uint8Array(10_000_000));
  await assertRejects(() => writing, ClosedError, "The peer reads no more of the channel");
  await end(program, { code: 4 });
  assertEquals((await process.status).code, 4);
});

Deno.test("A program that has closed its input is not affected by EOF", async () => {
  await using served = await world();
  const { host, programs, errors } = served;
  const next = programs.next();
  await using process = await host.command("true").spawn();
  const program = await next;
  await program.stdin.cancel(new Error("EPIPE"));
  await process.channel.closeWrite();
  await host.request("keepalive@openssh.com").catch(() => {});
  await end(program, { code: 4 });
  assertEquals([(await process.status).code, errors], [4, []]);
});

Deno.test("A shell that cannot be started is exit code 1, and reported", async () => {
  await using served = await world();
  const { host, programs, errors } = served;
  programs.error = new Deno.errors.NotFound("no such file: /bin/sh");
  assertEquals((await host.command("x").output()).code, 1);
  assertEquals(errors, [programs.error]);
});

Deno.test("A forwarded agent is a socket while the program runs", async () => {
  await using served = await world({}, { forward: { agent: () => Promise.resolve(true) } });
  const { host, programs } = served;
  using keyring = new Keyring();
  keyring.add(await generateKey("ed25519", { comment: "mine" }));
  const next = programs.next();
  const running = host.command("x", { forwardAgent: keyring }).output();
  const program = await next;
  const path = program.options.env!.SSH_AUTH_SOCK!;
  {
    await using agent = await connectAgent(path);
    const comments = (await agent.identities()).map(({ publicKey }) => publicKey.comment);
    assertEquals(comments, ["mine"]);
  }
  await end(program);
  await running;
  await until(() => {
    try {
      Deno.lstatSync(path);
      return false;
    } catch {
      return true;
    }
  });
});

Deno.test("A forwarded display has a name and a file while the program runs", async () => {
  await using served = await world({}, { forward: { x11: () => Promise.resolve(true) } });
  const { host, programs } = served;
  const next = programs.next();
  const forwardX11 = { display: ":0", authority: null };
  const running = host.command("x", { forwardX11 }).output();
  const program = await next;
  const { DISPLAY, XAUTHORITY } = program.options.env!;
  assert(/^127\.0\.0\.1:\d+\.0$/.test(DISPLAY!), DISPLAY);
  assert((await Deno.stat(XAUTHORITY!)).isFile);
  await end(program);
  await running;
  await until(() => {
    try {
      Deno.lstatSync(XAUTHORITY!);
      return false;
    } catch {
      return true;
    }
  });
});
