/**
 * Foreign programs and this module log in to each other, run a command and move files, with default
 * settings. The control does the same steps with OpenSSH.
 */
import { assertEquals } from "@std/assert";
import { ConnectError, DisconnectError, password } from "@denossh/ssh";
import type { Endpoint, ForeignServer } from "../support/endpoint.ts";
import { must } from "../support/run.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { control } from "./harness/control.ts";
import { startDropbear } from "./harness/dropbear.ts";
import { runForeign } from "./harness/foreign_clients.ts";
import type { ForeignKind } from "./harness/foreign_program.ts";
import { startForeign } from "./harness/foreign_server.ts";
import { connectTo, noise, sha256, startOurs } from "./harness/ours.ts";
import { runClient, runDbclient } from "./harness/openssh_clients.ts";
import { findPeer, type Peer, peerTest, requirePeer } from "./harness/peers.ts";
import { startProftpd } from "./harness/proftpd.ts";
import { startSshd } from "./harness/sshd.ts";

const FIRST = noise(700_001, 1);
const SECOND = noise(300_001, 2);
const COMMAND = "cat; echo err >&2; exit 7";

// --- Their clients ----------------------------------------------------------------------------------

/** The steps of a client with a server, as far as it supports them. */
interface Client {
  /** Runs COMMAND with FIRST as its input; returns its exit code and output. */
  exec?(server: Endpoint): Promise<[code: number, stdout: Uint8Array, stderr: string]>;
  put(server: Endpoint, local: string, remote: string): Promise<unknown>;
  get(server: Endpoint, remote: string, local: string): Promise<unknown>;
}

function foreign(kind: ForeignKind): Client {
  const act = async (server: Endpoint, ...action: [string, ...string[]]) => {
    const ran = await runForeign(kind, server, action);
    assertEquals(ran.code, 0, ran.stderr);
  };
  return {
    exec: async (server) => {
      const ran = await runForeign(kind, server, ["exec", COMMAND], { stdin: FIRST });
      return [ran.code, ran.stdout, ran.stderr];
    },
    put: (server, ...paths) => act(server, "put", ...paths),
    get: (server, ...paths) => act(server, "get", ...paths),
  };
}

const curl: Client = {
  put: (server, local, remote) => runCurl(server, remote, "-T", local),
  get: (server, remote, local) => runCurl(server, remote, "-o", local),
};

function runCurl({ user, port, identity }: Endpoint, path: string, ...flags: string[]) {
  const login = ["-k", "--key", identity!, "--pubkey", `${identity}.pub`, "-u", `${user}:`];
  return must("curl", ["-sS", ...login, ...flags, `sftp://127.0.0.1:${port}${path}`]);
}

/** Dropbear's client has no SFTP: it serves as the transport of OpenSSH's sftp. */
const dbclient: Client = {
  exec: async (server) => {
    const ran = await runDbclient(server, [COMMAND], { stdin: FIRST });
    return [ran.code, ran.stdout, ran.stderr];
  },
  put: (server, local, remote) => sftpOverDbclient(server, `put ${local} ${remote}`),
  get: (server, remote, local) => sftpOverDbclient(server, `get ${remote} ${local}`),
};

async function sftpOverDbclient({ user, port, identity }: Endpoint, line: string): Promise<void> {
  await using folder = await tempFolder();
  const key = folder.join("identity");
  await must("dropbearconvert", ["openssh", "dropbear", identity!, key]);
  const client = await requirePeer("dbclient");
  const words = `exec ${client} -y -y -p ${port} -i ${key} ${user}@127.0.0.1 -s sftp`;
  const script = await folder.write("dbclient", `#!/bin/sh\n${words}\n`, 0o700);
  const env = { HOME: folder.path };
  await must("sftp", ["-b", "-", "-S", script, "127.0.0.1"], { stdin: `${line}\n`, env });
}

const CLIENTS: readonly [peers: readonly [Peer, ...Peer[]], client: Client][] = [
  [["curl"], curl],
  [["libssh"], foreign("libssh")],
  [["twisted"], foreign("twisted")],
  [["asyncssh-2.10"], foreign("asyncssh-2.10")],
  [["asyncssh"], foreign("asyncssh")],
  [["dbclient", "sftp"], dbclient],
  [["erlang"], foreign("erlang")],
  [["mina"], foreign("mina")],
  [["jsch"], foreign("jsch")],
  [["sshj"], foreign("sshj")],
];

/** The steps, in a folder of the server that both ends see. */
async function clientSteps(
  client: Client,
  server: Endpoint,
  folder: TempFolder,
  [remote, there]: readonly [remote: string, there: string],
): Promise<void> {
  if (client.exec) {
    const [code, stdout, stderr] = await client.exec(server);
    assertEquals([code, await sha256(bytes(stdout))], [7, await sha256(FIRST)], stderr);
    assertEquals(/^err$/m.test(stderr), true, stderr);
  }
  for (const data of [FIRST, SECOND]) { // put, and put over a longer file
    await client.put(server, await folder.write("local", data), remote);
    assertEquals(await hashOf(there), await sha256(data));
    await client.get(server, remote, folder.join("back"));
    assertEquals(await hashOf(folder.join("back")), await sha256(data));
  }
}

