/** `fleet`: its hosts, output and exit code. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { fleetCommand } from "../../lib/cli/fleet/fleet.ts";
import { parseHostFile, selectHosts } from "../../lib/cli/fleet/host_file.ts";
import { ProgressLine } from "../../lib/cli/fleet/progress_line.ts";
import { main } from "../../lib/cli/main.ts";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import type { SessionHandler } from "@denossh/ssh/server";
import { type OurServer, startOurs } from "../support/ours.ts";
import { replaced } from "../support/replaced.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { captured, type Said } from "./captured.ts";
import { startCli } from "./world.ts";

const FILE = `
one          # in no group
[web]
ann@web1
web2:2222    # the second
[db]
db1
web2:2222
`;

Deno.test("A file of hosts has groups, and a host may be in several", () => {
  assertEquals(parseHostFile(FILE, "hosts"), [
    { host: "one", groups: [] },
    { host: "ann@web1", groups: ["web"] },
    { host: "web2:2222", groups: ["web", "db"] },
    { host: "db1", groups: ["db"] },
  ]);
  assertEquals(parseHostFile("", "hosts"), []);
});

for (const [line, shown] of [["a b", "a b"], ["[web", "[web"], ["web1 port=22", "web1 port=22"]]) {
  Deno.test(`A file of hosts cannot have "${line}"`, () => {
    const error = assertThrows(() => parseHostFile(`one\n${line}\n`, "hosts"), UsageError);
    assertEquals(
      error.message,
      `hosts line 2: expected [user@]host[:port] or [group], not "${shown}"`,
    );
  });
}

for (
  const [patterns, hosts] of [
    ["", "one ann@web1 web2:2222 db1"],
    ["web", "ann@web1 web2:2222"],
    ["WEB*", "ann@web1 web2:2222"],
    ["web2", "web2:2222"],
    ["web,!db", "ann@web1"],
    ["!web", "one db1"],
    ["ann@*,one", "one ann@web1"],
    ["nothing", ""],
  ] as const
) {
  Deno.test(`-g "${patterns}" selects ${hosts || "nothing"}`, () => {
    const selected = selectHosts(
      parseHostFile(FILE, ""),
      patterns === "" ? [] : patterns.split(","),
    );
    assertEquals(selected.join(" "), hosts);
  });
}

/** Hosts that are users of one server, in a file. */
async function hostsFile(server: OurServer, users: readonly string[]): Promise<string> {
  const lines = users.map((user) => user.startsWith("[") ? user : at(server, user));
  return await server.folder.write("hosts", lines.join("\n"));
}

function at(server: OurServer, user: string): string {
  return `${user}@127.0.0.1:${server.port}`;
}

function run(server: OurServer, args: readonly string[], stdin?: string): Promise<Said> {
  const flags = configFlags(server);
  return captured(fleetCommand, [...flags, ...args], stdin === undefined ? {} : { stdin });
}

const handler: SessionHandler = async (session) => {
  await session.print(`${session.user} ran ${session.command}\n`);
  if (session.user === "bob") await session.printError("not today\n");
  return session.user === "bob" ? 4 : 0;
};

Deno.test("fleet prints lines by host, then a table, and exits with 1 if a host fails", async () => {
  await using server = await startOurs({}, ["ed25519"], handler);
  const file = await hostsFile(server, ["ann", "bob"]);
  const { code, text, stderr } = await run(server, ["-H", file, "up", "time"]);
  const [ann, bob] = ["ann", "bob"].map((user) => at(server, user));
  assertEquals(text.split("\n").toSorted(), [
    "",
    `${ann} | ann ran up time`,
    `${bob} | bob ran up time`,
  ]);
  const lines = stderr.split("\n");
  assertEquals(lines[0], `${bob} | not today`);
  assertMatch(lines[1]!, /^host +state +tries +time$/);
  assertMatch(lines[2]!, new RegExp(`^${ann}  ok      1      \\d+\\.\\d s  ann ran up time$`));
  assertMatch(
    lines[3]!,
    new RegExp(`^${bob}  failed  1 .* Command "up time" failed with exit code 4: not today$`),
  );
  assertEquals([code, lines.length], [1, 5]);
});

Deno.test("fleet -g selects a group, hosts can come from standard input, and -q prints only lines", async () => {
  await using server = await startOurs({}, ["ed25519"], handler);
  const hosts = ["[web]", "ann", "[db]", "bob"].map((user) =>
    user.startsWith("[") ? user : at(server, user)
  ).join("\n");
  const said = await run(server, ["-H", "-", "-g", "web", "-q", "x"], hosts);
  assertEquals(said, { code: 0, text: `${at(server, "ann")} | ann ran x\n`, stderr: "" });
});

