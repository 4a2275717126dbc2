/** ProxyCommand and KnownHostsCommand, with replaced functions to start programs. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { generateKey } from "@denossh/ssh/keys";
import { ConnectError } from "../../lib/errors.ts";
import { knownHostsCommand } from "../../lib/login/known_hosts_command.ts";
import { startProxy } from "../../lib/login/proxy_command.ts";
import type { ChildProcess, Programs, ProgramStatus } from "../../lib/runtime/parts.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { FakeTime } from "../support/fake_time.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";
import { plainMessage } from "../../lib/error_messages.ts";

type Spawn = Parameters<Programs["spawn"]>;

/** Replaces programs by scripted ones until it is disposed. */
class System implements Disposable {
  readonly started: { program: string; options: Spawn[1] }[] = [];
  readonly signals: string[] = [];
  output: string | ReadableStream<Uint8Array<ArrayBuffer>> = "";
  /** The data of standard error, and the part shown. */
  errors: string | ReadableStream<Uint8Array<ArrayBuffer>> = "";
  shown = "";
  status: ProgramStatus = { success: true, code: 0, signal: null };
  /** The error of starting. */
  error: Error | null = null;
  readonly ended = Promise.withResolvers<ProgramStatus>();
  readonly #spawn = runtime.programs.spawn;
  readonly #os = runtime.os;
  readonly #terminal: Disposable;

  constructor(os = "linux") {
    this.#set({ os });
    const write = (bytes: Uint8Array) => {
      this.shown += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    };
    this.#terminal = replaced(runtime, "terminal", { stderr: { write } } as never);
    runtime.programs.spawn = (program, options) => {
      this.started.push({ program, options });
      if (this.error) throw this.error;
      return this.#child();
    };
  }

  [Symbol.dispose](): void {
    runtime.programs.spawn = this.#spawn;
    this.#terminal[Symbol.dispose]();
    this.#set({ os: this.#os });
  }

  #child(): ChildProcess {
    const stdout = typeof this.output === "string"
      ? new Blob([this.output]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>
      : this.output;
    return {
      stdin: new WritableStream(),
      stdout,
      stderr: typeof this.errors === "string"
        ? new Blob([this.errors]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>
        : this.errors,
      status: this.ended.promise,
      kill: (signal) => void this.signals.push(signal),
    };
  }

  #set(value: { os: string }): void {
    Object.defineProperty(runtime, "os", { value: value.os, configurable: true });
  }
}

for (
  const [os, shell, program, args] of [
    ["linux", "/bin/zsh", "/bin/zsh", ["-c", "exec nc %h 22"]],
    ["linux", "", "/bin/sh", ["-c", "exec nc %h 22"]],
    ["linux", undefined, "/bin/sh", ["-c", "exec nc %h 22"]],
    ["windows", "/bin/zsh", "cmd", ["/c", "nc %h 22"]],
  ] as const
) {
  Deno.test(`ProxyCommand runs in ${program} on ${os} with SHELL=${shell}`, async () => {
    using system = new System(os);
    using _env = fakeEnv({ SHELL: shell });
    const proxy = startProxy("nc %h 22");
    const [{ program: started, options }] = system.started as [System["started"][0]];
    assertEquals([started, options.args], [program, [...args]]);
    assertEquals([options.stdin, options.stdout, options.stderr], ["piped", "piped", "piped"]);
    let closed = false;
    const closing = proxy.close().then(() => closed = true);
    assertEquals(system.signals, [os === "windows" ? "SIGTERM" : "SIGHUP"]);
    await new Promise((resolve) => setTimeout(resolve));
    assert(!closed, "it is waited for");
    system.ended.resolve(system.status);
    await closing;
    proxy.socket.close();
  });
}

Deno.test("A ProxyCommand's output is the received data, and its exit is EOF", async () => {
  using system = new System();
  system.output = "SSH-2.0-x\r\n";
  const { socket } = startProxy("x");
  const buffer = new Uint8Array(100);
  const n = (await socket.read(buffer))!;
  assertEquals(new TextDecoder().decode(buffer.subarray(0, n)), "SSH-2.0-x\r\n");
  assertEquals(await socket.read(buffer), null);
  socket.close();
});

