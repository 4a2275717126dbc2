/** SFTP with peers other than OpenSSH: their clients with our server. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ConnectError } from "@denossh/ssh";
import type { Endpoint } from "../../support/endpoint.ts";
import { runForeign } from "../harness/foreign_clients.ts";
import type { ForeignKind } from "../harness/foreign_program.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { noise, startOurs } from "../harness/ours.ts";
import {
  cacheFolder,
  findPeer,
  type Peer,
  peerSource,
  peerTest,
  requirePeer,
} from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { tree } from "../../support/tree.ts";
import { control } from "../harness/control.ts";
import { startSshd } from "../harness/sshd.ts";
import { same } from "./everything.ts";

const DATA = noise(1_500_001);

/** A file server, whose `path` is `${root}${path}` on this machine. */
interface FileServer extends Endpoint {
  readonly folder: TempFolder;
  readonly root: string;
}

/** The required steps of a client. */
interface ForeignSftp {
  get(server: FileServer, remote: string, local: string): Promise<void>;
  put(server: FileServer, local: string, remote: string): Promise<void>;
  /** The names in a folder. */
  list(server: FileServer, path: string): Promise<string[]>;
  /** All operations of the client, in an empty folder. */
  everything(server: FileServer, path: string): Promise<void>;
}

const names = (text: string) =>
  text.split("\n").map((line) => line.trim()).filter((name) => name !== "" && !name.startsWith("."))
    .sort();

function foreign(kind: ForeignKind): ForeignSftp {
  const act = async (server: FileServer, ...action: [string, ...string[]]) => {
    const ran = await runForeign(kind, server, action);
    assertEquals(ran.code, 0, ran.stderr);
    return ran.text;
  };
  return {
    get: async (server, ...paths) => void await act(server, "get", ...paths),
    put: async (server, ...paths) => void await act(server, "put", ...paths),
    list: async (server, path) => names(await act(server, "list", path)),
    everything: async (server, path) => void await act(server, "everything", path),
  };
}

async function ssh2(server: FileServer, ...action: string[]): Promise<string> {
  const { hostname, port, user, identity } = server;
  // OpenSSH 9.2 returns no home folder for an empty name.
  const home = server.root === "" ? undefined : "/";
  const settings = { hostname, port, user, identity, home, role: "client", action };
  const ran = await run(await requirePeer("ssh2"), [
    peerSource("ssh2_peer.cjs"),
    JSON.stringify(settings),
  ], { env: { NODE_PATH: `${cacheFolder}/ssh2/node_modules` } });
  assertEquals(ran.code, 0, ran.stderr);
  return ran.text;
}

