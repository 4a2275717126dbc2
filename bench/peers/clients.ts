/** The clients that are measured side by side: each is a command line that runs one remote command. */
import type { Sshd } from "../../tests/interop/sshd.ts";
import { configFlags } from "../../tests/interop/openssh_clients.ts";
import { cacheFolder, findPeer } from "../../tests/interop/peers.ts";
import { run } from "../../tests/interop/run.ts";

/** A client, ready to be run. */
export interface BenchClient {
  /** What the table calls it. */
  readonly name: string;
  /** The program and its arguments that run the command on the server, encrypted with the cipher. */
  commandLine(server: Sshd, cipher: string, command: string): string[];
}

/** The clients of this machine, and for those that it lacks, why. */
export interface BenchClients {
  readonly clients: readonly BenchClient[];
  readonly missing: readonly string[];
}

const OURS = new URL("../../lib/cli/main.ts", import.meta.url).pathname;
const SSH2_SCRIPT = new URL("ssh2_client.mjs", import.meta.url).pathname;

/** Looks which clients there are. OpenSSH's comes first: the others are told in shares of it. */
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

  const modules = `${cacheFolder}/ssh2`;
  try {
    await Deno.stat(`${modules}/node_modules/ssh2/package.json`);
  } catch {
    missing.push(
      `npm:ssh2: mkdir -p ${modules}; cd ${modules}; echo {} > package.json; npm install ssh2`,
    );
    return { clients, missing };
  }
  const line =
    (runtime: readonly string[]): BenchClient["commandLine"] => (server, cipher, command) => {
      const { port, user, identity } = server;
      const settings = JSON.stringify({ modules, port, user, identity, cipher, command });
      return [...runtime, SSH2_SCRIPT, settings];
    };
  const node = await findNode();
  if (node === null) missing.push("npm:ssh2 on Node: no node on PATH");
  else {
    const addon = await hasAddon(node, modules) ? "with its addon" : "without its addon";
    clients.push({ name: `npm:ssh2 on Node, ${addon}`, commandLine: line([node]) });
  }
  clients.push({ name: "npm:ssh2 on Deno", commandLine: line([deno, "run", "-A"]) });
  return { clients, missing };
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
