import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError, type SftpWalkOptions } from "../../../lib/sftp/mod.ts";
import { ClientCases, noise, refusal, same, type World } from "../world.ts";

export const cases: ClientCases = new ClientCases();

async function plant({ sftp, at }: World): Promise<void> {
  await sftp.mkdir(at("a/deep/deeper"), { recursive: true });
  await sftp.mkdir(at("b"));
  for (const name of ["one.txt", "two.txt", ".hidden.txt", "a/three.txt", "a/deep/four.md"]) {
    await sftp.writeTextFile(at(name), name);
  }
  await sftp.writeTextFile(at("a/deep/deeper/five.txt"), "five");
  await sftp.symlink("../a", at("b/up"));
  await sftp.symlink("nowhere", at("b/broken"));
}

async function walked(world: World, options: SftpWalkOptions = {}): Promise<string[]> {
  const root = world.at("").replace(/\/$/, "") || "/";
  const entries = await Array.fromAsync(world.sftp.walk(root, options));
  return entries.map(({ path }) => path.slice(world.at("").length)).sort();
}

cases.add("walk finds everything below, within its options", async (world) => {
  await plant(world);
  const files = ["a/deep/deeper/five.txt", "a/deep/four.md", "a/three.txt"];
  assertEquals(
    await walked(world, { includeDirs: false, includeSymlinks: false }),
    [".hidden.txt", ...files, "one.txt", "two.txt"].sort(),
  );
  assertEquals(
    await walked(world, { includeFiles: false, maxDepth: 2 }),
    ["", "a", "a/deep", "b", "b/broken", "b/up"],
  );
  const followed = await walked(world, { followSymlinks: true, includeDirs: false });
  assert(followed.includes("b/up/deep/deeper/five.txt") && followed.includes("b/broken"));
  assertEquals(await refusal(Array.fromAsync(world.sftp.walk(world.at("none")))), 2);
  const alone = await Array.fromAsync(world.sftp.walk(world.at("one.txt")));
  assertEquals(alone.map(({ name, isFile }) => [name, isFile]), [["one.txt", true]]);
});

cases.add("walk does not follow circular links", async ({ sftp, at }) => {
  await sftp.mkdir(at("x/y"), { recursive: true });
  await sftp.symlink("..", at("x/y/back"));
  const found = await Array.fromAsync(sftp.walk(at("x"), { followSymlinks: true }));
  assertEquals(found.map(({ path }) => path), [at("x"), at("x/y"), at("x/y/back")]);
});

cases.add(
  "walk returns a link to itself as a link, and get and put skip it",
  async (world) => {
    const { sftp, at, here } = world;
    await sftp.mkdir(at("x"));
    await sftp.symlink("loop", at("x/loop"));
    await sftp.writeTextFile(at("x/file"), "text");
    const found = await Array.fromAsync(sftp.walk(at("x"), { followSymlinks: true }));
    assertEquals(found.map(({ name, isSymlink }) => [name, isSymlink]).sort(), [
      ["file", false],
      ["loop", true],
      ["x", false],
    ]);
    const options = { recursive: true, links: "follow" } as const;
    const { files, skipped } = await sftp.get(at("x"), `${here}/x`, options);
    assertEquals([files, skipped], [1, [at("x/loop")]]);
    await Deno.symlink("loop", `${here}/x/loop`);
    const back = await sftp.put(`${here}/x`, at("y"), options);
    assertEquals([back.files, back.skipped], [1, [`${here}/x/loop`]]);
  },
);

cases.add("glob finds the matches of a pattern, each folder in order", async (world) => {
  await plant(world);
  const { sftp, at } = world;
  const found = async (pattern: string) =>
    (await Array.fromAsync(sftp.glob(at(pattern)))).map(({ path }) => path.slice(at("").length));
  assertEquals(await found("*.txt"), ["one.txt", "two.txt"]);
  assertEquals(await found(".*.txt"), [".hidden.txt"]);
  assertEquals(await found("[!t]ne.tx?"), ["one.txt"]);
  assertEquals(await found("*/*.txt"), ["a/three.txt"]);
  assertEquals(await found("*/deep/*.md"), ["a/deep/four.md"]);
  assertEquals(await found("b/*/deep/four.md"), ["b/up/deep/four.md"]);
  assertEquals(
    (await found("**/*.txt")).sort(),
    ["a/deep/deeper/five.txt", "a/three.txt", "one.txt", "two.txt"],
  );
  assertEquals(await found("**/deep/**/five.txt"), ["a/deep/deeper/five.txt"]);
  assertEquals(await found("one.txt"), ["one.txt"]);
  assertEquals(await found("none.txt"), []);
  assertEquals(await found("one.txt/*"), []);
  assertEquals(await found("none/*"), []);
});

cases.add("copyFile copies content and mode, over an existing file", async ({ sftp, at, root }) => {
  for (const length of [0, 1, 261_121, 3_000_000]) {
    const data = noise(length, length + 1);
    await sftp.writeFile(at("from"), data);
    await sftp.chmod(at("from"), 0o640);
    await sftp.copyFile(at("from"), at("to"));
    assert(same(await Deno.readFile(`${root}/to`), data));
    assertEquals((await sftp.stat(at("to"))).mode! & 0o777, 0o640);
  }
  await sftp.writeFile(at("from"), noise(10));
  await sftp.copyFile(at("from"), at("to"));
  assertEquals((await sftp.stat(at("to"))).size, 10);
  await sftp.copyFile(at("from"), at("from")); // onto itself
  await sftp.link(at("from"), at("second"));
  await sftp.copyFile(at("from"), at("second"));
  assert(same(await Deno.readFile(`${root}/from`), noise(10)));
  await assertRejects(() => sftp.copyFile(at("none"), at("x")), SftpError);
  await assertRejects(() => sftp.copyFile(at(""), at("x")), SftpError);
});

cases.add("reads and writes at offsets run in parallel", async ({ sftp, at }) => {
  const data = noise(100_000);
  await using file = await sftp.open(at("file"), { read: true, write: true, create: true });
  const pieces = Array.from({ length: 100 }, (_, index) => index * 1000).reverse();
  await Promise.all(pieces.map((from) => file.writeAt(data.subarray(from, from + 1000), from)));
  const back = new Uint8Array(100_000);
  await Promise.all(pieces.map((from) => file.readAt(back.subarray(from, from + 1000), from)));
  assert(same(back, data));
  assertEquals(await file.readAt(new Uint8Array(1), 100_000), null);
  assertEquals(await file.readAt(new Uint8Array(0), 0), 0);
  assertEquals(await file.seek(0, Deno.SeekMode.Current), 0);
  await file.utime(1_000_000_000, new Date(1_100_000_000_000));
  await file.chmod(0o600);
  const { mtime, mode, uid, gid } = await file.stat();
  assertEquals([mtime, mode! & 0o777], [new Date(1_100_000_000_000), 0o600]);
  await file.chown(uid!, gid!);
  await file.syncData();
});

cases.add("remove deletes deep trees, and stops at an entry without permission", async (world) => {
  const { sftp, at, root } = world;
  for (let i = 0; i < 40; i++) {
    await Deno.mkdir(`${root}/tree/${i % 5}/${i % 7}/${i}`, { recursive: true });
    for (let j = 0; j < 3; j++) await Deno.writeTextFile(`${root}/tree/${i % 5}/${j} ${i}`, "");
  }
  await sftp.remove(at("tree"), { recursive: true });
  assertEquals(await Array.fromAsync(Deno.readDir(root)), []);
});
