import { assertEquals, assertStringIncludes } from "@std/assert";
import { main } from "../../lib/cli/main.ts";
import { tempFolder } from "../support/temp.ts";
import { captured } from "./captured.ts";

Deno.test("ssh -G reports a malformed or missing file", async () => {
  await using folder = await tempFolder();
  const config = await folder.write("config", "Prot 1\nHost x\n  Port 0\n");
  const { code, stderr } = await captured(main, ["ssh", "-F", config, "-G", "db1"]);
  assertEquals([code, stderr], [
    255,
    `ssh: ${config}: line 1: Bad configuration option: prot; ${config} line 3: Bad port '0'.\n`,
  ]);
  const none = folder.join("none");
  const missing = await captured(main, ["ssh", "-F", none, "-G", "db1"]);
  assertEquals(missing.code, 255);
  assertStringIncludes(missing.stderr, none);
});

Deno.test("ssh uses the first user and port given, as in OpenSSH", async () => {
  const cases: [args: string[], user: string, port: string][] = [
    [["me@h"], "me", "22"],
    [["me@h", "-o", "User=late"], "me", "22"],
    [["-o", "User=early", "me@h", "-l", "late"], "early", "22"],
    [["-l", "early", "-o", "user=late", "me@h"], "early", "22"],
    [["h", "-l", "first", "-o", "User=second"], "first", "22"],
    [["h", "-o", "User=first", "-l", "second"], "first", "22"],
    [["a%h@h", "-o", "User=late"], "a%h", "22"],
    [["-l", "a%h", "h"], "a%h", "22"],
    [["-o", "User=a%%%h", "h"], "a%h", "22"],
    [["ssh://me%40work@h:24", "-p", "25", "-o", "User=late"], "me@work", "24"],
    [["-p", "25", "ssh://me@h:24"], "me", "25"],
  ];
  for (const [args, user, port] of cases) {
    const { text, stderr } = await captured(main, ["ssh", "-F", "none", "-G", ...args]);
    assertEquals(
      text.split("\n").slice(1, 4),
      [`user ${user}`, "hostname h", `port ${port}`],
      stderr,
    );
  }
});

Deno.test("Match tests the command that ssh and sftp run", async () => {
  await using folder = await tempFolder();
  const config = await folder.write(
    "config",
    `
    Match command "" sessiontype shell
      Port 1001
    Match command "up*" sessiontype exec
      Port 1002
    Match command sftp sessiontype subsystem
      Port 1003
    Match tagged office
      Port 1004
    Match sessiontype none
      RefuseConnection "nothing to do"
    `,
  );
  const cases: [args: string[], port: string][] = [
    [["h"], "1001"],
    [["h", "uptime", "-p"], "1002"],
    [["-s", "h", "sftp"], "1003"],
    [["-P", "office", "h", "true"], "1004"],
  ];
  for (const [args, port] of cases) {
    const { text } = await captured(main, ["ssh", "-F", config, "-G", ...args]);
    assertEquals(text.split("\n")[3], `port ${port}`, args.join(" "));
  }
  const refused = await captured(main, ["ssh", "-F", config, "-N", "h"]);
  assertEquals([refused.code, refused.stderr], [
    255,
    `ssh: ${config} line 11: RefuseConnection: nothing to do\n`,
  ]);
  await folder.write("config", "Match command sftp sessiontype subsystem\n  RefuseConnection no\n");
  const sftp = await captured(main, ["sftp", "-F", config, "h"]);
  assertEquals(sftp.code !== 0 && sftp.stderr.includes("RefuseConnection: no"), true, sftp.stderr);
});
