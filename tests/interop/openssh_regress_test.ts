/**
 * OpenSSH's own regress scripts about files (Debian package `openssh-tests`), with our programs where they
 * expect OpenSSH's. Quick ones run wherever the package is; DENOSSH_REGRESS=all runs them all.
 */
import { assert } from "@std/assert";
import { CLI } from "../cli/world.ts";
import { run } from "./run.ts";
import { type TempFolder, tempFolder } from "./temp.ts";

const SCRIPTS = "/usr/lib/openssh/regress";
const OPENSSH_SERVER = "/usr/lib/openssh/sftp-server";
const ALL = Deno.env.get("DENOSSH_REGRESS") === "all";
const LIMIT_MS = 600_000;

interface Case {
  readonly script: string;
  /** Which programs are ours. */
  readonly ours: readonly ("sftp-server" | "sftp" | "scp")[];
  readonly quick?: boolean;
}

const CASES: readonly Case[] = [
  { script: "sftp", ours: ["sftp-server"] },
  { script: "sftp-cmds", ours: ["sftp-server"] },
  { script: "sftp-badcmds", ours: ["sftp-server"], quick: true },
  { script: "sftp-batch", ours: ["sftp-server"], quick: true },
  { script: "sftp-glob", ours: ["sftp-server"], quick: true },
  { script: "sftp-perm", ours: ["sftp-server"] },
  { script: "scp", ours: ["sftp-server"] },
  { script: "scp3", ours: ["sftp-server"] },
  { script: "scp-uri", ours: ["sftp-server"] },
  { script: "sftp", ours: ["sftp"] },
  { script: "sftp-cmds", ours: ["sftp"] },
  { script: "sftp-badcmds", ours: ["sftp"], quick: true },
  { script: "sftp-batch", ours: ["sftp"], quick: true },
  { script: "sftp-glob", ours: ["sftp"] },
  { script: "sftp-perm", ours: ["sftp"] },
  { script: "sftp-uri", ours: ["sftp"] },
  { script: "sftp-chroot", ours: ["sftp"] },
  { script: "scp", ours: ["scp"] },
  { script: "scp3", ours: ["scp"] },
  { script: "scp-uri", ours: ["scp"] },
  { script: "sftp-cmds", ours: ["sftp-server", "sftp"] },
  { script: "scp", ours: ["sftp-server", "scp"] },
];

const installed = await Deno.stat(`${SCRIPTS}/test-exec.sh`).then(() => true, () => false);

for (const { script, ours, quick = false } of CASES) {
  const needs = installed
    ? (quick || ALL ? "" : " (DENOSSH_REGRESS=all)")
    : " (needs openssh-tests)";
  Deno.test({
    name: `OpenSSH's ${script} passes with our ${ours.join(" and ")}${needs}`,
    ignore: needs !== "",
    fn: async () => {
      await using folder = await tempFolder();
      const obj = folder.join("regress");
      await copyScripts(obj);
      const ran = await run("sh", ["test-exec.sh", obj, `${obj}/${script}.sh`], {
        cwd: obj,
        timeout: LIMIT_MS,
        env: { ...await environment(folder, ours), OBJ: obj, BUILDDIR: obj },
      });
      assert(ran.code === 0, `${ran.text.slice(-3000)}\n${ran.stderr.slice(-3000)}`);
    },
  });
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
