/** The SFTP clients that are compared: each copies local folders to the server and back. */
import { SFTP_FILES_AT_ONCE } from "../../lib/defaults.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { run } from "../../tests/support/run.ts";
import type { Sshd } from "../../tests/interop/harness/sshd.ts";
import { CIPHERS } from "../throughput.ts";
import { findSsh2Runtimes } from "./clients.ts";

/** The server, reached over a path, and the folders. */
export interface SftpLane {
  readonly server: Sshd;
  readonly port: number;
  readonly folder: string;
}

/** `get large` copies `large` in the folder to `out` in the same folder. */
export type SftpAction = `${"get" | "put"} ${string}`;

/** Milliseconds of an action. */
export interface SftpTimes {
  readonly ms: number;
  /** CPU time of the client. */
  readonly cpu: number;
}

/** A client that can be measured. */
export interface SftpPeer {
  /** Its name in tables. */
  readonly name: string;
  /** Files that it copies in parallel. */
  readonly width: number;
  /** Copies one after the other, on one connection if it can. */
  measure(
    lane: SftpLane,
    actions: readonly SftpAction[],
  ): Promise<Readonly<Record<SftpAction, SftpTimes>>>;
}

const LIMIT_MS = 120_000;

/** Like `ssh2_sftp.mjs`, and the default of ours. */
const SSH2_WIDTH = 16;

/** The clients on this machine, ours first, and the reasons why others are missing. */
export async function findSftpPeers(): Promise<{
  readonly peers: readonly SftpPeer[];
  readonly missing: readonly string[];
}> {
  const deno = [Deno.execPath(), "run", "-A", "--no-check"];
  const ours = [...deno, script("own_sftp.ts")];
  const peers = [scripted("@denossh/ssh", SFTP_FILES_AT_ONCE, ours)];
  const { runtimes, missing } = await findSsh2Runtimes();
  const lacking = [...missing];
  const sftp = await findPeer("sftp");
  if (sftp === null) lacking.push("OpenSSH sftp: not installed");
  else peers.push(openssh(sftp));
  for (const { name, program, modules } of runtimes) {
    const line = [...program, script("ssh2_sftp.mjs")];
    peers.push(scripted(name, SSH2_WIDTH, line, { modules }));
  }
  for (const [name, make] of [["rclone", rclone], ["lftp", lftp]] as const) {
    const program = await findPeer(name);
    if (program === null) lacking.push(`${name}: not installed`);
    else peers.push(make(program));
  }
  for (const name of ["asyncssh", "paramiko"] as const) {
    const python = await findPeer(name);
    if (python === null) lacking.push(`${name}: its Python package is not installed`);
    else peers.push(scripted(name, 1, [python, script(`${name}_sftp.py`)]));
  }
  return { peers, missing: lacking };
}

/** A program around a library, which times itself: it gets the job as JSON and returns the times. */
function scripted(
  name: string,
  width: number,
  program: readonly string[],
  more = {},
): SftpPeer {
  return {
    name,
    width,
    async measure({ server, port, folder }, actions) {
      const { user, identity, hostKeys } = server;
      const hostKey = hostKeys.ed25519!.publicKey;
      const out = await outOf(folder);
      const job = { port, user, identity, hostKey, cipher: CIPHERS[0], folder, out, actions };
      const [command, ...args] = program;
      const line = [...args, JSON.stringify({ ...job, ...more })];
      const ran = await run(command!, line, { timeout: LIMIT_MS });
      await Deno.remove(out, { recursive: true });
      if (ran.code !== 0) throw new Error(ran.stderr.trim().split("\n").at(-1));
      return JSON.parse(ran.text);
    },
  };
}

/** Run by a batch between its commands: prints the time in ns, and the CPU ticks of sftp and its ssh. */
const LOOK = "!echo @ $(date +%s%N) $(cat /proc/$PPID/stat " +
  "$(sed 's:[0-9]\\+:/proc/&/stat:g' /proc/$PPID/task/$PPID/children) 2>/dev/null | " +
  "awk '{ ticks += $14 + $15 } END { print ticks }')";
const TICK_MS = 10;

/** A batch that reads the clock before and after each command. */
function openssh(program: string): SftpPeer {
  return {
    name: "OpenSSH sftp",
    width: 1,
    async measure({ server, port, folder }, actions) {
      const out = await outOf(folder);
      // The path has another port, which known_hosts does not contain.
      const flags = configFlags({ ...server, port }, {
        Ciphers: CIPHERS[0]!,
        StrictHostKeyChecking: "no",
        UserKnownHostsFile: "/dev/null",
      });
      const lines = actions.map((action, index) => {
        const [verb, what] = action.split(" ");
        return `${LOOK}\n${verb} -r ${folder}/${what} ${out}/${index}\n${LOOK}\n`;
      });
      const args = ["-q", "-b", "-", ...flags, `${server.user}@127.0.0.1`];
      const ran = await run(program, args, { stdin: lines.join(""), timeout: LIMIT_MS });
      await Deno.remove(out, { recursive: true });
      if (ran.code !== 0) throw new Error(ran.stderr.trim().split("\n").at(-1));
      const looks = [...ran.text.matchAll(/^@ (\d+) (\d+)$/gm)].map(([, ns, ticks]) => ({
        ms: Number(ns) / 1e6,
        cpu: Number(ticks) * TICK_MS,
      }));
      return Object.fromEntries(actions.map((action, index) => {
        const [before, after] = [looks[2 * index]!, looks[2 * index + 1]!];
        return [action, { ms: after.ms - before.ms, cpu: after.cpu - before.cpu }];
      }));
    },
  };
}