Deno.test("A ProxyCommand's standard error is shown, and its last line is in the error of a lost connection", async () => {
  const broken = new ConnectError("The server closed the connection");
  using system = new System();
  system.errors = "looking for db1\nno route\x07\n\n";
  const proxy = startProxy("nc db1 22");
  system.ended.resolve({ success: false, code: 1, signal: null });
  const told = await proxy.explain(broken);
  assertEquals(
    plainMessage(told),
    'The proxy command "nc db1 22" ended with exit code 1: no route',
  );
  assertStrictEquals(told.cause, broken);
  assertEquals(system.shown, system.errors);
  await proxy.close();
  proxy.socket.close();

  using quiet = new System();
  const killed = startProxy("nc");
  quiet.ended.resolve({ success: false, code: 143, signal: "SIGTERM" });
  assertEquals(
    plainMessage(await killed.explain(broken)),
    'The proxy command "nc" was ended by SIGTERM',
  );
  await killed.close();
  killed.socket.close();
});

Deno.test("A ProxyCommand that still runs, or keeps standard error open, does not delay the close", async () => {
  using time = new FakeTime();
  using system = new System();
  let cancelled = false;
  system.errors = new ReadableStream({ cancel: () => void (cancelled = true) });
  const proxy = startProxy("nc");
  const broken = new ConnectError("The server closed the connection");
  assertStrictEquals(await time.settle(proxy.explain(broken)), broken);
  system.ended.resolve(system.status);
  assertEquals(cancelled, false);
  await time.settle(proxy.close());
  assertEquals(cancelled, true); // another program may have inherited it
  proxy.socket.close();
});

Deno.test("A ProxyCommand that has exited is also closed", async () => {
  using system = new System();
  const proxy = startProxy("x");
  system.ended.resolve(system.status);
  system.signals.push = () => {
    throw new TypeError("Child process has already terminated");
  };
  await proxy.close();
  proxy.socket.close();
});

Deno.test("A shell that cannot be started is a ConnectError, but not if a permission is missing", () => {
  using system = new System();
  system.error = new Deno.errors.NotFound("no such file");
  const error = assertThrows(
    () => startProxy("nc\x07"),
    ConnectError,
    'Cannot run the proxy command "nc"',
  );
  assertStrictEquals(error.cause, system.error);
  system.error = new Deno.errors.NotCapable("Requires run access");
  assertStrictEquals(assertThrows(() => startProxy("nc")), system.error);
});

const MIB = 1024 * 1024;
const key = (await generateKey("ed25519")).publicKey;
const host = { hostname: "db1", port: 2222 };

Deno.test("KnownHostsCommand gets the requested key through its tokens", async () => {
  using system = new System();
  system.output = `[db1]:2222 ${key}\n`;
  system.ended.resolve(system.status);
  const source = knownHostsCommand('/bin/list "%H %I" %f %K %t #x', null);
  assertEquals(source.name, "the output of KnownHostsCommand");
  const found = await source.find(host, key);
  assertEquals(found.find("db1", 2222).length, 1);
  assertEquals(system.started[0]!.program, "/bin/list");
  const { args, stdin, stdout, stderr } = system.started[0]!.options;
  const blob = btoa(String.fromCharCode(...key.blob));
  assertEquals(args, ["[db1]:2222 HOSTNAME", key.fingerprint(), blob, "ssh-ed25519", "#x"]);
  assertEquals([stdin, stdout, stderr], ["null", "piped", "piped"]);
  system.output = "";
  await source.find(host, null);
  assertEquals(system.started[1]!.options.args, ["[db1]:2222 ORDER", "NONE", "NONE", "NONE", "#x"]);
});

for (
  const [status, how] of [
    [{ success: false, code: 3, signal: null }, "exit status 3"],
    [{ success: false, code: 143, signal: "SIGTERM" }, "SIGTERM"],
  ] as const
) {
  Deno.test(`A KnownHostsCommand that ends by ${how} fails the connection`, async () => {
    using system = new System();
    system.output = `[db1]:2222 ${key}\n`;
    system.errors = "list: no such table\n";
    system.ended.resolve(status);
    const problems: string[] = [];
    const source = knownHostsCommand("/bin/list", (problem) => problems.push(problem));
    await assertRejects(
      async () => await source.find(host, key),
      ConnectError,
      `KnownHostsCommand "/bin/list" failed: ${how}: list: no such table`,
    );
    assertEquals(problems, []);
  });
}

