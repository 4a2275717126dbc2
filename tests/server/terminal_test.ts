/** Terminals of systemShell, with scripted programs. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Client, RequestDeniedError } from "@denossh/ssh";
import { systemShell } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import type { ProgramOutput, Programs } from "../../lib/runtime/parts.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { until } from "../connection/until.ts";
import { type FakeProgram, FakePrograms } from "../support/fake_programs.ts";

const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The output of `script --version` and `stty --version` for the required implementations. */
const VERSIONS = { script: "script from util-linux 2.38.1", stty: "stty (GNU coreutils) 9.1" };

interface World extends AsyncDisposable {
  readonly host: Client;
  readonly programs: FakePrograms;
  /** The calls of stty, except for its version. */
  readonly calls: string[];
  /** Resolves pending calls of stty. */
  release(): void;
}

async function world(versions: Readonly<Record<string, string>> = VERSIONS): Promise<World> {
  const programs = new FakePrograms();
  const { output } = runtime.programs;
  const calls: string[] = [];
  const gate = Promise.withResolvers<void>();
  const answer = (stdout: string): ProgramOutput => ({
    success: true,
    code: 0,
    signal: null,
    stdout: bytes(stdout),
    stderr: bytes(""),
  });
  const fake: Programs["output"] = async (program, { args = [] }) => {
    if (args[0] === "--version") {
      if (versions[program] === undefined) throw new Deno.errors.NotFound(program);
      return answer(versions[program]);
    }
    calls.push([program, ...args].join(" "));
    await gate.promise;
    return answer("");
  };
  runtime.programs.output = fake;
  const pair = await connectedPair({ handler: systemShell({ shell: "/bin/zsh" }) });
  return {
    host: pair.host,
    programs,
    calls,
    release: gate.resolve,
    async [Symbol.asyncDispose]() {
      gate.resolve();
      await pair[Symbol.asyncDispose]();
      programs[Symbol.dispose]();
      runtime.programs.output = output;
    },
  };
}

async function end({ stdout, stderr, exit }: FakeProgram, code = 0): Promise<void> {
  await Promise.all([stdout.close(), stderr.close()]);
  exit({ code });
}

async function write(program: FakeProgram, ...pieces: string[]): Promise<void> {
  const writer = program.stdout.getWriter();
  for (const piece of pieces) await writer.write(bytes(piece));
  writer.releaseLock();
}

const lacking: Record<string, Readonly<Record<string, string>>> = {
  "no script": { stty: VERSIONS.stty },
  "no stty": { script: VERSIONS.script },
  "a script that is not of util-linux": { ...VERSIONS, script: "usage: script [-aeFkpqr]" },
};
for (const [what, versions] of Object.entries(lacking)) {
  Deno.test(`A machine with ${what} refuses a terminal, but still runs commands`, async () => {
    await using served = await world(versions);
    await assertRejects(() => served.host.shell(), RequestDeniedError, "pty-req");
    const next = served.programs.next();
    const running = served.host.command("ls").output();
    const program = await next;
    assertEquals(program.program, "/bin/zsh");
    await end(program);
    await running;
  });
}

Deno.test("A server without a handler refuses a terminal", async () => {
  await using pair = await connectedPair();
  const channel = await pair.host.openSession();
  await assertRejects(() => channel.requestPty(), RequestDeniedError, "pty-req");
});

Deno.test("A terminal has the client's size, modes and TERM, and the shell's command", async () => {
  await using served = await world();
  const next = served.programs.next();
  const pty = {
    term: "vt100",
    columns: 132,
    rows: 43,
    modes: { VINTR: 3, VEOL: 255, ECHO: 0, ISIG: 1, CS7: 0, CS8: 1, TTY_OP_ISPEED: 9600 },
  };
  const running = served.host.command("echo 'it'", { pty }).output();
  const program = await next;
  assertEquals(program.program, "script");
  const { args, env, clearEnv } = program.options;
  assertEquals([args![0], args![2], clearEnv], ["-qec", "/dev/null", true]);
  const script = args![1]!;
  assert(script.includes("stty rows 43 cols 132 "), script);
  const modes = "stty intr 0x03 eol undef -echo isig cs8 || " +
    "{ stty intr 0x03; stty eol undef; stty -echo; stty isig; stty cs8; }";
  assert(script.includes(modes), script);
  assert(script.endsWith(`\nexec /bin/zsh -c 'echo '\\''it'\\'''`), script);
  // `script` runs its command with $SHELL; the program gets its original value.
  assertEquals([env!.TERM, env!.SHELL], ["vt100", "/bin/sh"]);
  assert(script.includes("SHELL=/bin/zsh\n"), script);
  await write(program, "/dev/pts/7\r\n");
  await end(program, 3);
  assertEquals((await running).code, 3);
});

Deno.test("The terminal's name is not output, in any chunks", async () => {
  for (const pieces of [["/dev/pts/7\r\nhello"], ["/dev/", "pts/7\r", "\nhel", "lo"]]) {
    await using served = await world();
    const next = served.programs.next();
    const running = served.host.command("x", { pty: true }).output();
    const program = await next;
    await write(program, ...pieces);
    await end(program);
    assertEquals(text((await running).stdout), "hello");
  }
});

Deno.test("Output without a terminal's name is passed on completely, and no size is set", async () => {
  for (const said of ["script: no more ptys", "x".repeat(1000)]) {
    await using served = await world();
    const next = served.programs.next();
    const process = await served.host.shell({ pty: true });
    const program = await next;
    await write(program, said);
    process.resize({ columns: 1, rows: 2 });
    await end(program, 1);
    assertEquals(text((await process.output()).stdout), said);
    assertEquals(served.calls, []);
  }
});

Deno.test("Of sizes that arrive while one is being set, the last one is used", async () => {
  await using served = await world();
  const next = served.programs.next();
  const process = await served.host.shell({ pty: true });
  const program = await next;
  await write(program, "/dev/pts/7\r\n$ ");
  const shown = process.channel.readChunk();
  await shown;
  for (let columns = 80; columns <= 90; columns++) process.resize({ columns, rows: 25 });
  await until(() => served.calls.length === 1);
  served.release();
  await until(() => served.calls.length === 2);
  assertEquals(served.calls, [
    "stty -F /dev/pts/7 rows 25 cols 80",
    "stty -F /dev/pts/7 rows 25 cols 90",
  ]);
  await end(program);
  assertEquals((await process.output()).code, 0);
});

Deno.test("The end of the session ends the terminal, also before its name is known", async () => {
  for (const named of [false, true]) {
    await using served = await world();
    const next = served.programs.next();
    const process = await served.host.shell({ pty: true });
    const program = await next;
    if (named) await write(program, "/dev/pts/7\r\n");
    const closing = process.channel.close();
    await until(() => program.options.signal!.aborted);
    program.exit({ code: 137 });
    await program.stdout.abort().catch(() => {});
    await program.stderr.abort().catch(() => {});
    await closing;
  }
});