/**
 * rclone with its own streams and ciphers: several files in parallel, and several ranges of a fetched
 * file.
 */
function rclone(program: string): SftpPeer {
  const width = 16;
  return {
    name: `rclone, ${width} transfers`,
    width,
    async measure(lane, actions) {
      const { user, identity } = lane.server;
      const flags = [
        ...["--config", "/dev/null", "--retries", "1", "--transfers", `${width}`],
        ...["--checkers", `${width}`, "--multi-thread-cutoff", "4M"],
        ...["--sftp-host", "127.0.0.1", "--sftp-port", `${lane.port}`, "--sftp-user", user],
        ...["--sftp-key-file", identity, "--sftp-disable-hashcheck"],
      ];
      const look = (path: string) => [program, "lsf", ...flags, `:sftp:${path}`];
      return await timedPrograms(lane, actions, look, (verb, from, to) => {
        const command = from.endsWith("large") ? "copyto" : "copy";
        const [source, target] = verb === "get" ? [`:sftp:${from}`, to] : [from, `:sftp:${to}`];
        return [program, command, ...flags, source, target];
      });
    },
  };
}

/** lftp: fetches a file in pieces, and folders with many files in parallel. */
function lftp(program: string): SftpPeer {
  const width = 8; // each is a connection, and sshd accepts ten unauthenticated ones
  return {
    name: `lftp, ${width} connections`,
    width,
    async measure(lane, actions) {
      const { server: { user, identity }, port } = lane;
      const flags = configFlags({ ...lane.server, port, identity }, {
        Ciphers: CIPHERS[0]!,
        StrictHostKeyChecking: "no",
        UserKnownHostsFile: "/dev/null",
      });
      const ssh = `set sftp:connect-program "ssh -a -x ${flags.join(" ")}"`;
      const command = (script: string) => [
        ...[program, "-u", `${user},`, "-e"],
        `${ssh}; set cmd:fail-exit yes; set net:max-retries 3; ${script}; bye`,
        `sftp://127.0.0.1:${port}`,
      ];
      const look = (path: string) => command(`cls ${path}`);
      return await timedPrograms(lane, actions, look, (verb, from, to) => {
        const [get, put] = from.endsWith("large")
          ? [`pget -n ${width} ${from} -o ${to}`, `put ${from} -o ${to}`]
          : [`mirror -P ${width} ${from} ${to}`, `mirror -R -P ${width} ${from} ${to}`];
        return command((verb === "get" ? get : put)!);
      });
    },
  };
}

/**
 * Runs a program for each action and measures it and its children with the shell's `time`. The time to
 * log in and list an empty folder is subtracted.
 */
async function timedPrograms(
  { folder }: SftpLane,
  actions: readonly SftpAction[],
  look: (path: string) => string[],
  line: (verb: string, from: string, to: string) => string[],
): Promise<Record<SftpAction, SftpTimes>> {
  const out = await outOf(folder);
  const times: Record<SftpAction, SftpTimes> = {};
  try {
    const login = await timedProgram(look(out));
    for (const [index, action] of actions.entries()) {
      const [verb, what] = action.split(" ");
      const { ms, cpu } = await timedProgram(line(verb!, `${folder}/${what}`, `${out}/${index}`));
      times[action] = { ms: Math.max(1, ms - login.ms), cpu: Math.max(1, cpu - login.cpu) };
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
  return times;
}

async function timedProgram(line: readonly string[]): Promise<SftpTimes> {
  const script = `TIMEFORMAT='%R %U %S'; time "$@" < /dev/null > /dev/null`;
  const ran = await run("bash", ["-c", script, "bash", ...line], { timeout: LIMIT_MS });
  const last = ran.stderr.trim().split("\n");
  if (ran.code !== 0) throw new Error(last.at(-2));
  const [seconds, user, system] = last.at(-1)!.split(" ").map(Number);
  return { ms: seconds! * 1000, cpu: (user! + system!) * 1000 };
}

/** A separate folder for copies, since clients may run in parallel. */
function outOf(folder: string): Promise<string> {
  return Deno.makeTempDir({ dir: folder, prefix: "out-" });
}

function script(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
