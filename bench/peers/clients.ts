/** The clients that are compared: each is a command line that runs one remote command. */
import type { Sshd } from "../../tests/interop/harness/sshd.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { cacheFolder, findPeer } from "../../tests/interop/harness/peers.ts";
import { run } from "../../tests/support/run.ts";

/** A client that can be run. */
export interface BenchClient {
  /** Its name in tables. */
  readonly name: string;
  /** The program and its arguments that run the command on the server, encrypted with the cipher. */
  commandLine(server: Sshd, cipher: string, command: string): string[];
}

/** The clients on this machine, and the reasons why others are missing. */
export interface BenchClients {
  readonly clients: readonly BenchClient[];
  readonly missing: readonly string[];
}

const OURS = new URL("../../lib/cli/main.ts", import.meta.url).pathname;

/** Finds the installed clients. OpenSSH's comes first: the others are shown relative to it. */
export async function findClients(): Promise<BenchClients> {
  const clients: BenchClient[] = [];
  const missing: string[] = [];
  const ssh = await findPeer("ssh");
  if (ssh === null) missing.push("OpenSSH ssh: not installed");
  else clients.push({ name: "OpenSSH ssh", commandLine: opensshLine([ssh]) });
  const deno = Deno.execPath();
  clients.push({
    name: "@denossh/ssh",
    commandLine: opensshLine([deno, "run", "-A", "--no-check", OURS, "ssh"]),
  });

  await findSsh2(clients, missing);
  for (const name of ["asyncssh", "paramiko"] as const) {
    const python = await findPeer(name);
    if (python === null) missing.push(`${name}: its Python package is not installed`);
    else clients.push({ name, commandLine: scriptLine([python, script(`${name}_client.py`)]) });
  }
  const go = await findPeer("go");
  if (go === null) missing.push("Go's x/crypto/ssh: no go on PATH");
  else clients.push({ name: "Go's x/crypto/ssh", commandLine: goLine(go) });
  return { clients, missing };
}

async function findSsh2(clients: BenchClient[], missing: string[]): Promise<void> {
  const found = await findSsh2Runtimes();
  missing.push(...found.missing);
  for (const { name, program, modules } of found.runtimes) {
    clients.push({
      name,
      commandLine: scriptLine([...program, script("ssh2_client.mjs")], { modules }),
    });
  }
}

/** A JavaScript runtime with npm's ssh2. */
export interface Ssh2Runtime {
  readonly name: string;
  /** The command line before a script's path. */
  readonly program: readonly string[];
  /** The folder whose `node_modules` contains it. */
  readonly modules: string;
}

/** The runtimes here that can run npm's ssh2. */
export async function findSsh2Runtimes(): Promise<
  { runtimes: readonly Ssh2Runtime[]; missing: readonly string[] }
> {
  const modules = `${cacheFolder}/ssh2`;
  try {
    await Deno.stat(`${modules}/node_modules/ssh2/package.json`);
  } catch {
    const how = `mkdir -p ${modules}; cd ${modules}; echo {} > package.json; npm install ssh2`;
    return { runtimes: [], missing: [`npm:ssh2: ${how}`] };
  }
  const onDeno = { name: "npm:ssh2 on Deno", program: [Deno.execPath(), "run", "-A"], modules };
  const node = await findNode();
  if (node === null) {
    return { runtimes: [onDeno], missing: ["npm:ssh2 on Node: no node on PATH"] };
  }
  const addon = await hasAddon(node, modules) ? "with its addon" : "without its addon";
  const onNode = { name: `npm:ssh2 on Node, ${addon}`, program: [node], modules };
  return { runtimes: [onNode, onDeno], missing: [] };
}

/** A program of ours around a foreign library; its job is passed as JSON. */
function scriptLine(program: readonly string[], more = {}): BenchClient["commandLine"] {
  return ({ port, user, identity }, cipher, command) => [
    ...program,
    JSON.stringify({ port, user, identity, cipher, command, ...more }),
  ];
}

function goLine(program: string): BenchClient["commandLine"] {
  return ({ hostname, port, user, identity }, cipher, command) => [
    program,
    "client",
    ...["-address", `${hostname}:${port}`, "-user", user, "-identity", identity],
    ...["-ciphers", cipher, "exec", command],
  ];
}

function script(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** OpenSSH's flags, which our command line understands as well. */
function opensshLine(program: readonly string[]): BenchClient["commandLine"] {
  return (server, cipher, command) => [
    ...program,
    ...configFlags(server, { Ciphers: cipher }),
    `${server.user}@${server.hostname}`,
    command,
  ];
}

async function findNode(): Promise<string | null> {
  try {
    return (await run("node", ["-p", "process.execPath"])).text.trim() || null;
  } catch {
    return null;
  }
}

/** Whether the ciphers that ssh2 has in C++ were built when it was installed. */
async function hasAddon(node: string, modules: string): Promise<boolean> {
  const script = 'require("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node")';
  return (await run(node, ["-e", script], { cwd: modules })).code === 0;
}
