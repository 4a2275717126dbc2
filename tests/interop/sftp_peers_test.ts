/** SFTP with others than OpenSSH: their clients at our server, our client at their servers. */
import { assert, assertEquals } from "@std/assert";
import { connect, ConnectError, loadKey, password, publicKey } from "@denossh/ssh";
import { type SftpClient, SftpError } from "@denossh/ssh/sftp";
import type { Endpoint } from "./endpoint.ts";
import { runForeign } from "./foreign_clients.ts";
import { startForeign } from "./foreign_server.ts";
import { freePort } from "./free_port.ts";
import { keyFile } from "./keys.ts";
import { configFlags } from "./openssh_clients.ts";
import { connectTo, noise, type OurServer, startOurs } from "./ours.ts";
import { cacheFolder, findPeer, type Peer, peerSource, peerTest, requirePeer } from "./peers.ts";
import { Program } from "./program.ts";
import { must, run } from "./run.ts";
import { type TempFolder, tempFolder } from "./temp.ts";

const DATA = noise(1_500_001);

function same(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length && actual.every((byte, at) => byte === expected[at]);
}

// Their clients -------------------------------------------------------------------------------------

/** What a client must be able to do with a server of ours. */
interface ForeignSftp {
  get(server: OurServer, remote: string, local: string): Promise<void>;
  put(server: OurServer, local: string, remote: string): Promise<void>;
  /** The names in a folder. */
  list(server: OurServer, path: string): Promise<string[]>;
}

const names = (text: string) =>
  text.split("\n").map((line) => line.trim()).filter((name) => name !== "" && !name.startsWith("."))
    .sort();

function python(kind: "asyncssh" | "paramiko"): ForeignSftp {
  const act = async (server: OurServer, ...action: [string, ...string[]]) => {
    const ran = await runForeign(kind, server, action);
    assertEquals(ran.code, 0, ran.stderr);
    return ran.text;
  };
  return {
    get: async (server, ...paths) => void await act(server, "get", ...paths),
    put: async (server, ...paths) => void await act(server, "put", ...paths),
    list: async (server, path) => names(await act(server, "list", path)),
  };
}

async function ssh2(server: Endpoint, ...action: string[]): Promise<string> {
  const { hostname, port, user, identity } = server;
  const settings = { hostname, port, user, identity, role: "client", action };
  const ran = await run(await requirePeer("ssh2"), [
    peerSource("ssh2_peer.cjs"),
    JSON.stringify(settings),
  ], { env: { NODE_PATH: `${cacheFolder}/ssh2/node_modules` } });
  assertEquals(ran.code, 0, ran.stderr);
  return ran.text;
}

async function lftp({ user, port, ...server }: OurServer, command: string): Promise<string> {
  const flags = configFlags({ user, port, ...server }).join(" ");
  const program = `set sftp:connect-program "ssh -a -x ${flags}"`;
  return (await must("lftp", [
    "-u",
    `${user},`,
    "-e",
    `${program}; set net:max-retries 1; set cmd:fail-exit yes; ${command}; bye`,
    `sftp://127.0.0.1:${port}`,
  ])).text;
}

async function curl({ user, port, identity }: OurServer, path: string, ...flags: string[]) {
  return (await must("curl", [
    ...["-sS", "-k", "--key", identity!, "--pubkey", `${identity}.pub`, "-u", `${user}:`],
    ...flags,
    `sftp://127.0.0.1:${port}${path}`,
  ])).text;
}

const CLIENTS: readonly [Peer, ForeignSftp][] = [
  ["asyncssh", python("asyncssh")],
  ["paramiko", python("paramiko")],
  ["ssh2", {
    get: async (server, remote, local) => void await ssh2(server, "get", remote, local),
    put: async (server, local, remote) => void await ssh2(server, "put", local, remote),
    list: async (server, path) => names(await ssh2(server, "list", path)),
  }],
  ["lftp", {
    get: async (server, remote, local) => void await lftp(server, `get ${remote} -o ${local}`),
    put: async (server, local, remote) => void await lftp(server, `put ${local} -o ${remote}`),
    list: async (server, path) => names(await lftp(server, `cls -1 --basename ${path}`)),
  }],
  ["curl", {
    get: async (server, remote, local) => void await curl(server, remote, "-o", local),
    put: async (server, local, remote) => void await curl(server, remote, "-T", local),
    list: async (server, path) => names(await curl(server, `${path}/`, "-l")),
  }],
];

