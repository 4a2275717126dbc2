/** PuTTY's psftp and pscp at our server; WinSCP stands on the same SSH, and has its own way with files. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import * as msg from "../../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../../lib/sftp/protocol/numbers.ts";
import { atOurServer, type RawMessage } from "../../sftp/raw.ts";
import { noise, type OurServer, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { must, type Ran, run } from "../../support/run.ts";
import { same } from "../sftp/everything.ts";
import { tempFolder } from "../../support/temp.ts";

const DATA = noise(2_500_001);

/** A server that shows all files and lets a password in, as PuTTY reads no key of OpenSSH's. */
function start(): Promise<OurServer> {
  return startOurs({
    sftp: localFiles({ root: "/" }),
    auth: { password: (_user, password) => password === "secret" },
  });
}

/** Runs one of PuTTY's programs, cut off from the settings of who runs the tests. */
async function putty(server: OurServer, program: string, ...args: string[]): Promise<Ran> {
  const { port, user, folder, knownHosts } = server;
  const [, , key] = (await Deno.readTextFile(knownHosts)).trim().split(" ");
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.fromBase64(key!));
  const print = new Uint8Array(digest).toBase64().replace(/=+$/, "");
  const flags = ["-batch", "-noagent", "-P", `${port}`, "-l", user, "-hostkey", `SHA256:${print}`];
  await folder.write("password", "secret\n");
  flags.push("-pwfile", folder.join("password"));
  return await run(program, [...flags, ...args], { env: { HOME: folder.path }, cwd: folder.path });
}

await peerTest(["psftp"], "psftp does with our server all that it can", async () => {
  await using server = await start();
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
  assertEquals((await must("diff", ["-r", folder.join("tree"), folder.join("copy")])).text, "");
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), [
    "folder",
    "tree there",
  ]);

  // A transfer that broke off goes on.
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
});

await peerTest(["pscp"], "pscp copies with our server by both protocols", async () => {
  await using server = await start();
  const { folder, root } = server;
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  await folder.write("tree/deep/file", DATA);
  for (const protocol of ["sftp", "scp"]) {
    const [there, back] = [`${root}/${protocol}`, folder.join(`back-${protocol}`)];
    for (const path of [there, back]) await Deno.mkdir(path);
    for (const [from, to] of [["tree", `server:${there}`], [`server:${there}/tree`, back]]) {
      const paths = [from!, to!].map((path) => path.replace("server", server.hostname));
      const ran = await putty(server, "pscp", `-${protocol}`, "-q", "-p", "-r", ...paths);
      assertEquals(ran.code, 0, ran.stderr);
    }
    for (const place of [there, back]) {
      assertEquals((await must("diff", ["-r", folder.join("tree"), `${place}/tree`])).text, "");
    }
  }
  const listed = await putty(server, "pscp", "-ls", `${server.hostname}:${root}/sftp/tree/deep`);
  assertStringIncludes(listed.text, "2500001");
});

Deno.test("a session as WinSCP has it comes to its end", async () => {
  await using folder = await tempFolder();
  const backend = localFiles({ root: folder.path });
  const { peer, served } = await atOurServer(backend, { greet: false }, { linkFirst: true });
  let id = 0;
  /** Sends requests in one go; their answers. */
  const ask = async (...requests: ((id: number) => Uint8Array)[]): Promise<RawMessage[]> => {
    const first = id;
    await peer.send(...requests.map((request) => request(id++)));
    const answers: RawMessage[] = [];
    for (let i = 0; i < requests.length; i++) {
      const answer = (await peer.next())!;
      assertEquals(answer.id, first + i);
      answers.push(answer);
    }
    return answers;
  };
  const done = async (...requests: ((id: number) => Uint8Array)[]) => {
    for (const { type, body } of await ask(...requests)) {
      assertEquals([type, msg.Status.decode(body).status], [FXP.STATUS, 0]);
    }
  };
  const one = async (request: (id: number) => Uint8Array) => (await ask(request))[0]!;
  const path = (name: string) => ({ path: `/${name}` });

  // It offers version 6, takes what it gets, and asks where it is.
  await peer.send(msg.encodeVersion(FXP.INIT, 6));
  const { type, id: version } = (await peer.next())!;
  assertEquals([type, version], [FXP.VERSION, 3]);
  const home = await one((id) => msg.Realpath.encode(id, { path: "." }));
  assertEquals(msg.Name.decode(home.body).entries[0]!.name, "/");
  assertEquals((await one((id) => msg.Lstat.encode(id, path("new")))).type, FXP.STATUS);

  // A file goes to another name first, in requests that wait for no answer.
  const flags = FXF.WRITE | FXF.CREAT | FXF.TRUNC;
  const open = (flags: number) => async () =>
    msg.Handle.decode(
      (await one((id) => msg.Open.encode(id, { ...path("new.filepart"), flags, attributes: {} })))
        .body,
    ).handle;
  const write = (handle: Uint8Array, from: number, to: number) => {
    const requests: ((id: number) => Uint8Array)[] = [];
    for (let at = from; at < to; at += 32_000) {
      const data = DATA.subarray(at, Math.min(at + 32_000, to));
      requests.push((id) => msg.Write.encode(id, { handle, offset: at, data }));
    }
    return requests;
  };
  const begun = await open(flags)();
  await done(...write(begun, 0, 1_000_000), (id) => msg.Close.encode(id, { handle: begun }));

  // It goes on with what is there, whether it opens to append or not.
  const rest = await open(FXF.WRITE)();
  await done(...write(rest, 1_000_000, 2_000_000), (id) => msg.Close.encode(id, { handle: rest }));
  const last = await open(FXF.WRITE | FXF.APPEND)();
  await done(
    ...write(last, 2_000_000, DATA.length),
    (id) => msg.Close.encode(id, { handle: last }),
  );

  // What had the name before goes, the file gets it, and then its time and mode.
  await Deno.writeTextFile(folder.join("new"), "old");
  const attributes = { mode: 0o640, atime: 1_000_000_000, mtime: 1_000_000_000 };
  await done(
    (id) => msg.Remove.encode(id, path("new")),
    (id) => msg.Rename.encode(id, { from: "/new.filepart", to: "/new" }),
    (id) => msg.Setstat.encode(id, { ...path("new"), attributes }),
    (id) => msg.LinkFirst.encode(id, { link: "/link", target: "new" }),
  );
  assert(same(await Deno.readFile(folder.join("new")), DATA));
  const { mode, mtime } = await Deno.stat(folder.join("new"));
  assertEquals([mode! & 0o777, mtime], [0o640, new Date(1e12)]);

  // A listing, and where each link leads.
  const folderHandle = msg.Handle.decode(
    (await one((id) => msg.Opendir.encode(id, path("")))).body,
  ).handle;
  const listed = await one((id) => msg.Readdir.encode(id, { handle: folderHandle }));
  const names = msg.Name.decode(listed.body).entries.map(({ name }) => name).sort();
  assertEquals(names, [".", "..", "link", "new"]);
  const target = await one((id) => msg.Readlink.encode(id, path("link")));
  assertEquals(msg.Name.decode(target.body).entries[0]!.name, "new");
  await done((id) => msg.Close.encode(id, { handle: folderHandle }));
  // What it knows of other servers is refused, and harms nothing.
  for (const request of ["check-file", "space-available", "copy-file", "vendor-id"]) {
    const { body } = await one((id) =>
      msg.Extended.encode(id, { request, data: new Uint8Array([0, 0, 0, 1, 47]) })
    );
    assertEquals(msg.Status.decode(body).status, 8);
  }
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});
