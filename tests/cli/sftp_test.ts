import { localFiles } from "@denossh/ssh/sftp";
import { connectedPair } from "@denossh/ssh/testing";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { tuningFlags } from "../../lib/cli/shared/copy_flags.ts";
import { runLine } from "../../lib/cli/sftp/command_table.ts";
import { SftpShell } from "../../lib/cli/sftp/shell.ts";
import { tempFolder } from "../support/temp.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { replaced } from "../support/replaced.ts";
import { carriesFiles } from "./cases/sftp.ts";
import { cli, clientArgs, cliSftp, sftpHere, startServe } from "./world.ts";

Deno.test("sftp works with our serve", async (t) => {
  await using server = await startServe([]);
  await carriesFiles(t, { server, remote: "/", local: server.root });
});

Deno.test("An sftp batch", async (t) => {
  await using folder = await tempFolder();
  await using server = await startServe([]);
  const sftp = (...lines: string[]) => cliSftp(server, lines, { cwd: folder.path });

  await t.step("shows its commands and ends at the first failure with 1", async () => {
    const ran = await sftpHere(server, ["pwd", "rm nothing", "pwd"]);
    assertEquals(ran.text, "sftp> pwd\nRemote working directory: /\nsftp> rm nothing\n");
    assertEquals([ran.stderr, ran.code], ['File "nothing" not found.\n', 1]);
  });

  await t.step(
    "continues after a failing command with a dash, and does not echo commands with an at sign",
    async () => {
      const lines = ["-rm nothing", "@pwd", "-@rm nothing", "# a comment", ""];
      const ran = await sftpHere(server, lines);
      assertEquals(ran.code, 0);
      const shown = "sftp> -rm nothing\nRemote working directory: /\nsftp> # a comment\n";
      assertEquals(ran.text, shown);
    },
  );

  await t.step("may be a file, and ends with quit", async () => {
    const batch = await folder.write("batch", "pwd\nbye\nnonsense\n");
    const ran = await cli(clientArgs("sftp", server, [], { flags: ["-b", batch] }));
    assertEquals([ran.text, ran.code], ["sftp> pwd\nRemote working directory: /\nsftp> bye\n", 0]);
  });

  for (
    const line of ["nonsense", "get", "put a b c", "ls -Z", 'get "a', "chmod 999 a", "lcd /no"]
  ) {
    await t.step(`fails at ${line}`, async () => {
      const ran = await sftpHere(server, [line]);
      assertEquals([ran.code, ran.stderr.split("\n").length], [1, 2], ran.stderr);
    });
  }

  await t.step("mirrors folders in both directions", async () => {
    await Deno.mkdir(folder.join("site/sub"), { recursive: true });
    for (const path of ["site/a", "site/b.log", "site/sub/c"]) await folder.write(path, path);
    await Deno.mkdir(`${server.root}/site/sub`, { recursive: true });
    await Deno.writeTextFile(`${server.root}/site/sub/old`, "");
    const would = async (line: string) => {
      const { text, code, stderr } = await sftp(line);
      assertEquals([code, stderr], [0, ""]);
      return text.split("\n").slice(1, -1).sort();
    };
    const changes = ["Would delete /site/sub/old", "Would send site/a", "Would send site/sub/c"];
    assertEquals(await would("mirror -Rdn site site *.log"), changes);
    await sftp("mirror -Rd site site *.log");
    assertEquals(await would("mirror -Rdn site site *.log"), []);
    await Deno.writeTextFile(`${server.root}/site/a`, "SITE/A");
    const { mtime } = await Deno.stat(folder.join("site/a"));
    await Deno.utime(`${server.root}/site/a`, mtime!, mtime!);
    assertEquals(await would("mirror -n site site"), []);
    assertEquals(await would("mirror -cn site site"), ["Would send /site/a"]);
    await sftp("mirror -c site site");
    assertEquals(await Deno.readTextFile(folder.join("site/a")), "SITE/A");
    assertEquals(await Deno.readTextFile(folder.join("site/b.log")), "site/b.log");
  });

  await t.step("mirrors only folders, and takes no option for a name", async () => {
    await folder.write("site/-d", "");
    await Deno.mkdir(folder.join("site/new/-d"), { recursive: true });
    const lines = {
      "mirror -R site/a single": 'Cannot mirror "site/a": it is not a folder',
      "mirror /site/a single": 'Cannot mirror "/site/a": it is not a folder',
      "mirror -R site other *.log -d":
        'Cannot mirror with "-d": put options first, and write a pattern "**/-d"',
      "mirror -R site -d":
        'Cannot mirror with "-d": put options first, and write a folder of that name "./-d"',
    };
    for (const [line, reason] of Object.entries(lines)) {
      const ran = await sftp(line);
      assertEquals([ran.code, ran.stderr], [1, `${reason}\n`]);
    }
    assertEquals([...Deno.readDirSync(server.root)].map(({ name }) => name), ["site"]);
    const plan = await sftp("mirror -Rn site site *.log **/-d");
    assertEquals([plan.code, plan.text], [0, "sftp> mirror -Rn site site *.log **/-d\n"]);
    await Deno.remove(folder.join("site/-d"));
    await Deno.remove(folder.join("site/new"), { recursive: true });
  });

  await t.step("tells which links a mirror left out", async () => {
    await Deno.symlink("a", folder.join("site/link"));
    const { code, stderr } = await sftp("mirror -R site linked");
    assertEquals([code, stderr], [0, "Skipped site/link: not a regular file\n"]);
    await Deno.remove(folder.join("site/link"));
  });

  await t.step("tells in which folder a mirror deleted nothing", async () => {
    await Deno.mkdir(`${server.root}/other/a`, { recursive: true });
    await Deno.writeTextFile(`${server.root}/other/a/x.log`, "");
    const { code, stderr } = await sftp("mirror -Rd site other *.log");
    assertEquals(code, 1);
    assertMatch(stderr, /^Warning: \/other: nothing was deleted in it, /);
  });

  await t.step("spreads a large file over connections, if requested", async () => {
    await Deno.writeFile(folder.join("large"), new Uint8Array(6_000_000).fill(7));
    const flags = ["-v", "-X", "connections=2"];
    const ran = await cliSftp(server, ["put large"], { cwd: folder.path, flags });
    assertEquals(ran.code, 0);
    assertStringIncludes(ran.stderr, "Spreading over 2 channels: one per connection\n");
    assertEquals((await Deno.stat(`${server.root}/large`)).size, 6_000_000);
  });

  await t.step("without -b failures do not end it", async () => {
    const ran = await cli(clientArgs("sftp", server, []), { stdin: "nonsense\npwd\n" });
    assertEquals([ran.code, ran.stderr.trim().split("\n").length], [0, 1]);
    assertStringIncludes(ran.text, "Remote working directory: /\n");
  });

  await t.step("fails with 255 if the server disconnects", async () => {
    const ran = await sftp("pwd", `!kill -KILL ${server.program.pid}`, "-ls", "pwd");
    assertEquals(ran.code, 255, ran.stderr);
    assertMatch(ran.stderr, /^[^\n]*(closed|lost|over)[^\n]*\n$/);
  });

  await t.step("fails with 255 if the login fails", async () => {
    const ran = await sftp("pwd");
    assertEquals(ran.code, 255);
    assertMatch(ran.stderr, /^ssh: connect to host 127\.0\.0\.1 port \d+: Connection refused\n$/);
  });
});

