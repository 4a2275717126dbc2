/**
 * OpenSSH's own regress scripts about files (Debian package `openssh-tests`), with our programs where they
 * expect OpenSSH's. Quick ones run wherever the package is; `DENOSSH_LONG` runs them all.
 */
import { assert } from "@std/assert";
import { CLI } from "../../cli/world.ts";
import { LONG } from "../../support/random.ts";
import { run } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

const SCRIPTS = "/usr/lib/openssh/regress";
const OPENSSH_SERVER = "/usr/lib/openssh/sftp-server";
const ALL = LONG > 1;
const LIMIT_MS = 600_000;

type Ours = "sftp-server" | "sftp" | "scp";

/** Which programs are ours, and the scripts to run with them; the quick ones first. */
const SUITES: readonly { readonly ours: readonly Ours[]; quick: string[]; slow: string[] }[] = [
  {
    ours: ["sftp-server"],
    quick: ["sftp-badcmds", "sftp-batch"],
    slow: ["sftp-glob", "sftp", "sftp-cmds", "sftp-perm", "scp", "scp3", "scp-uri"],
  },
  {
    ours: ["sftp"],
    quick: ["sftp-badcmds", "sftp-batch"],
    slow: ["sftp-glob", "sftp", "sftp-cmds", "sftp-perm", "sftp-uri", "sftp-chroot"],
  },
  { ours: ["scp"], quick: ["scp3"], slow: ["scp", "scp-uri"] },
  { ours: ["sftp-server", "sftp", "scp"], quick: ["sftp-glob"], slow: ["sftp-cmds", "scp"] },
];

const installed = await Deno.stat(`${SCRIPTS}/test-exec.sh`).then(() => true, () => false);

for (const { ours, quick, slow } of SUITES) {
  const scripts = ALL ? [...quick, ...slow] : quick;
  const which = ALL ? "" : `, the quick ones of ${quick.length + slow.length}`;
  Deno.test({
    name: `OpenSSH's regress scripts pass with our ${ours.join(", ")}` +
      (installed ? which : " (needs openssh-tests)"),
    ignore: !installed || scripts.length === 0,
    fn: async (t) => {
      for (const script of scripts) await t.step(script, () => pass(script, ours));
    },
  });
}

async function pass(script: string, ours: readonly Ours[]): Promise<void> {
  await using folder = await tempFolder();
  const obj = folder.join("regress");
  await copyScripts(obj);
  const ran = await run("sh", ["test-exec.sh", obj, `${obj}/${script}.sh`], {
    cwd: obj,
    timeout: LIMIT_MS,
    env: { ...await environment(folder, ours), OBJ: obj, BUILDDIR: obj },
  });
  assert(ran.code === 0, `${ran.text.slice(-3000)}\n${ran.stderr.slice(-3000)}`);
}

async function copyScripts(target: string): Promise<void> {
  const { code, stderr } = await run("cp", ["-a", SCRIPTS, target]);
  assert(code === 0, stderr);
}

async function environment(
  folder: TempFolder,
  ours: readonly string[],
): Promise<Record<string, string>> {
  const program = async (name: string, theirs: string) =>
    ours.includes(name) ? await wrapper(folder, name) : theirs;
  return {
    TEST_SHELL: "sh",
    TEST_SSH_UNSAFE_PERMISSIONS: "1",
    TEST_SSH_SSH: "/usr/bin/ssh",
    TEST_SSH_SSHD: "/usr/sbin/sshd",
    TEST_SSH_SFTP: await program("sftp", "sftp"),
    TEST_SSH_SCP: await program("scp", "scp"),
    TEST_SSH_SFTPSERVER: await program("sftp-server", OPENSSH_SERVER),
    SUDO: "",
  };
}

function wrapper(folder: TempFolder, tool: string): Promise<string> {
  const words = CLI.map((word) => `'${word}'`).join(" ");
  return folder.write(tool, `#!/bin/sh\nexec ${words} ${tool} "$@"\n`, 0o755);
}
