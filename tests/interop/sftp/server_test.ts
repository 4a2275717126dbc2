/** `cli sftp-server` as the subsystem of OpenSSH's server. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLI } from "../../cli/world.ts";
import { cli } from "../../cli/world.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { peerTest } from "../harness/peers.ts";
import { databaseHome } from "../harness/database_home.ts";
import { noise } from "../../support/random.ts";
import { must } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

/** Our sftp-server as a program for sshd and `sftp -D`. */
function program(folder: TempFolder, flags = ""): Promise<string> {
  const words = CLI.map((word) => `'${word}'`).join(" ");
  return folder.write("server", `#!/bin/sh\nexec ${words} sftp-server ${flags} "$@"\n`, 0o755);
}

await peerTest(
  ["sshd", "sftp", "scp"],
  "sftp-server serves OpenSSH as its subsystem",
  async (t) => {
    await using folder = await tempFolder();
    await using server = await startSshd({
      config: { Subsystem: `sftp ${await program(folder)}` },
    });
    const content = noise(50_001).toHex().repeat(40);
    await folder.write("file", content);
    await t.step("sftp: the user's own files, from the home directory", async () => {
      const ran = await runClient("sftp", server, [
        "pwd",
        `put ${folder.join("file")} ${folder.join("there")}`,
        `get ${folder.join("there")} ${folder.join("back")}`,
        `cp ${folder.join("there")} ${folder.join("copied")}`,
        `df ${folder.path}`,
        `ln -s there ${folder.join("link")}`,
        `ls -la ${folder.path}`,
      ]);
      assertEquals(ran.code, 0, ran.stderr);
      const home = ran.text.match(/Remote working directory: (.*)/)![1];
      assertEquals(home, await Deno.realPath(await databaseHome()));
      assert(await Deno.readTextFile(folder.join("back")) === content, "get differs");
      assert(await Deno.readTextFile(folder.join("copied")) === content, "cp differs");
      assertStringIncludes(ran.text, "%Capacity");
      assertEquals(await Deno.readLink(folder.join("link")), "there");
      // Names of owners, from users-groups-by-id.
      assertStringIncludes(ran.text, (await must("id", ["-un"])).text.trim());
    });
    await t.step("scp: over SFTP, tilde and all", async () => {
      const up = "/..".repeat(20) + folder.path;
      const ran = await runClient("scp", server, [folder.join("file"), `remote:~${up}/by-scp`]);
      assertEquals(ran.code, 0, ran.stderr);
      assert(await Deno.readTextFile(folder.join("by-scp")) === content, "scp differs");
    });
  },
);

/** Runs a batch of OpenSSH's sftp with our server and some flags. */
async function batch(folder: TempFolder, flags: string, ...lines: string[]) {
  const server = await program(folder, flags);
  const args = ["-b", "-", "-D", server];
  return await must("sh", [
    "-c",
    `cd "$1" && shift && sftp "$@" 2>&1; true`,
    "sh",
    folder.path,
    ...args,
  ], {
    stdin: lines.map((line) => `${line}\n`).join(""),
  });
}

await peerTest(["sftp", "scp"], "sftp-server has OpenSSH's flags", async (t) => {
  await using folder = await tempFolder();
  await folder.write("file", "x");
  await t.step("-R refuses changes", async () => {
    const { text } = await batch(folder, "-R", "-rm file", "-mkdir new", "get file back");
    assertStringIncludes(text, "Permission denied");
    assertEquals(await Deno.readTextFile(folder.join("back")), "x");
    assert(!await Deno.stat(folder.join("new")).catch(() => null));
  });
  await t.step("-P and -p refuse some requests", async () => {
    assertStringIncludes((await batch(folder, "-P remove", "-rm file")).text, "Permission denied");
    const allowed = "-p realpath,stat,lstat,opendir,readdir,close";
    const { text } = await batch(folder, allowed, "ls -1", "-mkdir new");
    assertStringIncludes(text, "\nfile\n");
    assertStringIncludes(text, "Permission denied");
  });
  await t.step("-u removes mode bits, and -d sets the start folder", async () => {
    await Deno.mkdir(folder.join("start"));
    const { text } = await batch(
      folder,
      `-u 077 -d ${folder.join("start")}`,
      "pwd",
      "mkdir private",
    );
    assertStringIncludes(text, `${await Deno.realPath(folder.join("start"))}\n`);
    assertEquals((await Deno.stat(folder.join("start/private"))).mode! & 0o777, 0o700);
  });
  await t.step("-e and -l log the requests", async () => {
    const { text } = await batch(folder, "-el info", "mkdir logged", "-rm nothing");
    assertStringIncludes(text, 'mkdir "');
    assertStringIncludes(text, 'logged": Success');
  });
  await t.step("-Q lists the requests, as OpenSSH's does", async () => {
    const { text } = await cli(["sftp-server", "-Q", "requests"]);
    const theirs = await must("/usr/lib/openssh/sftp-server", ["-Q", "requests"]);
    const missing = theirs.text.trim().split("\n").filter((name) => !text.includes(`${name}\n`));
    assertEquals(missing, []);
  });
  await t.step("scp -D passes it additional arguments", async () => {
    const args = ["-s", "-D", await program(folder), folder.join("file"), "host:by-scp"];
    await must("scp", args, { cwd: folder.path });
    assertEquals(await Deno.readTextFile(folder.join("by-scp")), "x");
  });
  await t.step("invalid arguments are refused", async () => {
    for (const args of [["-Q", "x"], ["-u", "9"], ["-l", "loud"], ["-x"], ["-d", "%z"]]) {
      assertEquals((await cli(["sftp-server", ...args])).code, 1);
    }
  });
});
