/**
 * A program that is compiled with the package's declarations, and never run. A type that came to `any` would
 * let the lines pass that must not compile.
 */
import {
  agent,
  type Client,
  CommandError,
  connect,
  type ConnectOptions,
  Keyring,
  knownHosts,
  publicKey,
  SshError,
} from "@denossh/ssh";
import { connectAgent } from "@denossh/ssh/agent";
import { Config } from "@denossh/ssh/config";
import { generateKey, importPrivateKey, type PrivateKey } from "@denossh/ssh/keys";
import { KnownHosts } from "@denossh/ssh/known-hosts";
import { authorizedKeys, localFiles, serve, type SshServer } from "@denossh/ssh/server";
import type { SftpClient } from "@denossh/ssh/sftp";
import { connectedPair } from "@denossh/ssh/testing";

/** Logs in by a key of a text, and by an agent. */
export async function logIn(
  text: string,
  transport?: ConnectOptions["transport"],
): Promise<Client> {
  const key: PrivateKey = importPrivateKey(text);
  const auth = [publicKey(key), agent(new Keyring())];
  // @ts-expect-error: the port is a number
  await connect({ hostname: "db1", port: "22" });
  return await connect("ann@db1", {
    auth,
    hostKeys: knownHosts("./known_hosts", { unknown: "add" }),
    signal: AbortSignal.timeout(1000),
    ...transport && { transport },
  });
}

/** Runs commands in each way. */
export async function commands(host: Client): Promise<number> {
  const text: string = await host.run("uptime");
  // @ts-expect-error: the output is a text
  const wrong: number = await host.run("uptime");
  const { success, code, stdout } = await host.command("df", { args: ["-h"] }).output();
  const bytes: Uint8Array = stdout;
  await using child = await host.command("journalctl -fu web").spawn();
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    console.log(chunk.toUpperCase());
  }
  const lines: string[] = await host.$`ls ${"a b"}`.lines();
  try {
    await host.run("false");
  } catch (error) {
    if (error instanceof CommandError) console.log(error.exitCode, error.stderr);
    else if (error instanceof SshError && error.code === "timeout") console.log(error.message);
    // @ts-expect-error: no error has this code
    else if (error instanceof SshError && error.code === "nonsense") throw error;
  }
  return success ? code! + bytes.length + text.length + lines.length : wrong;
}

/** Moves files. */
export async function files(host: Client): Promise<bigint | number> {
  await using sftp: SftpClient = await host.sftp();
  await sftp.put("./dist", "/srv/app", {
    recursive: true,
    onProgress: ({ transferred, total }) => console.log(transferred, total),
  });
  for await (const entry of sftp.readDir("/srv")) console.log(entry.name, entry.isFile);
  await using file = await sftp.open("/etc/hosts", { read: true });
  const response = new Response(file.readable);
  console.log(await response.text());
  // @ts-expect-error: there is no such option
  await sftp.get("/a", "b", { recursively: true });
  return (await sftp.stat("/etc/hosts")).size;
}

/** Opens tunnels. */
export async function tunnels(host: Client): Promise<number> {
  await using near = await host.forwardLocal({ from: { port: 0 }, to: "db.internal:5432" });
  using conn = await host.dial({ hostname: "10.0.0.5", port: 80 });
  const writer = conn.writable.getWriter();
  await writer.write(new Uint8Array(4));
  return near.addr.port;
}

/** Serves sessions and files. */
export async function server(): Promise<SshServer> {
  return serve({
    port: 2222,
    hostKeys: [await generateKey("ed25519")],
    auth: { publicKey: authorizedKeys(() => "") },
    sftp: localFiles({ root: "./public" }),
  }, async (session) => {
    await session.print(`Hello ${session.user}\n`);
    // @ts-expect-error: a status is a number
    session.exit("0");
    return 0;
  });
}

/** Settings, known hosts, and a pair for tests. */
export async function rest(): Promise<string | undefined> {
  const { HostName, Port } = await Config.parse("Host a\n  HostName b").lookup("a");
  const known = KnownHosts.parse("");
  await using keys = await connectAgent();
  const [first] = await keys.identities();
  await using pair = await connectedPair();
  if (pair.host instanceof Object && first) console.log(first.publicKey.fingerprint(), Port, known);
  return HostName;
}
