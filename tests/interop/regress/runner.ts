/**
 * Runs OpenSSH's regress scripts (Debian's package `openssh-tests`) with our programs in place of
 * OpenSSH's, one at a time, since many use the same ports.
 */
import { assert } from "@std/assert";
import { CLI } from "../../cli/world.ts";
import { freePort } from "../../support/free_port.ts";
import { run } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

const SCRIPTS = "/usr/lib/openssh/regress";
const SERVER = new URL("./sshd.ts", import.meta.url).pathname;
/** The time that a script with a thousand processes needs on a loaded machine. */
const LIMIT_SECONDS = 1_800;

/** The scripts to run: the quick ones, `all`, or a list. */
const WANTED = Deno.env.get("DENOSSH_REGRESS")?.split(",") ?? [];

/** Programs that can be replaced by ours. */
export type Program = "ssh" | "sshd" | "keygen" | "sftp" | "scp" | "sftp-server";

/** Where the scripts look for each program. */
const THEIRS: Readonly<Record<Program, readonly [variable: string, path: string]>> = {
  ssh: ["SSH", "/usr/bin/ssh"],
  sshd: ["SSHD", "/usr/sbin/sshd"],
  keygen: ["SSHKEYGEN", "/usr/bin/ssh-keygen"],
  sftp: ["SFTP", "sftp"],
  scp: ["SCP", "scp"],
  "sftp-server": ["SFTPSERVER", "/usr/lib/openssh/sftp-server"],
};

/** Scripts of OpenSSH, and the programs replaced by ours. */
export interface Suite {
  readonly ours: readonly Program[];
  /** Scripts that run in every test run; a few seconds each. */
  readonly quick: readonly string[];
  /** Scripts that run only if DENOSSH_REGRESS selects them. */
  readonly slow: readonly string[];
  /** Scripts that do not pass, or do not test our programs, and why. */
  readonly misses?: Readonly<Record<string, string>>;
}

const installed = await Deno.stat(`${SCRIPTS}/test-exec.sh`).then(() => true, () => false);

/** Makes the test of a suite, with a step for each script. */
export function regressTest({ ours, quick, slow, misses = {} }: Suite): void {
  const passing = [...quick, ...slow];
  const all = [...passing, ...Object.keys(misses)];
  const isWanted = (script: string) =>
    WANTED.includes("all") || WANTED.includes(script) ||
    (WANTED.length === 0 && quick.includes(script));
  const chosen = passing.filter(isWanted);
  const what = `${chosen.length} of ${all.length} scripts`;
  Deno.test({
    name: `OpenSSH's regress scripts pass with our ${ours.join(", ")}` +
      (installed ? `: ${what}` : " (needs openssh-tests)"),
    ignore: !installed || chosen.length === 0,
    fn: async (t) => {
      for (const script of chosen) await t.step(script, () => pass(script, ours));
    },
  });
}

async function pass(script: string, ours: readonly Program[]): Promise<void> {
  await using folder = await tempFolder();
  const obj = folder.join("regress");
  await copyScripts(obj);
  const { code, text, stderr } = await run("timeout", [
    ...["--kill-after=5", `${LIMIT_SECONDS}`],
    ...["sh", "test-exec.sh", obj, `${obj}/${script}.sh`],
  ], {
    cwd: obj,
    timeout: (LIMIT_SECONDS + 30) * 1000,
    env: { ...await environment(folder, ours), OBJ: obj, BUILDDIR: obj },
  });
  if (code !== 0) await endServer(`${obj}/pidfile`);
  const log = async (name: string) =>
    (await Deno.readTextFile(`${obj}/failed-${name}.log`).catch(() => "")).slice(-2000);
  const logs = code === 0 ? "" : `${await log("ssh")}\n${await log("sshd")}`;
  assert(code === 0, `${text.slice(-3000)}\n${stderr.slice(-3000)}\n${logs}`);
  assert(!/^SKIPPED/m.test(text), `It was skipped: ${text.slice(-3000)}`);
}

/** A script that timed out leaves its server running. */
async function endServer(pidFile: string): Promise<void> {
  const pid = Number(await Deno.readTextFile(pidFile).catch(() => ""));
  if (pid > 1) Deno.kill(pid, "SIGTERM");
}

async function copyScripts(target: string): Promise<void> {
  const { code, stderr } = await run("cp", ["-a", SCRIPTS, target]);
  assert(code === 0, stderr);
  // Security keys need a device, which only OpenSSH's programs can simulate.
  const config = `${target}/config.h`;
  const text = await Deno.readTextFile(config);
  await Deno.writeTextFile(config, text.replace(/^#define ENABLE_SK.*$/gm, ""));
}

async function environment(
  folder: TempFolder,
  ours: readonly Program[],
): Promise<Record<string, string>> {
  const programs = await Promise.all(
    (Object.keys(THEIRS) as Program[]).map(async (program) => {
      const [variable, path] = THEIRS[program];
      const wrapped = ours.includes(program) || program === "ssh";
      const file = wrapped ? await wrapper(folder, program, ours.includes(program)) : path;
      return [`TEST_SSH_${variable}`, file] as const;
    }),
  );
  return {
    ...Object.fromEntries(programs),
    TEST_SHELL: "sh",
    TEST_SSH_PORT: `${freePort()}`,
    TEST_SSH_UNSAFE_PERMISSIONS: "1",
    SUDO: "",
  };
}

/** Wraps a program as a file, since the scripts accept only paths. */
function wrapper(folder: TempFolder, program: Program, isOurs: boolean): Promise<string> {
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const command = quoted(isOurs ? [...CLI, program] : [THEIRS[program][1]]);
  const script = program === "ssh"
    ? sshScript(command, quoted([...CLI, "ssh"]))
    : program === "sshd"
    ? sshdScript(quoted([...CLI.slice(0, -1), SERVER]))
    : `exec ${command} "$@"`;
  return folder.write(program, `#!/bin/sh\n${script}\n`, 0o755);
}

/** The scripts iterate over -Q's algorithms, here the ones common to our and OpenSSH's programs. */
function sshScript(command: string, ours: string): string {
  return `case "$*" in
*"-Q "*) ${THEIRS.ssh[1]} "$@" | grep -Fx "$(${ours} "$@")" ;;
*) exec ${command} "$@" ;;
esac`;
}

/** Without one of these flags, sshd detaches from its parent. */
function sshdScript(command: string): string {
  return `for word in "$@"; do
  case "$word" in -i|-t|-T|-D) exec ${command} "$@" ;; esac
done
${command} "$@" < /dev/null > /dev/null 2>&1 &`;
}
