/** Finds the foreign programs of this machine, and registers tests that need them. */
import { must, run } from "../../support/run.ts";
import { reportSkip } from "./control.ts";
import { canMountDisks } from "./small_disk.ts";

const PEERS_FOLDER = new URL("../peers/", import.meta.url);
/** The folder, outside of the tree, of programs that were built or installed for the tests. */
export const cacheFolder: string = Deno.env.get("DENOSSH_CACHE") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`}/denossh`;
/** The folder where `.ci/run` installs the old version of asyncssh; the newest is in the venv. */
export const OLD_ASYNCSSH: string = `${cacheFolder}/asyncssh-2.10`;
/** The processor's name in npm packages of programs. */
const CPU = Deno.build.arch === "aarch64" ? "arm64" : "x64";
const PATHS: Readonly<Record<string, string>> = {
  sshd: "/usr/sbin/sshd", // it requires an absolute path
  "sftp-server": "/usr/lib/openssh/sftp-server",
  dropbear: "/usr/sbin/dropbear",
  proftpd: "/usr/sbin/proftpd",
  mariadbd: "/usr/sbin/mariadbd",
};

/** The longest time that building a peer may take, in milliseconds. */
const BUILD_MS = 300_000;

/** The peers that tests can ask for. */
export type Peer =
  | "ssh"
  | "sftp"
  | "scp"
  | "sshd"
  | "sftp-server"
  | "ssh-keygen"
  | "ssh-audit"
  | "ssh-agent"
  | "openssl"
  | "puttygen"
  | "psftp"
  | "pscp"
  | "dropbear"
  | "dbclient"
  | "Xvfb"
  | "xauth"
  | "xdpyinfo"
  | "asyncssh"
  | "asyncssh-2.10"
  | "paramiko"
  | "twisted"
  | "libssh"
  | "erlang"
  | "mina"
  | "jsch"
  | "sshj"
  | "curl"
  | "lftp"
  | "proftpd"
  | "sshfs"
  | "rclone"
  | "ssh2"
  | "weed"
  | "postgres"
  | "redis-server"
  | "mariadbd"
  | "go"
  | "python3"
  | "root"
  | "mount"
  | "setpriv"
  | "setsid"
  | "tmux"
  | "script"
  | "sudo"
  | "chromium"
  | "workerd"
  | "vi"
  | "git"
  | "node22"
  | "node24"
  | "bun"
  | "npm"
  | "typescript"
  | "typescript5"
  | "types-node"
  | "own-machine";

const found = new Map<Peer, Promise<string | null>>();
/** One program for all libraries. */
let javaPeer: Promise<string | null> | undefined;

/** The path of the peer (for Python packages: of the interpreter that has it), or null. */
export function findPeer(peer: Peer): Promise<string | null> {
  const known = found.get(peer) ?? look(peer);
  found.set(peer, known);
  return known;
}

/** The path of a peer that must be installed. */
export async function requirePeer(peer: Peer): Promise<string> {
  const path = await findPeer(peer);
  if (path === null) throw new Error(`This test needs ${peer}, which is not installed`);
  return path;
}

/** The source of a peer program of ours, such as `asyncssh_peer.py`. */
export function peerSource(name: string): string {
  return new URL(name, PEERS_FOLDER).pathname;
}

/**
 * Registers a test that needs foreign programs. If one is missing, or the control fails (the same
 * steps between the foreign program and OpenSSH), the test is ignored, and its name gives the reason.
 */
