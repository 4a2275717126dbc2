import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError, SftpStatus } from "../../../lib/sftp/mod.ts";
import { ClientCases, noise, refusal, same } from "../world.ts";
import { plainMessage } from "../../../lib/error_messages.ts";

export const cases: ClientCases = new ClientCases();

cases.add("writeFile and readFile copy bytes in both directions", async ({ sftp, at, root }) => {
  for (const length of [0, 1, 261_119, 261_120, 261_121, 1_044_480, 3_000_000]) {
    const data = noise(length, length);
    await sftp.writeFile(at("file"), data);
    assert(same(await Deno.readFile(`${root}/file`), data), `${length} bytes there`);
    assert(same(await sftp.readFile(at("file")), data), `${length} bytes back`);
  }
});

cases.add("writeTextFile appends, creates and refuses by its options", async ({ sftp, at }) => {
  const path = at("text");
  assertEquals(
    await refusal(sftp.writeTextFile(path, "x", { create: false })),
    SftpStatus.NO_SUCH_FILE,
  );
  await sftp.writeTextFile(path, "one, ", { createNew: true, mode: 0o600 });
  assertEquals(await refusal(sftp.writeTextFile(path, "x", { createNew: true })), 4);
  await sftp.writeTextFile(path, "two", { append: true });
  assertEquals(await sftp.readTextFile(path), "one, two");
  assertEquals((await sftp.stat(path)).mode! & 0o777, 0o600);
  await sftp.writeTextFile(path, "3");
  assertEquals(await sftp.readTextFile(path), "3");
});

cases.add("an open file reads, writes and seeks at its position", async ({ sftp, at }) => {
  await using file = await sftp.open(at("file"), { read: true, write: true, create: true });
  assertEquals(await file.write(new TextEncoder().encode("hello world")), 11);
  assertEquals(await file.seek(6), 6);
  const into = new Uint8Array(3);
  assertEquals(await file.read(into), 3);
  assertEquals(new TextDecoder().decode(into), "wor");
  assertEquals(await file.seek(-1, Deno.SeekMode.Current), 8);
  assertEquals(await file.seek(-2, Deno.SeekMode.End), 9);
  assertEquals(await file.read(into), 2);
  assertEquals(await file.read(into), null);
  assertEquals(await file.read(new Uint8Array(0)), 0);
  await assertRejects(() => file.seek(-1), RangeError);
  await file.truncate(5);
  assertEquals((await file.stat()).size, 5);
  await file.setStat({ atime: new Date(1e12), mtime: new Date(1.1e12), mode: 0o640 });
  const info = await file.stat();
  assertEquals(info.mtime, new Date(1.1e12));
  assertEquals(info.mode! & 0o777, 0o640);
  await file.sync();
});

cases.add("streams of an open file copy all of it, and close it", async ({ sftp, at }) => {
  const data = noise(5_000_000);
  const output = await sftp.open(at("file"), { write: true, create: true });
  await ReadableStream.from([data.subarray(0, 7), data.subarray(7)]).pipeTo(output.writable);
  const input = await sftp.open(at("file"));
  await input.seek(3);
  const back = new Uint8Array(await new Response(input.readable).arrayBuffer());
  assert(same(back, data.subarray(3)));
  assertEquals(await refusal(input.stat()), SftpStatus.FAILURE);
});

cases.add("stat follows a symbolic link, lstat does not", async ({ sftp, at }) => {
  await sftp.writeTextFile(at("file"), "12345");
  await sftp.symlink("file", at("link"));
  assertEquals(await sftp.readLink(at("link")), "file");
  const [followed, itself] = [await sftp.stat(at("link")), await sftp.lstat(at("link"))];
  assertEquals([followed.isFile, followed.isSymlink, followed.size], [true, false, 5]);
  assertEquals([itself.isFile, itself.isSymlink], [false, true]);
  assertEquals(await sftp.realPath(at("link")), at("file"));
});

cases.add("chmod, utime and truncate change the file", async ({ sftp, at }) => {
  await sftp.writeTextFile(at("file"), "12345");
  await sftp.chmod(at("file"), 0o751);
  await sftp.utime(at("file"), new Date(1_000_000_000_000), new Date(1_200_000_000_000));
  await sftp.truncate(at("file"), 3);
  await sftp.utime(at("file"), new Date(1_000_000_000_000), new Date(1_200_000_000_000));
  const info = await sftp.stat(at("file"));
  assertEquals(info.mode! & 0o777, 0o751);
  assertEquals(info.atime, new Date(1_000_000_000_000));
  assertEquals(info.mtime, new Date(1_200_000_000_000));
  assertEquals(await sftp.readTextFile(at("file")), "123");
  assertEquals([typeof info.uid, typeof info.gid], ["number", "number"]);
  await sftp.chown(at("file"), info.uid!, info.gid!);
});

cases.add("readDir lists everything once, without . and ..", async ({ sftp, at }) => {
  await sftp.mkdir(at("many"));
  assertEquals(await Array.fromAsync(sftp.readDir(at("many"))), []);
  const names = Array.from({ length: 300 }, (_, index) => `file ${index} ünïcode`);
  for (const name of names) await sftp.writeTextFile(at(`many/${name}`), name);
  await sftp.mkdir(at("many/folder"));
  await sftp.symlink("folder", at("many/link"));
  const entries = await Array.fromAsync(sftp.readDir(at("many")));
  const kinds = new Map(entries.map((entry) => [entry.name, entry]));
  assertEquals(kinds.size, entries.length);
  assertEquals([...kinds.keys()].sort(), [...names, "folder", "link"].sort());
  assert(kinds.get("folder")?.isDirectory && kinds.get("link")?.isSymlink);
  assertEquals(kinds.get("file 7 ünïcode")?.info.size, 16);
  for await (const _ of sftp.readDir(at("many"))) break;
  assertEquals(await refusal(Array.fromAsync(sftp.readDir(at("none")))), 2);
});

