/**
 * rclone with our server: it lists, compares and moves whole trees, and computes hashes through a
 * shell.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { localFiles, type SessionHandler, systemShell } from "@denossh/ssh/server";
import { noise, sha256, startOurs } from "../harness/ours.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { tree } from "../../support/tree.ts";
import { control } from "../harness/control.ts";
import { findPeer, peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { must, type Ran, run } from "../../support/run.ts";

const NAMES = [
  "plain",
  "with space",
  " - ünï çødé 語 🦕",
  'it\'s "quoted"',
  "a'b;c",
  "#x %41 [1] {2}",
];

/** Runs rclone with the server as its remote `ours:`. */
function rclone(server: Endpoint & { folder: TempFolder }, ...args: string[]): Promise<Ran> {
  const remote = (
    name: string,
    value: string | number,
  ) => [`RCLONE_CONFIG_OURS_${name}`, `${value}`];
  return run("rclone", ["--retries", "1", "--low-level-retries", "2", ...args], {
    env: {
      RCLONE_CONFIG: server.folder.join("rclone.conf"),
      ...Object.fromEntries([
        remote("TYPE", "sftp"),
        remote("HOST", server.hostname),
        remote("PORT", server.port),
        remote("USER", server.user),
        remote("KEY_FILE", server.identity!),
        remote("KNOWN_HOSTS_FILE", server.knownHosts!),
      ]),
    },
  });
}

async function done(server: Endpoint & { folder: TempFolder }, ...args: string[]): Promise<string> {
  const { code, text, stderr } = await rclone(server, ...args);
  assertEquals(code, 0, `rclone ${args.join(" ")}: ${stderr}`);
  return text;
}

/** rclone moves a tree to OpenSSH's server, compares it and removes it. */
async function rcloneControl(): Promise<string | null> {
  if (await findPeer("sshd") === null) return null;
  return await control("rclone", "copies, compares and removes a tree", async () => {
    await using server = await startSshd({ hostKeys: ["ed25519"] });
    await using folder = await tempFolder();
    await Deno.mkdir(folder.join("here"));
    for (const name of NAMES) await folder.write(`here/${name}`, name);
    const there = `ours:${folder.join("there")}`;
    const place = { ...server, folder };
    await done(place, "copy", folder.join("here"), there);
    assertEquals(await tree(folder.join("there")), await tree(folder.join("here")));
    await done(place, "check", "--download", folder.join("here"), there);
    await done(place, "hashsum", "md5", there);
    await done(place, "purge", there);
  });
}

/** A server of files that runs no commands. */
const refuses: SessionHandler = () => 127;

await peerTest(["rclone"], "all file commands of rclone work with our server", async (t) => {
  await using server = await startOurs({}, undefined, refuses);
  const { folder, root } = server;
  const here = folder.join("here");
  await Deno.mkdir(`${here}/deep/er`, { recursive: true });
  for (const [i, name] of NAMES.entries()) {
    await Deno.writeFile(`${here}/${name}`, noise(10_000 * i, i + 1));
    await Deno.writeTextFile(`${here}/deep/er/${name}`, name);
  }
  const same = async () => (await must("diff", ["-r", here, `${root}/there`])).text === "";

  await t.step("copy, and a second time without work", async () => {
    await done(server, "copy", here, "ours:there");
    assert(await same());
    await Deno.utime(`${here}/plain`, 1e9, 1e9);
    await done(server, "copy", here, "ours:there");
    assertEquals((await Deno.stat(`${root}/there/plain`)).mtime, new Date(1e12));
    const again = await rclone(server, "copy", "-v", here, "ours:there");
    assertStringIncludes(again.stderr, "There was nothing to transfer");
  });
  await t.step("check, by size and by content", async () => {
    await done(server, "check", here, "ours:there");
    await done(server, "check", "--download", here, "ours:there");
    await Deno.writeTextFile(`${root}/there/deep/er/plain`, "PLAIN");
    assertEquals((await rclone(server, "check", "--download", here, "ours:there")).code, 1);
  });
  await t.step("sync removes and replaces", async () => {
    await Deno.writeTextFile(`${root}/there/extra`, "x");
    // The size is equal, and in whole seconds the time may be, too.
    await Deno.utime(`${root}/there/deep/er/plain`, 1e9, 1e9);
    await done(server, "sync", here, "ours:there");
    assert(await same());
  });
  await t.step("lsf, lsl, size and about", async () => {
    const listed = (await done(server, "lsf", "ours:there")).trimEnd().split("\n").sort();
    assertEquals(listed, ["deep/", ...NAMES].sort());
    assertStringIncludes(await done(server, "lsl", "ours:there"), "2001-09-09");
    assertStringIncludes(
      await done(server, "size", "ours:there"),
      `Total objects: ${2 * NAMES.length}`,
    );
    assertStringIncludes(await done(server, "about", "ours:"), "Free:");
  });
  await t.step("moveto, copyto, cat and rcat", async () => {
    await done(server, "moveto", "ours:there/plain", "ours:moved here/new name");
    assertEquals(await Deno.stat(`${root}/there/plain`).catch(() => null), null);
    await done(server, "copyto", "ours:moved here/new name", folder.join("back"));
    assertEquals((await Deno.readFile(folder.join("back"))).length, 0);
    assertEquals(await done(server, "cat", `ours:there/deep/er/${NAMES[2]}`), NAMES[2]!);
    await done(server, "move", "ours:there/deep", "ours:shallow");
    assertEquals([...Deno.readDirSync(`${root}/shallow/er`)].length, NAMES.length);
  });
  await t.step("mkdir, rmdir, deletefile, delete, rmdirs and purge", async () => {
    await done(server, "mkdir", "ours:a/b/c");
    await done(server, "rmdir", "ours:a/b/c");
    await done(server, "deletefile", "ours:moved here/new name");
    await done(server, "delete", "ours:shallow");
    await done(server, "rmdirs", "ours:");
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["there"]);
    await done(server, "purge", "ours:there");
    assertEquals([...Deno.readDirSync(root)], []);
    assertEquals((await rclone(server, "rmdir", "ours:none")).code, 3);
  });
  await t.step("a file of 64 MiB is copied in both directions", async () => {
    const data = noise(64 * 1024 * 1024);
    await folder.write("large", data);
    await done(server, "copyto", folder.join("large"), "ours:large");
    await done(server, "copyto", "ours:large", folder.join("large back"));
    const right = await sha256(data);
    assertEquals(await sha256(await Deno.readFile(`${root}/large`)), right);
    assertEquals(await sha256(await Deno.readFile(folder.join("large back"))), right);
  });
}, rcloneControl);

await peerTest(
  ["rclone"],
  "rclone gets hashes from our server's shell, if there is one",
  async () => {
    await using server = await startOurs(
      { sftp: localFiles({ root: "/" }) },
      undefined,
      systemShell(),
    );
    const { folder } = server;
    await Deno.mkdir(folder.join("here"));
    for (const name of NAMES) await folder.write(`here/${name}`, name);
    const there = `ours:${folder.join("there")}`;
    await done(server, "sync", folder.join("here"), there);
    await done(server, "check", folder.join("here"), there);
    for (const kind of ["md5", "sha1"]) {
      const hashes = (text: string) => text.trimEnd().split("\n").sort();
      assertEquals(
        hashes(await done(server, "hashsum", kind, there)),
        hashes(await done(server, "hashsum", kind, folder.join("here"))),
      );
    }
  },
  rcloneControl,
);
