/** Terminals of systemShell, with scripted programs. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Client, RequestDeniedError } from "@denossh/ssh";
import { systemShell } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import type { ProgramOutput, Programs } from "../../lib/runtime/parts.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { hasTerminals, startAtTerminal } from "../../lib/server/terminal.ts";
import type { Pty } from "../../lib/session/pty.ts";
import { until } from "../connection/until.ts";
import { turn } from "../sftp/world.ts";
import { type FakeProgram, FakePrograms } from "../support/fake_programs.ts";
import { replaced } from "../support/replaced.ts";

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

Deno.test("A client that has left before its terminal is ready gets no output, which is no error", async () => {
  await using served = await world();
  const next = served.programs.next();
  const process = await served.host.shell({ pty: true });
  const program = await next;
  await process.channel.close();
  await write(program, "/dev/pts/7\r\nhello").catch(() => {});
  await until(() => program.signals.length > 0);
  assertEquals(program.signals, ["SIGHUP"]);
  await assertRejects(() => write(program, "more"));
  program.exit({ code: 129 });
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

/** Starts a program at a terminal, whose first output is `said`. */
async function started(
  { pty = {}, options = {}, said = "/dev/pts/7\r\n", command = null }: {
    pty?: Partial<Pty>;
    options?: Parameters<typeof startAtTerminal>[3];
    said?: string | string[];
    command?: string | null;
  },
) {
  using programs = new FakePrograms();
  const next = programs.next();
  const full: Pty = {
    term: "xterm",
    columns: 80,
    rows: 24,
    width: 0,
    height: 0,
    modes: {},
    ...pty,
  };
  const starting = startAtTerminal("/opt/a shell", command, full, options);
  const program = await next;
  const writing = write(program, ...[said].flat()).catch(() => {});
  const { child, early, resize } = await starting;
  await child.stdout.cancel();
  await writing;
  return {
    early: text(early),
    resize,
    options: program.options,
    script: program.options.args![1]!,
  };
}

Deno.test("A terminal needs the permission to run both programs", async () => {
  for (const missing of ["script", "stty", "none"]) {
    using _granted = replaced(
      runtime,
      "isGranted",
      (it) => it.name !== "run" || it.command !== missing,
    );
    const asked: string[] = [];
    using _output = replaced(runtime.programs, "output", (program, { args, stdin }) => {
      asked.push([program, ...args ?? [], stdin].join(" "));
      const stdout = bytes(VERSIONS[program as keyof typeof VERSIONS]);
      return Promise.resolve({ success: true, code: 0, signal: null, stdout, stderr: bytes("") });
    });
    assertEquals(await hasTerminals(), missing === "none");
    const both = ["script --version null", "stty --version null"];
    assertEquals(asked, missing === "none" ? both : []);
  }
});

Deno.test("The name of a terminal is a line of at most 64 bytes, without CR", async () => {
  const calls: string[] = [];
  using _output = replaced(runtime.programs, "output", (program, { args, stdin }) => {
    calls.push([program, ...args ?? [], stdin].join(" "));
    return Promise.reject(new Error("no stty"));
  });
  const size = { columns: 1, rows: 2, width: 0, height: 0 };
  const long = "d".repeat(64);
  const cases: [said: string | string[], early: string, device: string | null][] = [
    [`${long}\nrest`, "rest", long],
    [[long, "\nrest"], "rest", long],
    [["/dev/", "pts/", "2\r", "\nre"], "re", "/dev/pts/2"],
    [`${long}d\nrest`, `${long}d\nrest`, null],
    ["\nrest", "rest", null],
    ["/dev/pts/1\r\n\r\n$ ", "\r\n$ ", "/dev/pts/1"],
  ];
  for (const [said, early, device] of cases) {
    calls.length = 0;
    const program = await started({ said });
    assertEquals(program.early, early);
    program.resize(size);
    await turn();
    // A size that could not be set does not prevent the next one.
    program.resize({ ...size, rows: 3 });
    await turn();
    const call = (rows: number) => `stty -F ${device} rows ${rows} cols 1 null`;
    assertEquals(calls, device === null ? [] : [call(2), call(3)]);
  }
});