const starts: [string, Error | null, string][] = [
  ["list", null, "path is not absolute"],
  ["./list", null, "path is not absolute"],
  ["", null, "path is not absolute"],
  ['/bin/list "', null, "contains invalid quotes"],
  ["/bin/list", new Deno.errors.NotFound("gone\x07"), "cannot be run: gone"],
  ["/bin/list", new Deno.errors.PermissionDenied("no"), "cannot be run: no"],
];
for (const [command, error, problem] of starts) {
  Deno.test(`KnownHostsCommand ${command} ${problem}, which is reported or fails`, async () => {
    using system = new System();
    system.error = error;
    const problems: string[] = [];
    const source = knownHostsCommand(command, (problem) => problems.push(problem));
    assertEquals((await source.find(host, key)).find("db1", 2222), []);
    const message = `KnownHostsCommand "${command}" ${problem}`;
    assertEquals(problems, [message]);
    const strict = knownHostsCommand(command, null);
    await assertRejects(async () => await strict.find(host, key), ConnectError, message);
    assertEquals(system.started.length, error === null ? 0 : 2);
  });
}

Deno.test("Absolute paths of Windows are absolute", async () => {
  for (const program of ["C:\\list.exe", "c:/list.exe", "\\\\server\\list.exe"]) {
    using system = new System("windows");
    system.ended.resolve(system.status);
    await knownHostsCommand(`"${program.replaceAll("\\", "\\\\")}"`, null).find(host, key);
    assertEquals(system.started.length, 1, program);
  }
});

Deno.test("A KnownHostsCommand without the run permission fails with that error", async () => {
  using system = new System();
  system.error = new Deno.errors.NotCapable("Requires run access");
  const source = knownHostsCommand("/bin/list", () => assert(false));
  assertStrictEquals(
    await assertRejects(async () => await source.find(host, key)),
    system.error,
  );
});

Deno.test("An aborted KnownHostsCommand ends with the signal's reason", async () => {
  using system = new System();
  const controller = new AbortController();
  const { signal } = controller;
  const finding =
    (async () => await knownHostsCommand("/bin/list", null).find(host, key, { signal }))();
  const reason = new Error("enough");
  const failed = assertRejects(() => finding);
  controller.abort(reason);
  system.ended.resolve({ success: false, code: 143, signal: "SIGTERM" });
  assertStrictEquals(await failed, reason);
  assertStrictEquals((system.started[0]!.options as { signal?: AbortSignal }).signal, signal);
});

Deno.test("The output of a KnownHostsCommand has 16 MiB at most", async () => {
  for (const [chunks, good] of [[16, true], [17, false]] as const) {
    using system = new System();
    system.ended.resolve(system.status);
    const chunk = new Uint8Array(MIB).fill(10);
    system.output = ReadableStream.from(Array.from({ length: chunks }, () => chunk));
    const finding = (async () => await knownHostsCommand("/bin/list", null).find(host, key))();
    if (good) await finding;
    else await assertRejects(() => finding, ConnectError, '"/bin/list" prints more than');
  }
});

for (const [what, output] of [["fails", ""], ["prints too much", "x".repeat(16 * MIB + 1)]]) {
  Deno.test(`A KnownHostsCommand that ${what} is reported after its standard error was closed`, async () => {
    using time = new FakeTime();
    using system = new System();
    system.output = output!;
    system.ended.resolve({ success: false, code: 1, signal: null });
    let closed = false;
    // Another program may have inherited it.
    system.errors = new ReadableStream({
      async cancel() {
        await new Promise((resolve) => setTimeout(resolve, 1));
        closed = true;
      },
    });
    const finding = (async () => await knownHostsCommand("/bin/list", null).find(host, key))();
    await assertRejects(() => time.settle(finding), ConnectError);
    assert(closed);
  });
}

Deno.test("Output of a KnownHostsCommand is decoded across chunk boundaries", async () => {
  using system = new System();
  system.ended.resolve(system.status);
  const bytes = new TextEncoder().encode(`d\u00e9:2222,[db1]:2222 ${key}\n`);
  system.output = ReadableStream.from([bytes.slice(0, 2), bytes.slice(2)]);
  const found = await knownHostsCommand("/bin/list", null).find(host, key);
  assertEquals(found.find("db1", 2222).length, 1);
});
