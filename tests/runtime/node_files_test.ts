import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { isError } from "../../lib/runtime/errors.ts";
import { SEEK_CURRENT, SEEK_START } from "../../lib/runtime/files.ts";
import { nodeFiles } from "../../lib/runtime/node_files.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { tempFolder } from "../support/temp.ts";

const files = nodeFiles();

nodeTest("A Node file is read and written at the position of seek()", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/file`;
  using file = await files.open(path, { read: true, write: true, createNew: true });
  await file.write(Uint8Array.of(1, 2, 3, 4));
  file.writeSync(Uint8Array.of(5, 6));
  assertEquals(await file.seek(-1, SEEK_CURRENT), 5);
  const block = new Uint8Array(4);
  assertEquals([await file.read(block), block[0]], [1, 6]);
  assertEquals(file.readSync(block), null);
  await file.seek(1, SEEK_START);
  assertEquals([file.readSync(block), ...block], [4, 2, 3, 4, 5]);
  assertEquals(await file.seek(0, 2), 6);
  await file.truncate(3);
  await file.sync();
  await file.utime(10, 20);
  const { size, mtime, isFile } = await file.stat();
  assertEquals([size, mtime, isFile], [3, new Date(20_000), true]);
  assertEquals(file.isTerminal(), false);
  const again = await files.open(path);
  assertEquals(await new Response(again.readable).bytes(), Uint8Array.of(1, 2, 3));
  again.close(); // it was closed at the end of the stream
});

nodeTest("Options of open() work as in Deno", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/file`;
  await assertRejects(() => files.open(path, { write: true }), Error, "ENOENT");
  await files.writeFile(path, Uint8Array.of(1, 2), { mode: 0o640 });
  assertEquals(files.statSync(path).mode! & 0o777, 0o640);
  await assertRejects(
    () => files.open(path, { write: true, createNew: true }),
    Error,
    "EEXIST",
  );
  {
    using file = files.openSync(path, { append: true, create: true });
    file.writeSync(Uint8Array.of(3));
  }
  assertEquals(await files.readFile(path), Uint8Array.of(1, 2, 3));
  await files.writeFile(path, Uint8Array.of(4), { append: true });
  assertEquals((await files.readFile(path)).length, 4);
  files.openSync(path, { write: true, truncate: true }).close();
  assertEquals(await files.readTextFile(path), "");
});

nodeTest("Read data is a plain Uint8Array, whose slice is a copy", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "text");
  const bytes = await files.readFile(`${folder.path}/a`);
  bytes.slice()[0] = 0;
  assertEquals(new TextDecoder().decode(bytes), "text");
});

nodeTest("Folders are listed, made and removed as in Deno", async () => {
  await using folder = await tempFolder();
  await files.mkdir(`${folder.path}/a/b`, { recursive: true });
  await files.mkdir(`${folder.path}/a/b`, { recursive: true });
  await files.symlink("b", `${folder.path}/a/link`);
  assertEquals(await files.readLink(`${folder.path}/a/link`), "b");
  const found = await Array.fromAsync(files.readDir(`${folder.path}/a`));
  assertEquals(found.sort((a, b) => a.name < b.name ? -1 : 1), [
    { name: "b", isFile: false, isDirectory: true, isSymlink: false },
    { name: "link", isFile: false, isDirectory: false, isSymlink: true },
  ]);
  assertEquals((await files.lstat(`${folder.path}/a/link`)).isSymlink, true);
  await assertRejects(() => files.remove(`${folder.path}/a`), Error, "ENOTEMPTY");
  await files.remove(`${folder.path}/a/link`);
  await files.remove(`${folder.path}/a`, { recursive: true });
  const error = await files.stat(`${folder.path}/a`).catch((error) => error);
  assertEquals(isError(error, "NotFound"), true);
  assertThrows(() => files.statSync(`${folder.path}/a`), Error, "ENOENT");
  assertEquals(
    isError(await files.remove(`${folder.path}/a`).catch((error) => error), "NotFound"),
    true,
  );
});

nodeTest("`..` after a link leads to the folder above its target", async () => {
  await using folder = await tempFolder();
  const real = await files.realPath(folder.path);
  await files.mkdir(`${real}/a/b`, { recursive: true });
  await files.symlink("a/b", `${real}/link`);
  assertEquals(await files.realPath(`${real}/link/..`), `${real}/a`);
  assertEquals(files.realPathSync(`${real}/link/..`), `${real}/a`);
});

/** In these versions the imitation of Node is incomplete: its files and listeners are asynchronous. */
function nodeTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, ignore: WITHOUT_DESCRIPTORS, fn });
}
