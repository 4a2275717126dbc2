/** Tasks for runtimes with sockets, files and processes; each run does one task. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import process from "node:process";
import { agent, connect, connectAgent, Keyring, listenAgent } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { authorizedKeys, localFiles, serve, systemShell } from "@denossh/ssh/server";
import { clientSteps, type Login, logIn, mixedBytes } from "./client_steps.ts";

/** The server, and the local resources. */
export interface HostLogin extends Login {
  /** A folder of this machine to work in. */
  readonly local: string;
}

/** How to serve. */
export interface ServeJob {
  /** The accepted keys, as the text of `authorized_keys`. */
  readonly authorized: string;
  /** The served folder. */
  readonly root: string;
}

const BYTES = 3_000_000;

const TASKS: Readonly<Record<string, (job: never) => Promise<unknown>>> = {
  client: (job: HostLogin) => clientSteps(job),
  files,
  tunnels,
  taken,
  agents,
  config,
  server,
};

/** Sends and fetches files of this machine, alone and in a folder. */
async function files(job: HostLogin): Promise<{ hashes: string[]; listed: string[] }> {
  await using host = await logIn(job);
  await using sftp = await host.sftp();
  const sent = `${job.local}/sent.bin`;
  await writeFile(sent, mixedBytes(BYTES));
  await sftp.put(sent, `${job.folder}/put.bin`);
  await sftp.get(`${job.folder}/put.bin`, `${job.local}/got.bin`);
  const onServer = (await host.run(`sha256sum ${job.folder}/put.bin`)).split(" ")[0]!;

  await mkdir(`${job.local}/tree/deep`, { recursive: true });
  await writeFile(`${job.local}/tree/a`, "a");
  await writeFile(`${job.local}/tree/deep/b`, "b");
  await sftp.put(`${job.local}/tree`, `${job.folder}/tree`, { recursive: true });
  await sftp.get(`${job.folder}/tree`, `${job.local}/again`, { recursive: true, preserve: true });
  return {
    hashes: [await hashOf(sent), onServer, await hashOf(`${job.local}/got.bin`)],
    listed: [
      await readFile(`${job.local}/again/a`, "utf8"),
      await readFile(`${job.local}/again/deep/b`, "utf8"),
    ],
  };
}

/** Uses tunnels in both directions, over ports and a unix socket. */
async function tunnels(job: HostLogin): Promise<string[]> {
  await using host = await logIn(job);
  const target = `127.0.0.1:${job.echoPort}`;
  await using near = await host.forwardLocal({ from: { port: 0 }, to: target });
  const path = `${job.local}/tunnel`;
  await using _socket = await host.forwardLocal({ from: { path }, to: target });
  await using far = await host.forwardRemote({ from: { port: 0 }, to: target });
  await using _socks = await host.forwardSocks({ port: 0 });
  return [
    await echoed(net.connect(near.addr.port, "127.0.0.1"), "over a port"),
    await echoed(net.connect(path), "over a socket"),
    await echoed(net.connect(far.addr.port, "127.0.0.1"), "from the server"),
    await echoed(host.nodeSocket(target), "over a Node socket"),
  ];
}

/** Listens where it cannot: what the errors are called, or their codes. */
async function taken(job: HostLogin): Promise<string[]> {
  await using host = await logIn(job);
  await using near = await host.forwardLocal({ from: { port: 0 }, to: "localhost:1" });
  const { port } = near.addr;
  const hostKeys = [await generateKey()];
  const listen = (port: number, hostname: string) => () =>
    Promise.resolve(serve({ port, hostname, hostKeys, auth: { none: () => true } }));
  return [
    await failure(listen(port, "127.0.0.1")),
    await failure(listen(0, "192.0.2.1")), // an address of no machine
    await failure(() => host.forwardLocal({ from: { port }, to: "localhost:1" })),
    await failure(() => host.forwardSocks({ port })),
    await failure(() => host.forwardLocal({ from: { path: job.local }, to: "localhost:1" })),
  ];
}

async function failure(run: () => Promise<AsyncDisposable>): Promise<string> {
  try {
    await using _listening = await run();
    return "listens";
  } catch (error) {
    const { name, code } = error as Error & { code?: string };
    return name === "Error" ? `${code}` : name;
  }
}

/** Logs in with the keys of the agent at SSH_AUTH_SOCK, and offers its own keys to programs. */
async function agents(job: HostLogin): Promise<{ held: number; output: string; lent: number }> {
  await using system = await connectAgent();
  const held = (await system.identities()).length;
  const { hostname, port, user, hostKey } = job;
  await using host = await connect({ hostname, port, user, auth: [agent()], hostKeys: hostKey });
  const output = await host.run("echo by agent");
  using keyring = new Keyring();
  keyring.add(await generateKey());
  await using listener = await listenAgent(keyring);
  await using own = await connectAgent(listener.path);
  return { held, output, lent: (await own.identities()).length };
}

/** Uses the user's files: HOME has `.ssh/config`, a key and `known_hosts`. */
async function config(): Promise<{ output: string; proxied: string }> {
  await using host = await connect("alias");
  const output = await host.run("echo by config");
  await using proxied = await connect("proxied");
  return { output, proxied: await proxied.run("echo by proxy") };
}

/** Serves commands and files until SIGTERM. */
async function server({ authorized, root }: ServeJob): Promise<string> {
  const key = await generateKey("ed25519");
  await using server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [key],
    auth: { publicKey: authorizedKeys(() => authorized) },
    sftp: localFiles({ root }),
    forward: { local: () => true },
  }, systemShell());
  console.log(JSON.stringify({ port: server.addr.port, hostKey: String(key.publicKey) }));
  await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
  return "shut down";
}

/** Sends a text, and reads until EOF. */
async function echoed(socket: net.Socket, text: string): Promise<string> {
  let got = "";
  socket.setEncoding("utf8").on("data", (chunk) => got += chunk);
  socket.end(text);
  await new Promise<void>((resolve, reject) => socket.once("end", resolve).once("error", reject));
  return got;
}

async function hashOf(file: string): Promise<string> {
  return createHash("sha256").update(await readFile(file)).digest("hex");
}

const [task, job] = process.argv.slice(2);
console.log(JSON.stringify(await TASKS[task!]!(JSON.parse(job!) as never)));
