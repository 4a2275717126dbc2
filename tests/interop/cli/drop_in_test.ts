/** Our ssh in place of OpenSSH's for other programs. */
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "../../../lib/encoding.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { peerTest } from "../harness/peers.ts";
import { noise } from "../../support/random.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { CLI } from "../../cli/world.ts";

const LARGE = encodeHex(noise(65536)).repeat(8);

function wrapper(folder: TempFolder): Promise<string> {
  const words = CLI.map((word) => `'${word}'`).join(" ");
  return folder.write("ssh", `#!/bin/sh\nexec ${words} ssh "$@"\n`, 0o700);
}

await peerTest(["sshd", "scp"], "scp and sftp run on our ssh", async (t) => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const ssh = await wrapper(folder);
  const local = await folder.write("local", LARGE);
  const flags = ["-S", ssh, ...configFlags(server)];
  const place = `${server.user}@${server.hostname}`;
  for (const protocol of ["-s", "-O"]) {
    await t.step(`scp ${protocol}`, async () => {
      const [there, back] = [folder.join("there"), folder.join(`back${protocol}`)];
      await must("scp", [protocol, ...flags, local, `${place}:${there}`]);
      await must("scp", [protocol, ...flags, `${place}:${there}`, back]);
      assert(await Deno.readTextFile(back) === LARGE, "The bytes differ");
    });
  }
  await t.step("sftp", async () => {
    const back = folder.join("back");
    await must("sftp", ["-b", "-", ...flags, place], { stdin: `get ${local} ${back}\n` });
    assert(await Deno.readTextFile(back) === LARGE, "The bytes differ");
  });
});

await peerTest(["sshd", "git"], "git runs on our ssh", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const [origin, clone] = [folder.join("origin"), folder.join("clone")];
  const author = ["-c", "user.email=me@example.com", "-c", "user.name=me"];
  await must("git", ["init", "-q", origin]);
  await must("git", ["-C", origin, ...author, "commit", "-q", "--allow-empty", "-m", "first"]);
  const quoted = configFlags(server).map((flag) => `'${flag}'`).join(" ");
  const env = { GIT_SSH_COMMAND: `${await wrapper(folder)} ${quoted}`, GIT_SSH_VARIANT: "ssh" };
  const url = `ssh://${server.user}@${server.hostname}:${server.port}${origin}`;
  const ran = await run("git", ["clone", "-q", url, clone], { env });
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals((await must("git", ["-C", clone, "log", "--format=%s"])).text, "first\n");
});