async function lftp({ user, port, ...server }: FileServer, command: string): Promise<string> {
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

async function curl({ user, port, identity }: FileServer, path: string, ...flags: string[]) {
  return (await must("curl", [
    ...["-sS", "-k", "--key", identity!, "--pubkey", `${identity}.pub`, "-u", `${user}:`],
    ...flags,
    `sftp://127.0.0.1:${port}${path}`,
  ])).text;
}

/** The operations of lftp, including a transfer in pieces and a resumed one. */
async function lftpEverything(server: FileServer, path: string): Promise<void> {
  const { folder, root } = server;
  const local = await folder.write("data", DATA);
  await Deno.mkdir(folder.join("tree/sub"), { recursive: true });
  await folder.write("tree/sub/file", "file");
  await folder.write("tree/second", "second");
  await Deno.writeFile(`${root}${path}/part`, DATA.subarray(0, 400_000));
  await folder.write("begun", DATA.subarray(0, 700_000));
  const run = (...commands: string[]) => lftp(server, [`cd ${path}`, ...commands].join("; "));
  const text = await run(
    `put -c ${local} -o part`,
    `get -c part -o ${folder.join("begun")}`,
    `pget -n 4 part -o ${folder.join("pieces")}`,
    "mkdir -p a/b",
    "mv part a/moved",
    "chmod 640 a/moved",
    "ln -s moved a/link",
    "cls -l a",
    `mirror -R ${folder.join("tree")} tree`,
  );
  await Deno.remove(folder.join("tree/second"));
  const more = await run(
    `mirror -R --delete ${folder.join("tree")} tree`,
    "cat tree/sub/file",
    "du -b a",
    "rmdir a/b",
    "rm -r a",
    "rm tree/sub/file",
    "rmdir tree/sub tree",
  );
  assertStringIncludes(text, "-rw-r-----");
  assertStringIncludes(more, "file");
  for (const name of ["begun", "pieces"]) {
    assert(same(await Deno.readFile(folder.join(name)), DATA), name);
  }
}

/** The operations of curl, including a part of a file and a resumed transfer. */
async function curlEverything(server: FileServer, path: string): Promise<void> {
  const { folder, root } = server;
  const local = await folder.write("data", DATA);
  await curl(server, `${path}/made/on the way/file`.replaceAll(" ", "%20"), ...[
    ...["-T", local, "--ftp-create-dirs"],
    ...["-Q", `-rename "${path}/made/on the way/file" ${path}/file`],
    ...["-Q", `-chmod 640 ${path}/file`],
    ...["-Q", `-rmdir "${path}/made/on the way"`],
    ...["-Q", `-rmdir ${path}/made`],
  ]);
  assertEquals((await Deno.stat(`${root}${path}/file`)).mode! & 0o777, 0o640);
  const part = await curl(server, `${path}/file`, "-r", "1000-1999", "-o", folder.join("part"));
  assertEquals(part, "");
  assert(
    same(await Deno.readFile(folder.join("part")), DATA.subarray(1000, 2000)),
    "range differs",
  );
  await folder.write("begun", DATA.subarray(0, 700_000));
  await curl(server, `${path}/file`, "-C", "-", "-o", folder.join("begun"));
  assert(same(await Deno.readFile(folder.join("begun")), DATA), "resumed download differs");
  await Deno.truncate(`${root}${path}/file`, 700_000);
  await curl(server, `${path}/file`, "-C", "-", "-T", local);
  assert(same(await Deno.readFile(`${root}${path}/file`), DATA), "resumed upload differs");
  await curl(server, `${path}/`, "-l", "-Q", `-rm ${path}/file`);
}

const CLIENTS: readonly [Peer, ForeignSftp][] = [
  ["asyncssh", foreign("asyncssh")],
  ["paramiko", foreign("paramiko")],
  ["go", foreign("go")],
  ["mina", foreign("mina")],
  ["jsch", foreign("jsch")],
  ["sshj", foreign("sshj")],
  ["ssh2", {
    get: async (server, remote, local) => void await ssh2(server, "get", remote, local),
    put: async (server, local, remote) => void await ssh2(server, "put", local, remote),
    list: async (server, path) => names(await ssh2(server, "list", path)),
    everything: async (server, path) => void await ssh2(server, "everything", path),
  }],
  ["lftp", {
    get: async (server, remote, local) => void await lftp(server, `get ${remote} -o ${local}`),
    put: async (server, local, remote) => void await lftp(server, `put ${local} -o ${remote}`),
    list: async (server, path) => names(await lftp(server, `cls -1 --basename ${path}`)),
    everything: lftpEverything,
  }],
  ["curl", {
    get: async (server, remote, local) => void await curl(server, remote, "-o", local),
    put: async (server, local, remote) => void await curl(server, remote, "-T", local),
    list: async (server, path) => names(await curl(server, `${path}/`, "-l")),
    everything: curlEverything,
  }],
];

/** The steps of a client in a folder that contains only `sub`. */
async function carries(client: ForeignSftp, server: FileServer, path: string): Promise<void> {
  const { folder, root } = server;
  const local = await folder.write("local", DATA);
  await Deno.mkdir(`${root}${path}/sub`);
  await client.put(server, local, `${path}/sub/there`);
  assert(same(await Deno.readFile(`${root}${path}/sub/there`), DATA), "put differs");
  await Deno.writeTextFile(`${root}${path}/sub/second`, "");
  assertEquals(await client.list(server, `${path}/sub`), ["second", "there"]);
  await client.get(server, `${path}/sub/there`, folder.join("back"));
  assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
}

async function doesAll(client: ForeignSftp, server: FileServer, path: string): Promise<void> {
  await Deno.mkdir(`${server.root}${path}/empty`);
  await client.everything(server, `${path}/empty`);
  assertEquals([...Deno.readDirSync(`${server.root}${path}/empty`)], []);
}

async function linksByCurl(server: FileServer, path: string): Promise<void> {
  const local = await server.folder.write("linked", "linked");
  await curl(server, `${path}/file`, "-T", local, "-Q", `-symlink file ${path}/link`);
  assertEquals(await Deno.readLink(`${server.root}${path}/link`), "file");
  assertEquals(await curl(server, `${path}/link`), "linked");
  await curl(server, `${path}/`, "-l", "-Q", `-rm ${path}/link`);
}

async function mirrorsByLftp(server: FileServer, path: string): Promise<void> {
  const { folder } = server;
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  for (let i = 0; i < 30; i++) await folder.write(`tree/deep/${i}`, noise(i * 1000, i));
  const there = `mirror -R ${folder.join("tree")} ${path}/tree`;
  await lftp(server, `${there}; mirror ${path}/tree ${folder.join("copy")}`);
  assertEquals(await tree(folder.join("copy")), await tree(folder.join("tree")));
}

/** Steps of a client with a file server, in an empty folder. */
type Steps = (server: FileServer, path: string) => Promise<void>;

/** Tests the steps with our server, with OpenSSH's as the control. */
async function clientTest(peer: Peer, step: string, steps: Steps): Promise<void> {
  await peerTest(
    peer === "lftp" ? ["lftp", "ssh"] : [peer],
    `${peer} ${step} our server`,
    async () => {
      await using server = await startOurs();
      await steps(server, "");
      // Not all send a DISCONNECT.
      assertEquals(server.errors.filter((error) => !(error instanceof ConnectError)), []);
    },
    async () =>
      await findPeer("sshd") === null ? null : await control(peer, step, async () => {
        await using server = await startSshd();
        await using folder = await tempFolder();
        await Deno.mkdir(folder.join("files"));
        await steps({ ...server, folder, root: "" }, folder.join("files"));
      }),
  );
}

for (const [peer, client] of CLIENTS) {
  await clientTest(peer, "puts, lists and gets files on", carries.bind(null, client));
  await clientTest(peer, "works completely with", doesAll.bind(null, client));
}

await clientTest("curl", "makes and follows symbolic links on", linksByCurl);

await clientTest("lftp", "mirrors a tree to and from", mirrorsByLftp);

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