for (const [peer, client] of CLIENTS) {
  const needs: Peer[] = peer === "lftp" ? ["lftp", "ssh"] : [peer];
  await peerTest(needs, `${peer} puts, lists and gets files on our server`, async () => {
    // libssh2 1.10 has no encrypt-then-MAC.
    const algorithms = peer === "curl" ? { mac: "+hmac-sha2-256" } : {};
    await using server = await startOurs({ algorithms });
    const { folder, root } = server;
    const local = await folder.write("local", DATA);
    await Deno.mkdir(`${root}/sub`);
    await client.put(server, local, "/sub/there");
    assert(same(await Deno.readFile(`${root}/sub/there`), DATA), "put differs");
    await Deno.writeTextFile(`${root}/sub/second`, "");
    assertEquals(await client.list(server, "/sub"), ["second", "there"]);
    await client.get(server, "/sub/there", folder.join("back"));
    assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
    // Not all say goodbye.
    assertEquals(server.errors.filter((error) => !(error instanceof ConnectError)), []);
  });
}

await peerTest(["lftp", "ssh"], "lftp mirrors a tree to our server and back", async () => {
  await using server = await startOurs();
  const { folder } = server;
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  for (let i = 0; i < 30; i++) await folder.write(`tree/deep/${i}`, noise(i * 1000, i));
  await lftp(server, `mirror -R ${folder.join("tree")} /tree; mirror /tree ${folder.join("copy")}`);
  assertEquals((await must("diff", ["-r", folder.join("tree"), folder.join("copy")])).text, "");
});

await peerTest(["sshfs", "ssh"], "sshfs mounts our server as a file system", async () => {
  await using server = await startOurs();
  const { folder, root } = server;
  const mount = folder.join("mount");
  await Deno.mkdir(mount);
  const options = configFlags(server).filter((flag) => flag.includes("="))
    .flatMap((setting) => ["-o", setting]);
  await must("sshfs", [...options, `${server.user}@127.0.0.1:/`, mount], { timeout: 20_000 });
  try {
    // Not with Deno's file functions: the server of this process answers them.
    await must("sh", [
      "-ec",
      `
      cd '${mount}'
      mkdir -p a/b
      head -c 300000 /dev/urandom > a/b/file
      cp a/b/file a/copy
      cmp a/b/file a/copy
      mv a/copy a/moved
      ln -s b/file a/link
      cmp a/link a/moved
      chmod 640 a/moved
      echo more >> a/moved
      truncate -s 1000 a/b/file
      touch -d @1000000000 a/b/file
      rm a/link
      df . > /dev/null
      ls -la a > /dev/null
    `,
    ]);
  } finally {
    await must("umount", [mount]);
  }
  const info = await Deno.stat(`${root}/a/b/file`);
  assertEquals([info.size, info.mtime], [1000, new Date(1e12)]);
  const moved = await Deno.stat(`${root}/a/moved`);
  assertEquals([moved.size, moved.mode! & 0o777], [300_005, 0o640]);
  assertEquals([...Deno.readDirSync(`${root}/a`)].map(({ name }) => name).sort(), ["b", "moved"]);
});

// Their servers -------------------------------------------------------------------------------------