for (const [peers, client] of CLIENTS) {
  await peerTest(
    peers,
    `${peers[0]} logs in, runs commands and moves files with our server`,
    async () => {
      await using server = await startOurs();
      await clientSteps(client, server, server.folder, ["/file", `${server.root}/file`]);
      // Some end without a DISCONNECT, and Twisted's reports a lost connection.
      const ends = [ConnectError, DisconnectError];
      const errors = server.errors.filter((error) => !ends.some((kind) => error instanceof kind));
      assertEquals(errors, []);
    },
    async () =>
      await findPeer("sshd") === null ? null : await control(peers[0], "does it all", async () => {
        await using server = await startSshd();
        await using folder = await tempFolder();
        await clientSteps(client, server, folder, [folder.join("file"), folder.join("file")]);
      }),
  );
}

// --- Their servers ----------------------------------------------------------------------------------

/** A server, and what it can run: any command with its streams, commands that only print, or none. */
interface Server {
  readonly peers: readonly [Peer, ...Peer[]];
  start(): Promise<ForeignServer>;
  /** How to start it for the control, if OpenSSH's clients need other settings. */
  startControl?(): Promise<ForeignServer>;
  readonly runs: "streams" | "text" | "nothing";
}

const SERVERS: readonly Server[] = [
  { peers: ["libssh", "sftp-server"], start: () => startForeign("libssh"), runs: "streams" },
  { peers: ["twisted"], start: () => startForeign("twisted"), runs: "streams" },
  { peers: ["asyncssh-2.10"], start: () => startForeign("asyncssh-2.10"), runs: "streams" },
  { peers: ["asyncssh"], start: () => startForeign("asyncssh"), runs: "streams" },
  { peers: ["dropbear", "sftp-server", "root"], start: startDropbear, runs: "streams" },
  { peers: ["erlang"], start: () => startForeign("erlang"), runs: "text" },
  // One thread passes input and output on, and hangs if both are long.
  { peers: ["mina"], start: () => startForeign("mina"), runs: "text" },
  {
    peers: ["proftpd", "root"],
    start: () => startProftpd("<Limit SITE_CHMOD>\nDenyAll\n</Limit>"),
    startControl: startProftpd, // with the limit, OpenSSH's sftp cannot put, since it opens files with a mode
    runs: "nothing",
  },
];

async function ourSteps({ runs }: Server, server: ForeignServer, folder: TempFolder) {
  await using host = await connectTo(
    server,
    server.identity === undefined ? { auth: [password(server.password!)] } : {},
  );
  if (runs === "text") assertEquals(await host.run("echo hello"), "hello");
  if (runs === "streams") {
    const { code, stdout, stderr } = await host.command(COMMAND, { stdin: FIRST }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [7, "err\n"]);
    assertEquals(await sha256(stdout), await sha256(FIRST));
  }
  await using sftp = await host.sftp();
  const there = folder.join("there");
  for (const preserve of [false, true]) {
    for (const data of [FIRST, SECOND]) {
      await sftp.put(await folder.write("local", data), `${there}/file`, { preserve });
      assertEquals(await hashOf(`${there}/file`), await sha256(data));
      await sftp.get(`${there}/file`, folder.join("back"));
      assertEquals(await hashOf(folder.join("back")), await sha256(data));
    }
  }
  assertEquals(await Array.fromAsync(Deno.readDir(there), ({ name }) => name), ["file"]);
}

/** The steps of OpenSSH's clients. */
async function theirSteps({ runs }: Server, server: ForeignServer, folder: TempFolder) {
  const ssh = { stdin: FIRST };
  if (runs === "text") assertEquals((await runClient("ssh", server, ["echo hello"])).code, 0);
  if (runs === "streams") {
    const { code, stdout, stderr } = await runClient("ssh", server, [COMMAND], ssh);
    assertEquals([code, stderr, await sha256(bytes(stdout))], [7, "err\n", await sha256(FIRST)]);
  }
  for (const data of [FIRST, SECOND]) {
    const paths = [await folder.write("local", data), folder.join("there/file")];
    const lines = [`put ${paths.join(" ")}`, `get ${paths[1]} ${folder.join("back")}`];
    const { code, stderr } = await runClient("sftp", server, lines);
    assertEquals([code, await hashOf(folder.join("back"))], [0, await sha256(data)], stderr);
  }
}

for (const server of SERVERS) {
  const inFolder = async (steps: typeof ourSteps, start = server.start): Promise<void> => {
    await using folder = await tempFolder();
    // Dropbear serves a different user.
    await Deno.chmod(folder.path, 0o777);
    await Deno.mkdir(folder.join("there"));
    await Deno.chmod(folder.join("there"), 0o777);
    await using started = await start();
    await steps(server, started, folder);
  };
  await peerTest(
    server.peers,
    `our client logs in, runs commands and moves files with a server of ${server.peers[0]}`,
    () => inFolder(ourSteps),
    async () =>
      await findPeer("sftp") === null ? null : await control(
        server.peers[0],
        "serves it all",
        () => inFolder(theirSteps, server.startControl),
      ),
  );
}

async function hashOf(path: string): Promise<string> {
  return await sha256(await Deno.readFile(path));
}

/** A copy that the hash takes. */
function bytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data);
}
