/** Our `sftp` with OpenSSH's server, compared with OpenSSH's. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { carriesFiles } from "../../cli/cases/sftp.ts";
import { CLI, cli, cliSftp } from "../../cli/world.ts";
import { must } from "../../support/run.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

await peerTest(["sshd"], "sftp works with OpenSSH", async (t) => {
  await using server = await startSshd();
  const local = `${server.folder}/files`;
  await Deno.mkdir(local);
  await carriesFiles(t, { server, remote: local, local });
  await t.step("lls shows a local folder", async () => {
    await Deno.writeTextFile(`${local}/file`, "");
    // A batch ends at the first failing command, so this one is last.
    const ran = await cliSftp(server, [`lcd ${local}`, "lls file", "lcd /", "lls file"]);
    assertStringIncludes(ran.text, `lcd ${local}\nsftp> lls file\nfile\n`);
    assertEquals(ran.code, 1);
  });
});

await peerTest(
  ["sftp", "sftp-server"],
  "sftp has all commands of OpenSSH's sftp, and their flags",
  async () => {
    const ask = async (program: string, ...args: string[]) =>
      (await must(program, [...args, "-b", "-", "-D", await requirePeer("sftp-server")], {
        stdin: "help\n",
      })).text;
    /** The command and flags at the start of a line of `help`. */
    const commands = (text: string) =>
      new Map(
        [...text.matchAll(/^([a-z]+)(?:, \w+)*(?: \[-(\w+)\])?/gm)].map((
          [, name, flags],
        ) => [name!, flags]),
      );
    const theirs = commands((await ask("sftp")).replace(/^Available.*\n|^ .*\n/gm, ""));
    const ours = commands(await ask(CLI[0], ...CLI.slice(1), "sftp"));
    assert(theirs.size > 25, `${[...theirs.keys()]}`);
    for (const [name, flags = ""] of theirs) {
      if (ours.has(name)) {
        assertEquals([...flags].filter((flag) => !(ours.get(name) ?? "").includes(flag)), [], name);
      } else {
        // An alias of a command, which our `help` does not repeat.
        const { stderr } = await cli(["sftp", "-b", "-", "-D", await requirePeer("sftp-server")], {
          stdin: `${name} a b c\n`,
        });
        assert(!stderr.includes("Invalid command"), name);
      }
    }
  },
);

await peerTest(
  ["sshd", "sftp-server", "ssh"],
  "sftp -s runs a program instead of a subsystem",
  async () => {
    await using server = await startSshd({ config: { Subsystem: "none /bin/false" } });
    const program = await requirePeer("sftp-server");
    for (const more of [[], ["-S", await requirePeer("ssh")]]) {
      const flags = ["-s", program, ...more];
      const ran = await cliSftp(server, ["cd /", "pwd"], { flags });
      assertEquals(ran.code, 0, ran.stderr);
      assertStringIncludes(ran.text, "Remote working directory: /\n");
      assertEquals((await cliSftp(server, ["pwd"], { flags: more })).code, 255);
    }
  },
);