/** What our client does with any server; `there` is a folder that both see. */
async function everything(sftp: SftpClient, folder: TempFolder): Promise<void> {
  const there = folder.join("there");
  await sftp.mkdir(there);
  const at = (name: string) => `${there}/${name}`;
  await sftp.put(DATA, at("large"));
  assert(same(await Deno.readFile(at("large")), DATA), "put differs");
  assert(same(await sftp.readFile(at("large")), DATA), "readFile differs");
  await sftp.get(at("large"), folder.join("back"));
  assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
  await sftp.rename(at("large"), at("moved"));
  await sftp.writeTextFile(at("small"), "small");
  await sftp.rename(at("small"), at("moved")); // over what is there
  assertEquals(await sftp.readTextFile(at("moved")), "small");
  await sftp.chmod(at("moved"), 0o640);
  await sftp.utime(at("moved"), new Date(1e12), new Date(1e12));
  const info = await sftp.stat(at("moved"));
  assertEquals([info.size, info.mode! & 0o777, info.mtime], [5, 0o640, new Date(1e12)]);
  await sftp.truncate(at("moved"), 2);
  assertEquals((await Deno.stat(at("moved"))).size, 2);
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  for (let i = 0; i < 20; i++) await folder.write(`tree/deep/${i}`, noise(i * 1000, i));
  await sftp.put(folder.join("tree"), at("tree"), { recursive: true });
  await sftp.get(at("tree"), folder.join("copy"), { recursive: true });
  assertEquals((await must("diff", ["-r", folder.join("tree"), folder.join("copy")])).text, "");
  const listed = await Array.fromAsync(sftp.readDir(at("tree/deep")));
  assertEquals(listed.length, 20);
  const missing = await sftp.stat(at("none")).catch((error) => error);
  assert(missing instanceof SftpError && missing.status === 2, `${missing}`);
  await sftp.remove(there, { recursive: true });
  assertEquals(await Deno.stat(there).catch(() => null), null);
}

for (const kind of ["asyncssh", "paramiko"] as const) {
  await peerTest([kind], `our client does everything with ${kind}'s SFTP server`, async () => {
    await using folder = await tempFolder();
    await using server = await startForeign(kind);
    await using host = await connectTo(server);
    await using sftp = await host.sftp();
    await everything(sftp, folder);
  });
}

await peerTest(["ssh2"], "our client does everything with npm:ssh2's SFTP server", async () => {
  await using folder = await tempFolder();
  const key = await keyFile("ed25519", "host");
  const user = await keyFile("ed25519", "user");
  const settings = JSON.stringify({ role: "server", hostKey: key.path });
  await using server = new Program((await findPeer("ssh2"))!, {
    args: [peerSource("ssh2_peer.cjs"), settings],
    env: { NODE_PATH: `${cacheFolder}/ssh2/node_modules` },
  });
  const port = Number((await server.waitFor(/listening (\d+)/))[1]);
  await using host = await connect({
    hostname: "127.0.0.1",
    port,
    user: "tester",
    auth: [publicKey(await loadKey(user.path))],
    hostKeys: { verify: () => true },
  });
  await using sftp = await host.sftp();
  await everything(sftp, folder);
});

await peerTest(
  ["proftpd", "root"],
  "our client does everything with ProFTPD's mod_sftp",
  async () => {
    await using folder = await tempFolder();
    const key = await keyFile("rsa", "host");
    const port = freePort();
    const hash = (await must("openssl", ["passwd", "-6", "secret"])).text.trim();
    await folder.write("passwd", `tester:${hash}:0:0::${folder.path}:/bin/sh\n`);
    await folder.write("host", await Deno.readTextFile(key.path));
    const config = await folder.write(
      "proftpd.conf",
      `
    ServerType standalone
    DefaultAddress 127.0.0.1
    Port ${port}
    User root
    Group root
    ModulePath /usr/lib/proftpd
    LoadModule mod_sftp.c
    SFTPEngine on
    SFTPLog ${folder.join("log")}
    SFTPHostKey ${folder.join("host")}
    SFTPAuthMethods password
    AuthUserFile ${folder.join("passwd")}
    AuthOrder mod_auth_file.c
    RequireValidShell off
    RootLogin on
    WtmpLog off
    TransferLog none
    PidFile ${folder.join("pid")}
    ScoreboardFile ${folder.join("scoreboard")}
    AllowOverwrite on
    UseIPv6 off
    <IfModule mod_delay.c>
      DelayEngine off
    </IfModule>
  `,
    );
    await using server = new Program((await findPeer("proftpd"))!, { args: ["-n", "-c", config] });
    await server.waitFor(/ProFTPD .* STARTUP|standalone mode/);
    await using host = await connect({
      hostname: "127.0.0.1",
      port,
      user: "tester",
      auth: [password("secret")],
      hostKeys: { verify: () => true },
    });
    await using sftp = await host.sftp();
    await everything(sftp, folder);
  },
);