cases.add("mkdir makes one directory, or all missing ones of a path", async ({ sftp, at }) => {
  assertEquals(await refusal(sftp.mkdir(at("a/b/c"))), SftpStatus.NO_SUCH_FILE);
  await sftp.mkdir(at("a/b/c"), { recursive: true, mode: 0o700 });
  assertEquals((await sftp.stat(at("a/b/c"))).mode! & 0o777, 0o700);
  await sftp.mkdir(at("a/b/c/"), { recursive: true });
  assertEquals(await refusal(sftp.mkdir(at("a"))), SftpStatus.FAILURE);
  await sftp.writeTextFile(at("file"), "");
  assertEquals(await refusal(sftp.mkdir(at("file"), { recursive: true })), SftpStatus.FAILURE);
});

cases.add("ensureDir makes missing folders, exists checks for a name", async ({ sftp, at }) => {
  await sftp.ensureDir(at("a/b"));
  await sftp.ensureDir(at("a/b"));
  await sftp.writeTextFile(at("file"), "");
  await sftp.symlink("nowhere", at("link"));
  assertEquals(await refusal(sftp.ensureDir(at("file"))), SftpStatus.FAILURE);
  const told = async (path: string) => [
    await sftp.exists(at(path)),
    await sftp.exists(at(path), { isFile: true }),
    await sftp.exists(at(path), { isDirectory: true }),
  ];
  assertEquals(await told("a/b"), [true, false, true]);
  assertEquals(await told("file"), [true, true, false]);
  assertEquals(await told("link"), [false, false, false]);
  assertEquals(await told("a/c"), [false, false, false]);
});

cases.add("makeTempDir makes a new private folder", async ({ sftp, at, root }) => {
  const options = { dir: at("."), prefix: "work-", suffix: ".tmp" };
  const made = [await sftp.makeTempDir(options), await sftp.makeTempDir(options)];
  const names = made.map((path) => path.slice(path.lastIndexOf("/") + 1));
  for (const [i, name] of names.entries()) {
    assert(made[i]!.startsWith("/") && /^work-[0-9a-f]{32}\.tmp$/.test(name), made[i]);
    assertEquals((await Deno.stat(`${root}/${name}`)).mode! & 0o777, 0o700);
  }
  assert(names[0] !== names[1]);
  assertEquals(await refusal(sftp.makeTempDir({ dir: at("none") })), SftpStatus.NO_SUCH_FILE);
});

cases.add("remove deletes a tree only with recursive, and does not follow links", async (world) => {
  const { sftp, at, root } = world;
  await sftp.mkdir(at("tree/deep"), { recursive: true });
  await sftp.mkdir(at("kept"));
  await sftp.writeTextFile(at("kept/file"), "kept");
  await sftp.writeTextFile(at("tree/deep/file"), "");
  await sftp.symlink(at("kept"), at("tree/link"));
  assertEquals(await refusal(sftp.remove(at("tree"))), SftpStatus.FAILURE);
  await sftp.remove(at("tree"), { recursive: true });
  assertEquals(await refusal(sftp.stat(at("tree"))), SftpStatus.NO_SUCH_FILE);
  assertEquals(await Deno.readTextFile(`${root}/kept/file`), "kept");
  assertEquals(await refusal(sftp.remove(at("tree"))), SftpStatus.NO_SUCH_FILE);
});

cases.add("rename replaces by default", async ({ sftp, at }) => {
  await sftp.writeTextFile(at("a"), "a");
  await sftp.writeTextFile(at("b"), "b");
  assertEquals(await refusal(sftp.rename(at("a"), at("b"), { overwrite: false })), 4);
  assertEquals(await sftp.readTextFile(at("b")), "b");
  await sftp.rename(at("a"), at("b"));
  assertEquals(await sftp.readTextFile(at("b")), "a");
  await sftp.rename(at("b"), at("c"), { overwrite: false });
  assertEquals(await refusal(sftp.rename(at("b"), at("d"))), SftpStatus.NO_SUCH_FILE);
});

cases.add("link gives a file a second name", async ({ sftp, at }) => {
  await sftp.writeTextFile(at("a"), "content");
  await sftp.link(at("a"), at("b"));
  await sftp.writeTextFile(at("a"), " and more", { append: true });
  assertEquals(await sftp.readTextFile(at("b")), "content and more");
  assertEquals(await refusal(sftp.link(at("a"), at("b"))), SftpStatus.FAILURE);
});

cases.add("errors name the operation, the path and the reason", async ({ sftp, at }) => {
  const error = await assertRejects(() => sftp.open(at("missing")), SftpError);
  assertEquals(error.operation, "open");
  assertEquals(error.path, at("missing"));
  assertEquals(error.status, SftpStatus.NO_SUCH_FILE);
  assertEquals(plainMessage(error), `Cannot open "${at("missing")}" on the server: No such file`);
});

cases.add("parallel requests get the matching answers", async ({ sftp, at }) => {
  const names = Array.from({ length: 100 }, (_, index) => at(`file-${index}`));
  await Promise.all(names.map((name) => sftp.writeTextFile(name, name)));
  assertEquals(await Promise.all(names.map((name) => sftp.readTextFile(name))), names);
});