Deno.test("fleet --json prints a line for each host, failures too", async () => {
  await using server = await startOurs({}, ["ed25519"], handler);
  const file = await hostsFile(server, ["ann", "bob", "cat"]);
  await Deno.writeTextFile(file, "\nme@127.0.0.1:1\n", { append: true });
  const flags = ["--json", "--concurrency", "1", "--retries", "0", "--timeout", "60"];
  const { code, text, stderr } = await run(server, ["-H", file, ...flags, "x"]);
  assertEquals([code, stderr], [1, ""]);
  const results = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(results.map(({ host, success }) => [host, success]), [
    [at(server, "ann"), true],
    [at(server, "bob"), false],
    [at(server, "cat"), true],
    ["me@127.0.0.1:1", false],
  ]);
  assertEquals(results[0].value, "ann ran x");
  const { exitCode, stdout, stderr: said } = results[1].error;
  assertEquals([exitCode, stdout, said], [4, "bob ran x\n", "not today\n"]);
  assertEquals(results[3].error.code, "connect");
});

Deno.test("fleet accepts hosts of Host lines, with their settings", async () => {
  await using server = await startOurs({}, ["ed25519"], handler);
  const config = await server.folder.write(
    "config",
    `Host web1 web2 db1\n  HostName 127.0.0.1\n  Port ${server.port}\n  User ann\n` +
      `  IdentityFile ${server.identity}\n  UserKnownHostsFile ${server.knownHosts}\n` +
      `Host web2\nHost *\n  IdentitiesOnly yes\n`,
  );
  const said = await captured(fleetCommand, ["-F", config, "-g", "web*,!web2", "-q", "x"]);
  assertEquals(said, { code: 0, text: "web1 | ann ran x\n", stderr: "" });
  const none = await captured(fleetCommand, ["-F", config, "-g", "cache", "x"]);
  assertEquals([none.code, none.text], [2, ""]);
  assertStringIncludes(none.stderr, "fleet: no host of the Host lines of ssh_config matches cache");
});

const wrong: [string[], string][] = [
  [["x"], "no hosts without -H or -g"],
  [["-g", "web"], "no command given"],
  [["-H", "/nowhere", "x"], "cannot read the hosts"],
  [["-g", "x", "--concurrency", "0", "x"], 'bad number "0" of --concurrency'],
  [["-g", "x", "--timeout", "5s", "x"], 'bad number "5s" of --timeout'],
  [["-g", "x", "-o", "Prot=22", "x"], "Bad configuration option: prot"],
  [["-g", "x", "-J", "a b", "x"], 'bad jump host "a b"'],
  [["-x"], "unknown option -- x"],
];
for (const [args, why] of wrong) {
  Deno.test(`fleet ${args.join(" ")} prints one line and exits with 2`, async () => {
    const { code, text, stderr } = await captured(fleetCommand, ["-F", "/dev/null", ...args]);
    assertEquals([code, text, stderr.split("\n").length], [2, "", 2]);
    assertStringIncludes(stderr, why);
  });
}

Deno.test("fleet --help lists the flags", async () => {
  const { code, text } = await captured(main, ["fleet", "--help"]);
  assertEquals(code, 0);
  assert(text.startsWith("usage: fleet [-H file]"));
});

Deno.test("The progress line counts hosts, is redrawn below other text, and is removed at the end", async () => {
  const draw = () => {
    using progress = new ProgressLine(3, { quiet: false });
    progress.ended(true);
    progress.ended(false);
    progress.around(() => Deno.stderr.writeSync(new TextEncoder().encode("text\n")));
    return Promise.resolve(0);
  };
  using terminal = replaced(Deno.stderr, "isTerminal", () => true);
  const line = (text: string) => `\r\x1b[K${text}`;
  assertEquals(
    (await captured(draw, [])).stderr,
    line("0 of 3 hosts") + line("1 of 3 hosts") + line("2 of 3 hosts, 1 failed") + line("") +
      "text\n" + line("2 of 3 hosts, 1 failed") + line(""),
  );
  terminal[Symbol.dispose]();
  assertEquals((await captured(draw, [])).stderr, "text\n");
});

Deno.test("fleet: Ctrl-C ends running commands, prints the table, and exits with 130", async () => {
  await using server = await startOurs({}, ["ed25519"], async (session) => {
    await session.print("began\n");
    await new Promise<void>((end) => session.signal.addEventListener("abort", () => end()));
  });
  const file = await hostsFile(server, ["ann", "bob"]);
  const flags = [...configFlags(server), "--concurrency", "1"];
  await using program = startCli(["fleet", ...flags, "-H", file, "x"]);
  await program.waitFor(/ann\S+ \| began\n/);
  program.kill("SIGINT");
  await program.waitFor(/ann\S+ +failed +1 .* Interrupted\nbob\S+ +failed +0 .* Interrupted\n/);
  assertEquals((await program.status).code, 130);
});