Deno.test("The names that a mirror prints are not on the line of the progress", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("site"));
  for (const name of ["a", "b"]) await folder.write(`site/${name}`, name);
  await Deno.symlink("a", folder.join("site/link"));
  await Deno.mkdir(folder.join("root"));
  await using pair = await connectedPair({
    serve: { sftp: localFiles({ root: folder.join("root") }) },
  });
  await using client = await pair.host.sftp();
  using terminal = new FakeTerminal();
  using _ = replaced(console, "log", (line) => void (terminal.written.stdout += `${line}\n`));
  const shell = await SftpShell.start(client, {
    recursive: false,
    preserve: false,
    resume: false,
    sync: false,
    quiet: false,
    progress: true,
    ...tuningFlags([]),
  });
  await runLine(shell, `mirror -R ${folder.join("site")} there`);
  // A terminal shows what follows the last clearing of a line.
  const shown = terminal.written.stdout.split("\n").map((line) => line.split("\r\x1b[K").at(-1)!);
  const [title, ...lines] = shown;
  assertMatch(title!, /^Mirroring /);
  const sent = ["a", "b"].map((name) => `Sent ${folder.join("site")}/${name}`);
  assertEquals(lines.slice(0, 2).sort(), sent);
  assertMatch(lines[2]!, /^site +100% /);
  assertEquals(lines.slice(3), [`Skipped ${folder.join("site")}/link: not a regular file`, ""]);
});