export async function peerTest(
  peers: readonly Peer[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  failedControl?: () => Promise<string | null>,
): Promise<void> {
  const paths = await Promise.all(peers.map(findPeer));
  const missing = peers.filter((_, i) => paths[i] === null);
  for (const peer of missing) reportMissing(peer, name);
  const reason = missing.length > 0
    ? `needs ${missing.join(", ")}`
    : await failedControl?.() ?? null;
  const ignore = reason !== null;
  Deno.test({ name: ignore ? `${name} (${reason})` : name, ignore, fn });
}

/** Abilities that a machine may forbid even if the program is installed. */
const MACHINE: readonly Peer[] = ["root", "mount", "setpriv", "sshfs", "own-machine"];

function reportMissing(peer: Peer, what: string): void {
  const kind = MACHINE.includes(peer) ? "machine" : "missing";
  const reason = kind === "machine" ? "not possible on this machine" : "not installed";
  reportSkip({ kind, peer, what, reason });
}

async function look(peer: Peer): Promise<string | null> {
  switch (peer) {
    case "own-machine":
      // Whether files in /etc may be changed; set by .ci/run.
      return Deno.env.get("DENOSSH_OWN_MACHINE") === "1" ? "own-machine" : null;
    case "root":
      return Deno.build.os !== "windows" && Deno.uid() === 0 ? "root" : null;
    case "mount":
      return await canMountDisks() ? await which("mount") : null;
    case "setpriv":
      return await mayGiveUpPower(await which("setpriv"));
    case "asyncssh":
    case "paramiko":
      return await findPython(`import ${peer}`);
    case "asyncssh-2.10":
      return await findPython(`import sys; sys.path.insert(0, "${OLD_ASYNCSSH}")
import asyncssh; assert asyncssh.__version__.startswith("2.10.")`);
    case "twisted":
      return await findPython("from twisted.conch.ssh import filetransfer, keys, transport");
    case "libssh":
      return await findPython('import ctypes; ctypes.CDLL("libssh.so.4")');
    case "erlang":
      return await withSsh(await which("escript"));
    case "go":
      return await buildPeer("go", ["go"], buildGo);
    case "mina":
    case "jsch":
    case "sshj":
      return await (javaPeer ??= buildPeer("java", ["java", "javac", "mvn"], buildJava));
    case "curl":
      return await withSftp(await which("curl"));
    case "proftpd":
      return await existing("/usr/lib/proftpd/mod_sftp.so") && await existing(PATHS[peer]!);
    case "postgres":
      return await newestPostgres();
    case "sshfs":
      return await mayMount() ? await which("sshfs") : null;
    case "ssh2":
      return await existing(`${cacheFolder}/ssh2/node_modules/ssh2/package.json`) &&
        await which("node");
    case "workerd":
      // The program itself, since npm links to a script that starts it.
      return await existing(
        `${cacheFolder}/workerd/node_modules/@cloudflare/workerd-linux-${
          Deno.build.arch === "x86_64" ? "64" : "arm64"
        }/bin/workerd`,
      );
    case "node22":
    case "node24":
      return await existing(`${cacheFolder}/${peer}/node_modules/node-linux-${CPU}/bin/node`);
    case "bun":
      return await existing(`${cacheFolder}/bun/node_modules/@oven/bun-linux-${CPU}/bin/bun`);
    case "typescript":
    case "typescript5":
      return await existing(`${cacheFolder}/${peer}/node_modules/typescript/bin/tsc`);
    case "types-node":
      return await existing(`${cacheFolder}/${peer}/node_modules/@types/node/index.d.ts`);
    case "weed":
      return await existing(`${cacheFolder}/venv/bin/weed`) ?? await which("weed");
    default:
      return PATHS[peer] === undefined ? await which(peer) : await existing(PATHS[peer]);
  }
}

/** A restricted root may be unable to drop capabilities. */
async function mayGiveUpPower(setpriv: string | null): Promise<string | null> {
  if (setpriv === null) return null;
  const flags = ["--bounding-set", "-dac_override", "--inh-caps", "-all"];
  return (await run(setpriv, [...flags, "true"])).code === 0 ? setpriv : null;
}

/** Not every curl is built with SFTP. */
async function withSftp(curl: string | null): Promise<string | null> {
  if (curl === null) return null;
  return /^Protocols:.* sftp\b/m.test((await run(curl, ["--version"])).text) ? curl : null;
}

/** Whether a user file system can be mounted here: containers often forbid it. */
async function mayMount(): Promise<boolean> {
  try {
    (await Deno.open("/dev/fuse", { read: true, write: true })).close();
    const status = await Deno.readTextFile("/proc/self/status");
    const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)![1]}`);
    return (capabilities >> 21n & 1n) === 1n; // CAP_SYS_ADMIN
  } catch {
    return false;
  }
}

/** Debian puts each version of Postgres into a folder, and only its clients into the PATH. */
async function newestPostgres(): Promise<string | null> {
  const folder = "/usr/lib/postgresql";
  const versions = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []))
    .sort((a, b) => Number(b) - Number(a));
  for (const version of versions) {
    const path = await existing(`${folder}/${version}/bin/postgres`);
    if (path !== null) return path;
  }
  return null;
}

/** Debian splits Erlang's applications into packages. */
async function withSsh(escript: string | null): Promise<string | null> {
  if (escript === null) return null;
  const load = "halt(case application:load(ssh) of ok -> 0; _ -> 1 end).";
  return (await run("erl", ["-noshell", "-eval", load])).code === 0 ? escript : null;
}

/** An interpreter that runs the statements. */
async function findPython(statements: string): Promise<string | null> {
  for (const python of [`${cacheFolder}/venv/bin/python`, await which("python3")]) {
    if (python === null || await existing(python) === null) continue;
    const { code } = await run(python, ["-c", statements]);
    if (code === 0) return python;
  }
  return null;
}

/**
 * Builds a folder of `tests/interop/peers` into the cache, once for each version of its sources; returns the
 * path of the program.
 *
 * @param tools The programs that `build` needs
 * @param build Makes the program `peer` in an empty folder
 */
async function buildPeer(
  name: string,
  tools: readonly string[],
  build: (sources: string, folder: string) => Promise<unknown>,
): Promise<string | null> {
  const folder = peerSource(name);
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  const sources = await Promise.all(names.map((name) => Deno.readTextFile(`${folder}/${name}`)));
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(sources.join("\0")),
  );
  const built = `${cacheFolder}/peers/${name}-${new Uint8Array(digest).toHex().slice(0, 16)}`;
  const program = `${built}/peer`;
  if (await existing(program) !== null) return program;
  if ((await Promise.all(tools.map(which))).includes(null)) return null;
  // Built elsewhere and then moved, so that a parallel test file never sees half a program.
  const fresh = `${built}.${Deno.pid}`;
  try {
    await Deno.mkdir(fresh, { recursive: true });
    await build(folder, fresh);
  } catch (error) {
    console.error(`The ${name} peer does not build, its tests are ignored: ${error}`);
    return null;
  }
  await Deno.rename(fresh, built).catch(() => {}); // another process was first
  return await existing(program);
}

function buildGo(cwd: string, folder: string): Promise<unknown> {
  return must("go", ["build", "-o", `${folder}/peer`, "."], { cwd, timeout: BUILD_MS });
}

async function buildJava(cwd: string, folder: string): Promise<void> {
  const timeout = BUILD_MS;
  // Not beside the sources: Maven may write there.
  await Deno.copyFile(`${cwd}/pom.xml`, `${folder}/pom.xml`);
  const download = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"];
  await must("mvn", download, { cwd: folder, timeout });
  const sources = [...Deno.readDirSync(cwd)].map(({ name }) => name)
    .filter((name) => name.endsWith(".java"));
  const flags = ["-nowarn", "-cp", `${folder}/lib/*`, "-d", `${folder}/classes`];
  await must("javac", [...flags, ...sources], { cwd, timeout });
  // For programs that run for seconds, the quick compiler and a simple collector are enough.
  const script = `#!/bin/sh
here=$(dirname "$0")
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$here/classes:$here/lib/*" Peer "$@"
`;
  await Deno.writeTextFile(`${folder}/peer`, script, { mode: 0o755 });
}

async function which(name: string): Promise<string | null> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = await existing(`${folder}/${name}`);
    if (path !== null) return path;
  }
  return null;
}

async function existing(path: string): Promise<string | null> {
  try {
    return (await Deno.stat(path)).isFile ? path : null;
  } catch {
    return null;
  }
}
