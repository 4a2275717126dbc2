import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { equals } from "@std/bytes";
import { encodeHex } from "../../../lib/encoding.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { noise } from "../../support/random.ts";
import { tempFolder } from "../../support/temp.ts";
import { names, tree } from "../../support/tree.ts";
import { cli, clientArgs, cliSftp, sftpHere } from "../world.ts";

const LARGE = encodeHex(noise(65536)).repeat(24);

/** A server and one of its folders, by the path on the server and the local path. */
export interface ServedFolder {
  readonly server: Endpoint;
  readonly remote: string;
  readonly local: string;
}

/** Cases of our `sftp` with any server. */
export async function carriesFiles(t: Deno.TestContext, world: ServedFolder): Promise<void> {
  await using folder = await tempFolder();
  const { server, remote, local } = world;
  const here = folder.path;
  const sftp = (...lines: string[]) => cliSftp(server, [`cd "${remote}"`, ...lines], { cwd: here });
  const sftpOfRemote = (...lines: string[]) => sftpHere(server, [`cd "${remote}"`, ...lines]);
  await Deno.mkdir(`${here}/tree/sub`, { recursive: true });
  await folder.write("large", LARGE);
  await folder.write("tree/a b.txt", "a");
  await folder.write("tree/star*.txt", "star");
  await folder.write("tree/starry.txt", "starry");
  await folder.write("tree/sub/deep", "deep");

  await t.step("put and get carry a file, names with spaces too", async () => {
    const ran = await sftp("put large", 'put large "with space"', 'get "with space" back');
    assertEquals(ran.code, 0, ran.stderr);
    assert(await Deno.readTextFile(`${local}/large`) === LARGE, "put differs");
    assert(await Deno.readTextFile(`${here}/back`) === LARGE, "get differs");
  });

  await t.step(
    "a large new file gets its name once it is complete, and an existing one is replaced in place",
    async () => {
      const data = noise(17 * 1024 * 1024);
      await folder.write("huge", data);
      const flags = ["-v", "-X", "channels=3"];
      const lines = [`cd "${remote}"`, "put huge", "put huge again"];
      const spread = await cliSftp(server, lines, { cwd: here, flags });
      assertStringIncludes(spread.stderr, "Spreading over 3 channels: as asked for");
      const before = await Deno.stat(`${local}/huge`);
      const ran = await cliSftp(server, [`cd "${remote}"`, "put huge"], {
        cwd: here,
        flags: ["-v"],
      });
      assertStringIncludes(ran.stderr, "One channel: the file is written in place");
      assertEquals((await Deno.stat(`${local}/huge`)).ino, before.ino);
      await sftp("put huge new");
      for (const name of ["huge", "again", "new"]) {
        assert(equals(await Deno.readFile(`${local}/${name}`), data), name);
        await Deno.remove(`${local}/${name}`);
      }
      const left = [...Deno.readDirSync(local)].filter(({ name }) => name.endsWith(".part"));
      assertEquals(left, []);
    },
  );

  await t.step("a batch is quiet, unless -N is given", async () => {
    const lines = [`cd "${remote}"`, "put large", "get large back"];
    const ran = await cliSftp(server, lines, { cwd: here, flags: ["-N"] });
    const base = remote === "/" ? "" : remote;
    assertStringIncludes(ran.text, `Uploading large to ${base}/large\n`);
    assertStringIncludes(ran.text, `Fetching ${base}/large to back\n`);
    const quiet = await sftp("put large", "@put large");
    assertEquals([quiet.text, quiet.code], [`sftp> cd "${remote}"\nsftp> put large\n`, 0]);
  });

  await t.step("-r carries folders both ways", async () => {
    const ran = await sftp("put -r tree", "get -r tree tree-back");
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(await tree(`${here}/tree-back`), await tree(`${here}/tree`));
  });

  await t.step("without -r a folder is an error", async () => {
    assertStringIncludes((await sftp("put tree")).stderr, 'Cannot upload "tree"');
    assertMatch((await sftp("get tree")).stderr, /Cannot download ".*tree"/);
  });

  await t.step("-p keeps times and modes", async () => {
    await Deno.chmod(`${here}/large`, 0o640);
    await Deno.utime(`${here}/large`, 1_000_000_000, 1_000_000_000);
    const ran = await sftp("put -p large kept", "get -p kept kept-back");
    assertEquals(ran.code, 0, ran.stderr);
    for (const path of [`${local}/kept`, `${here}/kept-back`]) {
      const { mode, mtime } = await Deno.stat(path);
      assertEquals([mode! & 0o777, mtime?.getTime()], [0o640, 1_000_000_000_000]);
    }
  });

  await t.step("globs match many files, quoted ones only themselves", async () => {
    await Deno.mkdir(`${here}/many`);
    assertEquals((await sftp("get tree/*.txt many")).code, 0);
    assertEquals(names(`${here}/many`), ["a b.txt", "star*.txt", "starry.txt"]);
    await Deno.mkdir(`${here}/one`);
    assertEquals((await sftp('get tree/star"*".txt one')).code, 0);
    assertEquals(names(`${here}/one`), ["star*.txt"]);
    const ran = await sftp("mkdir puts", "put tree/s* puts", "put -r tree/s* puts");
    assertStringIncludes(ran.stderr, 'Cannot upload "tree/sub"');
    const wrong = await sftp("get tree/*.txt large");
    assertStringIncludes(wrong.stderr, 'destination "large" is not a directory');
  });

  await t.step("ls shows names, everything, and hidden ones", async () => {
    await Deno.writeTextFile(`${local}/tree/.hidden`, "");
    assertMatch(
      (await sftpOfRemote("ls tree")).text,
      /\ntree\/a b\.txt +tree\/star\*\.txt +tree\/starry\.txt +tree\/sub\n/,
    );
    const single = "\na b.txt\nstar*.txt\nstarry.txt\nsub\n";
    assertStringIncludes((await sftpOfRemote("cd tree", "ls -1")).text, single);
    const reversed = "\nsub\nstarry.txt\nstar*.txt\na b.txt\n";
    assertStringIncludes((await sftpOfRemote("cd tree", "ls -1r")).text, reversed);
    assertStringIncludes((await sftpOfRemote("cd tree", "ls -1a")).text, "\n.\n..\n.hidden\n");
    const bySize = (await sftpOfRemote("cd tree", "ls -1S s*.txt")).text;
    assertStringIncludes(bySize, "\nstarry.txt\nstar*.txt\n");
    const long = (await sftpOfRemote("ls -l tree")).text;
    assertMatch(long, /\n-rw------- .* 6 \w{3} +\d+ +[\d:]+ tree\/starry\.txt\n/);
    assertMatch(long, /\ndrwxr-xr-x .* tree\/sub\n/);
    assertStringIncludes(
      (await sftpOfRemote("cd tree", "ls -1 star*")).text,
      "\nstar*.txt\nstarry.txt\n",
    );
  });

  await t.step("rename, chmod, ln, symlink, mkdir, rmdir and rm work", async () => {
    await Deno.writeTextFile(`${local}/one`, "1");
    const ran = await sftpOfRemote(
      "rename one two",
      "chmod 604 two",
      "ln two three",
      "ln -s two four",
      "symlink two five",
      "mkdir empty",
      "rmdir empty",
      "rm t*o",
    );
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals((await Deno.stat(`${local}/three`)).mode! & 0o777, 0o604);
    assertEquals(await Deno.readLink(`${local}/four`), "two");
    assertEquals(await Deno.readLink(`${local}/five`), "two");
    const left = names(local);
    assertEquals(["one", "two", "empty"].filter((name) => left.includes(name)), []);
  });

  await t.step("cp, chgrp, chown, df, lumask and progress work", async () => {
    await Deno.writeTextFile(`${local}/owned`, "owned");
    const ran = await sftp(
      "cp owned copied",
      `chgrp ${Deno.gid()} owned`,
      `chown ${Deno.uid()} owned`,
      "symlink owned alias",
      `chown -h ${Deno.uid()} alias`,
      "df",
      "df -h",
      "df -i",
      "lumask 077",
      "get owned private",
      "progress",
      "rename -l owned moved",
    );
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(await Deno.readTextFile(`${local}/copied`), "owned");
    assertMatch(ran.text, /\n {8}Size {9}Used.*\n( +\d+){4} +\d+%\n/);
    assertMatch(ran.text, /\n {5}Inodes {8}Used.*\n( +\d+){4} +(\d+%|ERR)\n/);
    assertStringIncludes(ran.text, "\nLocal umask: 077\n");
    assertStringIncludes(ran.text, "\nProgress meter enabled\n");
    assertEquals((await Deno.stat(`${here}/private`)).mode! & 0o77, 0);
    const taken = await sftpOfRemote("rename -l moved copied");
    assertEquals(taken.code, 1);
    assertEquals(await Deno.readTextFile(`${local}/moved`), "owned");
  });

  await t.step("the readable ones of several files are copied", async () => {
    await Deno.mkdir(`${local}/several/folder`, { recursive: true });
    await Deno.writeTextFile(`${local}/several/a`, "a");
    await Deno.writeTextFile(`${local}/several/z`, "z");
    const ran = await sftp("get several/*");
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.stderr, "not a regular file");
    assertEquals(
      await Deno.readTextFile(`${here}/a`) + await Deno.readTextFile(`${here}/z`),
      "az",
    );
  });

  await t.step("lcd, lpwd, lmkdir and ! work on this machine", async () => {
    const ran = await sftp(
      "lmkdir made",
      "lcd made",
      "lpwd",
      "!echo hi > file",
      "!exit 3",
    );
    assertStringIncludes(
      ran.text,
      `Local working directory: ${await Deno.realPath(here)}/made\n`,
    );
    assertEquals(names(`${here}/made`), ["file"]);
    assertEquals([ran.code, ran.stderr], [1, "Local command failed with exit code 3\n"]);
  });

  await t.step("pwd, version and help print their texts", async () => {
    const { text } = await sftpOfRemote("pwd", "version", "help");
    assertStringIncludes(text, `Remote working directory: ${remote}\n`);
    assertStringIncludes(text, "SFTP protocol version 3\n");
    assertStringIncludes(text, "get [-afpR] remote [local]");
  });

  await t.step("a path after the host is a file to fetch, or the folder to start in", async () => {
    const path = remote === "/" ? "" : remote;
    const args = clientArgs("sftp", server, []);
    const file = await cli([...args.slice(0, -1), `${args.at(-1)}:${path}/three`], { cwd: here });
    assertEquals(file.code, 0, file.stderr);
    assertEquals(await Deno.readTextFile(`${here}/three`), "1");
    const inside = await cli([...args.slice(0, -1), `${args.at(-1)}:${path}/tree`], {
      cwd: here,
      stdin: "pwd\n",
    });
    assertStringIncludes(inside.text, `Remote working directory: ${path}/tree\n`);
  });
}