Deno.test("A terminal's program runs in the shell of the server, quoted, with its variables", async () => {
  const { signal } = new AbortController();
  const given = { cwd: "/home", clearEnv: true, signal, env: { TERM: "evil", A: "1" } };
  const { options, script } = await started({ pty: { term: "vt100" }, options: given });
  const { args, ...others } = options;
  assertEquals([args![0], args![2]], ["-qec", "/dev/null"]);
  const env = { TERM: "vt100", A: "1", SHELL: "/bin/sh" };
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  assertEquals(others, { ...pipes, cwd: "/home", clearEnv: true, signal, env });
  assertEquals(script.split("\n"), [
    "SSH_TTY=$(tty)",
    "SHELL='/opt/a shell'",
    "export SSH_TTY SHELL",
    "stty rows 24 cols 80 2>/dev/null",
    ":",
    `printf '%s\\n' "$SSH_TTY"`,
    "exec '/opt/a shell'",
  ]);
  const other = await started({ options: { env: { SHELL: "/bin/b sh" } }, command: "a 'b'" });
  assertEquals(other.script.split("\n")[1], "SHELL='/bin/b sh'");
  assert(other.script.endsWith(`\nexec '/opt/a shell' -c 'a '\\''b'\\'''`), other.script);
});

Deno.test("A client's modes are words of stty, and nothing else", async () => {
  const cases: [modes: Record<string, number>, words: string | null][] = [
    [{}, null],
    [{ ECHO: 1 }, "echo"],
    [{ ECHO: 0 }, "-echo"],
    [{ ONLCR: 7 }, "onlcr"],
    [{ CS7: 1, CS8: 0 }, "cs7"],
    [{ VINTR: 0 }, "intr 0x00"],
    [{ VEOF: 4, VERASE: 127 }, "eof 0x04; stty erase 0x7f"],
    [{ VSUSP: 255 }, "susp undef"],
    [{ VKILL: 0x1ff }, "kill 0xff"],
    [{ VSTART: 256 }, "start 0x00"],
    [{ TTY_OP_OSPEED: 38_400, "X; reboot": 1, CS9: 1, XCS8: 1, CS8X: 1 }, null],
  ];
  for (const [modes, words] of cases) {
    const { script } = await started({ pty: { modes: modes as Pty["modes"] } });
    const all = words?.replaceAll("; stty", "");
    const line = `{ stty ${all} || { stty ${words}; }; } 2>/dev/null`;
    assertEquals(script.split("\n")[4], words === null ? ":" : line);
  }
});

Deno.test("Each control character and switch of a terminal has its name in stty", async () => {
  const characters = {
    VINTR: "intr",
    VQUIT: "quit",
    VERASE: "erase",
    VKILL: "kill",
    VEOF: "eof",
    VEOL: "eol",
    VEOL2: "eol2",
    VSTART: "start",
    VSTOP: "stop",
    VSUSP: "susp",
    VREPRINT: "rprnt",
    VWERASE: "werase",
    VLNEXT: "lnext",
    VDISCARD: "discard",
  };
  const switches = "IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL " +
    "IUTF8 ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN ECHOCTL ECHOKE OPOST " +
    "OLCUC ONLCR OCRNL ONOCR ONLRET PARENB PARODD";
  const names = [...Object.keys(characters), ...switches.split(" ")];
  const modes = Object.fromEntries(names.map((name) => [name, 1])) as Pty["modes"];
  const { script } = await started({ pty: { modes } });
  const words = [
    ...Object.values(characters).map((name) => `${name} 0x01`),
    ...switches.toLowerCase().split(" "),
  ];
  assert(script.split("\n")[4]!.startsWith(`{ stty ${words.join(" ")} || `), script);
});
