/** PuTTY's psftp and pscp with our server. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import type { Endpoint } from "../../support/endpoint.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { tree } from "../../support/tree.ts";
import { control } from "../harness/control.ts";
import { noise, startOurs } from "../harness/ours.ts";
import { startSshd } from "../harness/sshd.ts";
import { findPeer, type Peer, peerTest } from "../harness/peers.ts";
import { type Ran, run } from "../../support/run.ts";
import { same } from "./everything.ts";

const DATA = noise(2_500_001);

/** A server with all files and a password login, since PuTTY does not read OpenSSH's keys. */
interface PuttyServer extends Endpoint {
  readonly knownHosts: string;
  readonly password: string;
  readonly folder: TempFolder;
  /** An empty folder. */
  readonly root: string;
}

async function atOurs(steps: (server: PuttyServer) => Promise<void>): Promise<void> {
  await using server = await startOurs({
    sftp: localFiles({ root: "/" }),
    auth: { password: (_user, password) => password === "secret" },
  });
  await steps({ ...server, password: "secret" });
}

/** The control with OpenSSH's server, which needs an account and so root. */
async function controlOf(
  peer: Peer,
  step: string,
  steps: (server: PuttyServer) => Promise<void>,
): Promise<string | null> {
  if (await findPeer("sshd") === null || await findPeer("root") === null) return null;
  return await control(peer, step, async () => {
    await using server = await startSshd({ login: "password", hostKeys: ["ed25519"] });
    await using folder = await tempFolder();
    const root = folder.join("root");
    await Deno.mkdir(root);
    for (const path of [folder.path, root]) await Deno.chmod(path, 0o777);
    await steps({ ...server, password: server.password!, folder, root });
  });
}

/** Runs one of PuTTY's programs, isolated from the user's settings. */
async function putty(server: PuttyServer, program: string, ...args: string[]): Promise<Ran> {
  const { port, user, folder, knownHosts, password } = server;
  const [, , key] = (await Deno.readTextFile(knownHosts)).trim().split(" ");
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.fromBase64(key!));
  const print = new Uint8Array(digest).toBase64().replace(/=+$/, "");
  const flags = ["-batch", "-noagent", "-P", `${port}`, "-l", user, "-hostkey", `SHA256:${print}`];
  await folder.write("password", `${password}\n`);
  flags.push("-pwfile", folder.join("password"));
  return await run(program, [...flags, ...args], { env: { HOME: folder.path }, cwd: folder.path });
}

async function psftpDoesAll(server: PuttyServer): Promise<void> {
  const { folder, root } = server;
  await folder.write("local", DATA);
  await Deno.mkdir(folder.join("tree/deep er"), { recursive: true });
  for (let i = 0; i < 20; i++) await folder.write(`tree/deep er/${i}`, noise(i * 1000, i));
  const psftp = async (...lines: string[]) => {
    const batch = await folder.write("batch", lines.map((line) => `${line}\n`).join(""));
    return await putty(server, "psftp", "-b", batch, server.hostname);
  };
  const ran = await psftp(
    `cd ${root}`,
    "pwd",
    "mkdir folder",
    "put local folder/there",
    'put local "with space"',
    "mv folder/there folder/moved",
    "get folder/moved back",
    'put -r tree "tree there"',
    'get -r "tree there" copy',
    "chmod 640 folder/moved",
    "ls folder",
    'del "with space"',
    "mput tree/deep*/1*",
    "rm 1*",
    "lcd tree",
    "!pwd",
  );
  assertEquals(ran.code, 0, ran.text + ran.stderr);
  assertStringIncludes(ran.text, `Remote directory is ${root}`);
  assertStringIncludes(ran.text, "-rw-r-----");
  assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
  assertEquals(await tree(folder.join("copy")), await tree(folder.join("tree")));
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), [
    "folder",
    "tree there",
  ]);

  // An interrupted transfer is resumed.
  await Deno.truncate(`${root}/folder/moved`, 1_000_000);
  await Deno.truncate(folder.join("back"), 700_000);
  const again = await psftp(
    `cd ${root}/folder`,
    "reput local moved",
    "reget moved back",
    "rmdir ../none",
  );
  assert(again.code !== 0);
  assertStringIncludes(again.text, "rmdir ");
  assert(same(await Deno.readFile(`${root}/folder/moved`), DATA), "reput differs");
  assert(same(await Deno.readFile(folder.join("back")), DATA), "reget differs");
}

async function pscpCopies(server: PuttyServer): Promise<void> {
  const { folder, root } = server;
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  await folder.write("tree/deep/file", DATA);
  for (const protocol of ["sftp", "scp"]) {
    const [there, back] = [`${root}/${protocol}`, folder.join(`back-${protocol}`)];
    for (const path of [there, back]) {
      await Deno.mkdir(path);
      await Deno.chmod(path, 0o777); // the server may run as another user
    }
    for (const [from, to] of [["tree", `server:${there}`], [`server:${there}/tree`, back]]) {
      const paths = [from!, to!].map((path) => path.replace("server", server.hostname));
      const ran = await putty(server, "pscp", `-${protocol}`, "-q", "-p", "-r", ...paths);
      assertEquals(ran.code, 0, ran.stderr);
    }
    for (const place of [there, back]) {
      assertEquals(await tree(`${place}/tree`), await tree(folder.join("tree")));
    }
  }
  const listed = await putty(server, "pscp", "-ls", `${server.hostname}:${root}/sftp/tree/deep`);
  assertStringIncludes(listed.text, "2500001");
}

await peerTest(
  ["psftp"],
  "all commands of psftp work with our server",
  () => atOurs(psftpDoesAll),
  () => controlOf("psftp", "all that it can", psftpDoesAll),
);

await peerTest(
  ["pscp"],
  "pscp copies with our server by both protocols",
  () => atOurs(pscpCopies),
  () => controlOf("pscp", "copies by both protocols", pscpCopies),
);
