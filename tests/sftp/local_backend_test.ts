/** Local files as a backend, method by method, in each kind of tree. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import {
  localFiles,
  type SftpBackend,
  type SftpBackendFile,
  type SftpBackendOpen,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { Descriptors } from "../../lib/sftp/server/descriptors.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import { Jail, PathFolders } from "../../lib/sftp/server/jail.ts";
import { LocalFile } from "../../lib/sftp/server/local_file.ts";
import { filesOf } from "../../lib/sftp/server/local_files.ts";
import { parseAccounts } from "../../lib/sftp/server/passwd.ts";
import { UnrestrictedTree } from "../../lib/sftp/server/unrestricted_tree.ts";
import { FakeTime } from "../support/fake_time.ts";
import { notedDescriptors, READING, replacedFiles, replacedPosix } from "./local_files.ts";
import { folder, noise, same } from "./world.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { ProtocolError } from "../../lib/errors.ts";

const { NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, OP_UNSUPPORTED } = SftpStatus;
const ignore = Deno.build.os === "windows";

const KINDS: Record<string, (root: string) => SftpBackend> = {
  "a jail of folders held on to": (root) => localFiles({ root }),
  "a jail of paths": (root) => filesOf(new Jail(new PathFolders(root), "/"), "/"),
  "no jail": (root) => filesOf(new UnrestrictedTree(root), root),
};

interface World extends AsyncDisposable {
  readonly backend: Required<SftpBackend>;
  readonly root: string;
  /** Opens a file. */
  open(path: string, options?: Partial<SftpBackendOpen>): Promise<SftpBackendFile>;
}

async function world(make: (root: string) => SftpBackend): Promise<World> {
  const root = await folder();
  const backend = make(root.path) as Required<SftpBackend>;
  return {
    backend,
    root: root.path,
    open: (path, options) => backend.open(path, { ...READING, ...options }),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** The status that a client gets. */
async function refused(promise: Promise<unknown>): Promise<number> {
  return statusOf(await assertRejects(() => promise)).status;
}

async function text(path: string): Promise<string> {
  return await Deno.readTextFile(path);
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.lstat(path)).mode! & 0o7777;
}

async function read(file: SftpBackendFile, length = 100, offset = 0): Promise<string> {
  const into = new Uint8Array(length);
  return new TextDecoder().decode(into.subarray(0, await file.read(into, offset)));
}

const bytes = (text: string) => new TextEncoder().encode(text);

function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

for (const [kind, make] of Object.entries(KINDS)) {
  const test = (name: string, run: (w: World) => Promise<void>, without = false) =>
    Deno.test({
      name: `${name} (${kind})`,
      ignore: ignore || without,
      fn: async () => {
        await using w = await world(make);
        await run(w);
      },
    });
  const jailed = kind !== "no jail";

  test("a file is opened by its options", async (w) => {
    assertEquals(await refused(w.open("file")), NO_SUCH_FILE);
    assertEquals(await refused(w.open("file", { write: true })), NO_SUCH_FILE);
    const made = await w.open("file", { read: false, write: true, create: true, mode: 0o640 });
    assertEquals(await modeOf(`${w.root}/file`), 0o640);
    await made.write(bytes("hello"), 2);
    const reading = Promise.resolve().then(() => made.read(new Uint8Array(1), 0));
    assertEquals(await refused(reading), NO_SUCH_FILE); // not open for this
    await made.close();
    assertEquals(await text(`${w.root}/file`), "\0\0hello");
    const again = await w.open("file", { write: true, create: true });
    assertEquals(await read(again), "\0\0hello");
    await again.write(bytes("HE"), 2);
    await again.close();
    assertEquals(await text(`${w.root}/file`), "\0\0HEllo");
    const exclusive = { write: true, create: true, createNew: true };
    assertEquals(await refused(w.open("file", exclusive)), FAILURE);
    await (await w.open("new", exclusive)).close();
    await Deno.symlink("none", `${w.root}/dangling`);
    assertEquals(await refused(w.open("dangling", exclusive)), FAILURE);
    await (await w.open("file", { write: true, truncate: true })).close();
    assertEquals(await text(`${w.root}/file`), "");
    const cut = { write: true, create: true, truncate: true };
    await (await w.open("cut", cut)).close();
    await Deno.writeTextFile(`${w.root}/cut`, "text");
    await (await w.open("cut", cut)).close();
    assertEquals(await text(`${w.root}/cut`), "");
  }, WITHOUT_DESCRIPTORS);

  test("an appending write goes to the end with any offset", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "one");
    const file = await w.open("file", { read: false, write: true, append: true });
    assertEquals(file.parallel, false);
    await file.write(bytes(" two"), 0);
    await file.write(bytes(" three"), 99);
    await file.close();
    assertEquals(await text(`${w.root}/file`), "one two three");
    const both = await w.open("file", { append: true, write: true });
    assertEquals(await read(both, 3), "one");
    await both.close();
    const plain = await w.open("file");
    assertEquals(plain.parallel, true);
    assertEquals(
      await refused(Promise.resolve().then(() => plain.write(bytes("x"), 0))),
      NO_SUCH_FILE,
    );
    await plain.close();
  });

  test("a folder and a socket are not opened", async (w) => {
    await Deno.mkdir(`${w.root}/dir`);
    using _socket = Deno.listen({ transport: "unix", path: `${w.root}/socket` });
    for (const options of [{}, { write: true }, { write: true, create: true }]) {
      assertEquals(await refused(w.open("dir", options)), FAILURE);
      assertEquals(await refused(w.open("socket", options)), FAILURE);
    }
  });

  test("attributes of an open file are read and set by descriptor", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "text");
    const file = await w.open("file", { write: true });
    const info = await file.stat();
    const there = await Deno.stat(`${w.root}/file`);
    assertEquals([info.isFile, info.isDirectory, info.isSymlink, info.size], [
      true,
      false,
      false,
      4,
    ]);
    assertEquals([info.mtime, info.uid, info.gid], [there.mtime, there.uid, there.gid]);
    const times = { atime: new Date(1e12), mtime: new Date(1.1e12) };
    await file.setStat({ size: 2, mode: 0o600, uid: info.uid!, gid: info.gid!, ...times });
    const changed = await Deno.stat(`${w.root}/file`);
    assertEquals([changed.size, changed.mode! & 0o7777, changed.mtime], [2, 0o600, times.mtime]);
    await file.setStat({});
    await file.setStat({ mtime: new Date(0) }); // half a pair
    assertEquals((await Deno.stat(`${w.root}/file`)).mtime, times.mtime);
    if (jailed) {
      assertEquals(await refused(file.setStat({ size: 1, mode: 0o4755 })), PERMISSION_DENIED);
      assertEquals((await Deno.stat(`${w.root}/file`)).size, 2); // nothing of it
    } else {
      await file.setStat({ mode: 0o104755 });
      assertEquals(await modeOf(`${w.root}/file`), 0o4755);
    }
    await file.sync!();
    if (runtime.descriptorPath(0) !== null) assert((await file.statVfs!()).blocks > 0);
    await file.close();
  });

  test("two open files are recognized as the same by identity, not by name", async (w) => {
    await Deno.writeTextFile(`${w.root}/one`, "");
    await Deno.link(`${w.root}/one`, `${w.root}/same`);
    await Deno.writeTextFile(`${w.root}/two`, "");
    const files = await Promise.all(["one", "same", "two"].map((name) => w.open(name)));
    assertEquals(files.map((file) => files[0]!.isSame!(file)), [true, true, false]);
    assertEquals(files[0]!.isSame!({} as SftpBackendFile), false);
    for (const file of files) await file.close();
  });

  test("attributes of a path are changed through links, or of the link itself", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "text");
    await Deno.symlink("file", `${w.root}/link`);
    const times = { atime: new Date(1e12), mtime: new Date(1.1e12) };
    await w.backend.setStat("link", { size: 2, mode: 0o600, ...times });
    const info = await Deno.stat(`${w.root}/file`);
    assertEquals([info.size, info.mode! & 0o777, info.mtime], [2, 0o600, times.mtime]);
    const later = { atime: new Date(1.2e12), mtime: new Date(1.3e12) };
    await w.backend.lsetStat("link", { ...later, uid: info.uid!, gid: info.gid! });
    assertEquals((await Deno.lstat(`${w.root}/link`)).mtime, later.mtime);
    assertEquals((await Deno.stat(`${w.root}/file`)).mtime, times.mtime);
    assertEquals(await refused(w.backend.lsetStat("link", { mode: 0o600 })), OP_UNSUPPORTED);
    await w.backend.lsetStat("file", { mode: 0o644 });
    assertEquals(await modeOf(`${w.root}/file`), 0o644);
    await w.backend.setStat("file", { mtime: new Date(0) });
    assertEquals((await Deno.stat(`${w.root}/file`)).mtime, times.mtime);
    assertEquals(await refused(w.backend.setStat("none", { mode: 0o600 })), NO_SUCH_FILE);
    assertEquals(await refused(w.backend.setStat("none", {})), NO_SUCH_FILE);
    const odd = w.backend.setStat("file", { mode: 0o2755 });
    if (jailed) assertEquals(await refused(odd), PERMISSION_DENIED);
    else await odd;
    await Deno.mkdir(`${w.root}/dir`);
    assertEquals(await refused(w.backend.setStat("dir", { size: 0 })), FAILURE);
  });

  test("owners are changed by user and group number", async (w) => {
    const calls: unknown[][] = [];
    using _ = replacedPosix({
      lchownSync: (...args: unknown[]) => calls.push(["lchown", ...args.slice(1)]),
      fchownSync: (...args: unknown[]) => calls.push(["fchown", ...args.slice(1)]),
    });
    const backend = make(w.root) as Required<SftpBackend>;
    await Deno.writeTextFile(`${w.root}/file`, "");
    const file = await backend.open("file", { ...READING, write: true });
    for (const changes of [{ uid: 5, gid: 6 }, { uid: 5 }, { gid: 6 }]) {
      await backend.setStat("file", changes);
      await backend.lsetStat("file", changes);
      await file.setStat(changes);
    }
    assertEquals(calls, [["lchown", 5, 6], ["lchown", 5, 6], ["fchown", 5, 6]]);
    await file.close();
  });

  test("folders are made and removed, files are removed, and each call accepts only its kind", async (w) => {
    await w.backend.mkdir("dir", 0o740);
    assertEquals(await modeOf(`${w.root}/dir`), 0o740);
    await w.backend.mkdir("usual", null);
    assertEquals(await modeOf(`${w.root}/usual`) & 0o700, 0o700);
    if (jailed) {
      await w.backend.mkdir("odd", 0o6700);
      assertEquals(await modeOf(`${w.root}/odd`), 0o700);
    }
    assertEquals(await refused(w.backend.mkdir("dir", null)), FAILURE);
    assertEquals(await refused(w.backend.remove("dir")), FAILURE);
    await Deno.writeTextFile(`${w.root}/dir/file`, "");
    assertEquals(await refused(w.backend.rmdir("dir")), FAILURE);
    assertEquals(await refused(w.backend.rmdir("dir/file")), NO_SUCH_FILE);
    await w.backend.remove("dir/file");
    await w.backend.rmdir("dir");
    for (const attempt of [w.backend.rmdir("dir"), w.backend.remove("dir")]) {
      assertEquals(await refused(attempt), NO_SUCH_FILE);
    }
    await Deno.symlink("usual", `${w.root}/link`);
    assertEquals(await refused(w.backend.rmdir("link")), NO_SUCH_FILE);
    await w.backend.remove("link");
    assert((await Deno.stat(`${w.root}/usual`)).isDirectory);
  });

  test("a rename replaces a file only if allowed", async (w) => {
    for (const name of ["a", "b"]) await Deno.writeTextFile(`${w.root}/${name}`, name);
    const rename = (from: string, to: string, overwrite: boolean) =>
      w.backend.rename(from, to, { overwrite });
    assertEquals(await refused(rename("a", "b", false)), FAILURE);
    assertEquals(await text(`${w.root}/b`), "b");
    await rename("a", "b", true);
    assertEquals(await text(`${w.root}/b`), "a");
    await rename("b", "c", false);
    assertEquals(await text(`${w.root}/c`), "a");
    assertEquals(await refused(rename("b", "d", true)), NO_SUCH_FILE);
    await Deno.mkdir(`${w.root}/dir`);
    await rename("dir", "moved", false);
    await Deno.symlink("c", `${w.root}/link`);
    await rename("link", "other", false);
    assertEquals(await Deno.readLink(`${w.root}/other`), "c");
    assertEquals(await refused(rename("c", "moved", true)), FAILURE);
  });

  test("a rename without hard links uses the system call", async (w) => {
    for (
      const [code, status] of [
        ["EPERM", 0],
        ["EOPNOTSUPP", 0],
        ["ENOTSUP", 0],
        ["ENOSYS", 0],
        ["EMLINK", 0],
        ["EEXIST", FAILURE],
        ["EIO", FAILURE],
      ] as const
    ) {
      using _ = replacedPosix({ linkSync: failing(code) });
      const backend = make(w.root) as Required<SftpBackend>;
      await Deno.writeTextFile(`${w.root}/a`, "a");
      const renaming = backend.rename("a", "b", { overwrite: false });
      if (status === 0) await renaming;
      else assertEquals(await refused(renaming), status);
      assertEquals(
        await Deno.stat(`${w.root}/b`).then(() => true, () => false),
        status === 0,
        code,
      );
      await Deno.remove(`${w.root}/${status === 0 ? "b" : "a"}`);
    }
  });

  test("a rename that cannot remove the old name leaves only it", async (w) => {
    for (
      const [code, status, left] of [["EACCES", PERMISSION_DENIED, "a"], [
        "EIO",
        FAILURE,
        "a",
      ]] as const
    ) {
      const { unlinkSync } = runtime.posix;
      using _ = replacedPosix({
        unlinkSync: (path: string) => path.endsWith("/a") ? failing(code)() : unlinkSync(path),
      });
      await Deno.writeTextFile(`${w.root}/a`, "a");
      assertEquals(await refused(w.backend.rename("a", "b", { overwrite: false })), status);
      const names = await Array.fromAsync(Deno.readDir(w.root), ({ name }) => name);
      assertEquals(names, [left]);
    }
  });

  test("a rename whose old name another program removes keeps the file", async (w) => {
    const { unlinkSync } = runtime.posix;
    using _ = replacedPosix({
      unlinkSync(path: string) {
        unlinkSync(path);
        unlinkSync(path);
      },
    });
    await Deno.writeTextFile(`${w.root}/a`, "a");
    await w.backend.rename("a", "b", { overwrite: false });
    const names = await Array.fromAsync(Deno.readDir(w.root), ({ name }) => name);
    assertEquals([names, await text(`${w.root}/b`)], [["b"], "a"]);
  });

  test("the length of a symbolic link is not changed, nor that of its file", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "text");
    await Deno.symlink("file", `${w.root}/link`);
    await Deno.symlink("none", `${w.root}/dangling`);
    const { mtime } = await Deno.lstat(`${w.root}/link`);
    const changes = { size: 0, atime: new Date(1e12), mtime: new Date(1.1e12) };
    for (const path of ["link", "dangling"]) {
      assertEquals(await refused(w.backend.lsetStat(path, changes)), OP_UNSUPPORTED);
    }
    assertEquals(await text(`${w.root}/file`), "text");
    assertEquals((await Deno.lstat(`${w.root}/link`)).mtime, mtime);
    assertEquals(await refused(w.backend.lsetStat("none", { size: 0 })), NO_SUCH_FILE);
    await w.backend.lsetStat("file", { size: 3 });
    assertEquals(await text(`${w.root}/file`), "tex");
  });

  test("links are made, read and refused", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "text");
    await Deno.mkdir(`${w.root}/dir`);
    await w.backend.symlink("anything", "link");
    assertEquals(await w.backend.readLink("link"), "anything");
    assertEquals(await refused(w.backend.symlink("x", "link")), FAILURE);
    assertEquals(await refused(w.backend.symlink("\udcff", "other")), FAILURE);
    assertEquals(await refused(w.backend.readLink("file")), BAD_MESSAGE);
    await w.backend.link("file", "second");
    assertEquals((await Deno.stat(`${w.root}/second`)).nlink, 2);
    assertEquals(await refused(w.backend.link("file", "second")), FAILURE);
    assertEquals(await refused(w.backend.link("dir", "new")), FAILURE);
    assertEquals(await refused(w.backend.link("link", "new")), FAILURE);
    const info = await w.backend.lstat("link");
    assertEquals([info.isSymlink, (await w.backend.stat("file")).isFile], [true, true]);
    assertEquals(await refused(w.backend.stat("link")), NO_SUCH_FILE);
  });

  test("a listing has each name once, including . and ..", async (w) => {
    await Deno.mkdir(`${w.root}/dir/deep`, { recursive: true });
    const names = Array.from({ length: 70 }, (_, index) => `${index}`);
    for (const name of names) await Deno.writeTextFile(`${w.root}/dir/${name}`, name);
    const listed = await Array.fromAsync(w.backend.readDir("dir"));
    assertEquals(listed.map(({ name }) => name).sort(), [".", "..", ...names, "deep"].sort());
    const inode = async (path: string) => (await Deno.stat(path)).ino;
    const found = (
      name: string,
    ) => (listed.find((entry) => entry.name === name)!.info as Deno.FileInfo);
    assertEquals([found(".").ino, found("..").ino], [
      await inode(`${w.root}/dir`),
      await inode(w.root),
    ]);
    assertEquals([found("7").size, found("deep").isDirectory], [1, true]);
    assertEquals(listed.find(({ name }) => name === "7")!.links, 1);
    const top = await Array.fromAsync(w.backend.readDir(jailed ? "/" : w.root));
    const above = top.find(({ name }) => name === "..")!.info as Deno.FileInfo;
    if (jailed) assertEquals(above.ino, await inode(w.root)); // above the root is the root
    const file = await assertRejects(() => Array.fromAsync(w.backend.readDir("dir/7")));
    assertEquals(statusOf(file), { status: NO_SUCH_FILE, message: "Not a directory" });
    assertEquals(await refused(Array.fromAsync(w.backend.readDir("none"))), NO_SUCH_FILE);
  });

  test("a file removed during the listing is skipped", async (w) => {
    await Deno.mkdir(`${w.root}/dir`);
    for (const name of ["a", "b"]) await Deno.writeTextFile(`${w.root}/dir/${name}`, name);
    const listed: string[] = [];
    for await (const { name } of w.backend.readDir("dir")) {
      listed.push(name);
      if (name === "..") await Deno.remove(`${w.root}/dir/a`);
    }
    assertEquals(listed.filter((name) => !name.startsWith(".")), ["b"]);
  });

  test("a denied look-up is not a missing file", async (w) => {
    await Deno.writeTextFile(`${w.root}/file`, "");
    using _ = replacedFiles({
      lstatSync: (path) => {
        if (path.endsWith("file")) throw new Deno.errors.PermissionDenied(path);
        return Deno.lstatSync(path);
      },
    });
    const create = { write: true, create: true };
    for (
      const attempt of [
        () => w.backend.stat("file"),
        () => w.backend.lstat("file"),
        () => w.open("file", create),
        () => w.backend.mkdir("file", null),
        () => w.backend.remove("file"),
      ]
    ) assertEquals(await refused(attempt()), PERMISSION_DENIED);
  });

  test("statvfs returns the size of a file system", async (w) => {
    const { blockSize, fragmentSize, blocks, freeBlocks, availableBlocks, ...rest } = await w
      .backend
      .statVfs(".");
    assert(blockSize > 0 && fragmentSize === blockSize && blocks >= freeBlocks);
    assert(freeBlocks >= availableBlocks && rest.maxNameLength === 255);
    assertEquals([rest.readOnly, rest.noSetuid, typeof rest.id], [false, false, "bigint"]);
    assertEquals(await refused(w.backend.statVfs("none")), NO_SUCH_FILE);
  });
}

Deno.test("accounts are read from the tree, and again when they change", async () => {
  await using w = await world((root) => localFiles({ root }));
  assertEquals(await w.backend.userNames([0, 7]), ["", ""]);
  await Deno.mkdir(`${w.root}/etc`);
  const passwd = `${w.root}/etc/passwd`;
  await Deno.writeTextFile(passwd, "ann:x:7:8::/home/ann:/bin/sh\n");
  await Deno.writeTextFile(`${w.root}/etc/group`, "staff:x:8:\n");
  assertEquals(await w.backend.userNames([7, 8]), ["ann", ""]);
  assertEquals(await w.backend.groupNames([7, 8]), ["", "staff"]);
  assertEquals([await w.backend.home("ann"), await w.backend.home("")], ["/home/ann", "/"]);
  assertEquals(await refused(w.backend.home("bob")), NO_SUCH_FILE);
  await Deno.writeTextFile(passwd, "bob:x:7:8::/b:/bin/sh\n");
  await Deno.utime(passwd, 1, 1);
  assertEquals(await w.backend.userNames([7]), ["bob"]);
  await Deno.writeTextFile(passwd, "eve:x:7:8::/e:/bin/sh\n");
  await Deno.utime(passwd, 1, 1); // by its time it is the same
  assertEquals(await w.backend.userNames([7]), ["bob"]);
  const listed = await Array.fromAsync(w.backend.readDir("/etc"));
  const { uid, gid } = await Deno.stat(passwd);
  const { owner, group } = listed.find(({ name }) => name === "passwd")!;
  assertEquals([owner, group], [uid === 7 ? "bob" : null, gid === 8 ? "staff" : null]);
  await Deno.remove(passwd);
  await Deno.mkdir(passwd);
  assertEquals(await w.backend.userNames([7]), [""]);
});

Deno.test("accounts are read up to 256 KiB, in whole lines", async () => {
  await using w = await world((root) => localFiles({ root }));
  await Deno.mkdir(`${w.root}/etc`);
  const lengths: number[] = [];
  const { readSync } = runtime.posix;
  using _ = replacedPosix({
    readSync(fd: number, into: Uint8Array, at: number, length: number, position: number) {
      lengths.push(length);
      return readSync(fd, into, at, length, position);
    },
  });
  const backend = localFiles({ root: w.root }) as Required<SftpBackend>;
  const last = "last:x:7:7::/home/last\n";
  const next = "next:x:8:8::/home/next\n";
  const limit = 256 * 1024;
  const cases: [text: string, names: string[], last: string][] = [
    ["#".padEnd(limit - last.length - 1, "-") + "\n" + last, ["last", ""], "/home/last"],
    ["#".padEnd(limit - last.length - 1, "-") + "\n" + last + next, ["last", ""], "/home/last"],
    // Their last bytes are beyond the limit.
    ["#".padEnd(limit - last.length + 1, "-") + "\n" + last, ["", ""], "none"],
    [last + "#".padEnd(limit, "-"), ["last", ""], "/home/last"],
    [last.trim(), ["last", ""], "/home/last"],
    ["#".padEnd(limit, "-"), ["", ""], "none"],
    ["#".padEnd(limit + 1, "-"), ["", ""], "none"],
  ];
  for (const [index, [text, names, home]] of cases.entries()) {
    await Deno.writeTextFile(`${w.root}/etc/passwd`, text);
    await Deno.utime(`${w.root}/etc/passwd`, 1, index + 1);
    assertEquals(await backend.userNames([7, 8]), names, `${index}`);
    assertEquals(await backend.home("last").catch(() => "none"), home);
  }
  assert(lengths.length > 0 && lengths.every((length) => length <= limit), lengths.join());
});

Deno.test("an account file that this process may not read gives no names, and is closed", async () => {
  await using w = await world((root) => localFiles({ root }));
  await Deno.mkdir(`${w.root}/etc`);
  await Deno.writeTextFile(`${w.root}/etc/passwd`, "ann:x:7:8::/home/ann:/bin/sh\n");
  const { open, calls } = notedDescriptors();
  using _ = replacedPosix({ ...calls, readSync: failing("EIO") });
  const backend = localFiles({ root: w.root }) as Required<SftpBackend>;
  assertEquals(await backend.userNames([7]), [""]);
  assertEquals(open, new Set());
});

Deno.test("only relative paths of a jail start at its home", async () => {
  for (
    const make of [
      (root: string) => localFiles({ root, home: "/home/me" }),
      (root: string) => filesOf(new Jail(new PathFolders(root), "/home/me"), "/home/me"),
    ]
  ) {
    await using w = await world(make);
    await Deno.mkdir(`${w.root}/home/me`, { recursive: true });
    const real = (path: string) => w.backend.realPath(path);
    assertEquals(
      await Promise.all(["", ".", "x", "../x", "/x", "/home/./me/../y", "../../.."].map(real)),
      ["/home/me", "/home/me", "/home/me/x", "/home/x", "/x", "/home/y", "/"],
    );
    assertEquals(await w.backend.home(""), "/home/me");
  }
});

Deno.test({
  name: "descriptors of listings and files count until they are closed in any way",
  ignore,
  fn: async () => {
    await using here = await folder();
    const root = here.path;
    await Deno.writeTextFile(`${root}/file`, "");
    const few = new Descriptors(4); // three of them for files
    const backend = filesOf(new UnrestrictedTree(root), root, false, few);
    for (let i = 0; i < 9; i++) {
      assertEquals((await Array.fromAsync(backend.readDir("."))).length, 3);
      for await (const _ of backend.readDir(".")) break;
      await refused(Array.fromAsync(backend.readDir("none")));
      await refused(backend.open("none", READING));
      await (await backend.open("file", READING)).close();
    }
    const open = await Promise.all([1, 2].map(() => backend.open("file", READING)));
    const refusal = await assertRejects(() => Array.fromAsync(backend.readDir(".")), SftpError);
    assertEquals(plainMessage(refusal), "Too many open files");
    const last = await backend.open("file", READING);
    await assertRejects(() => backend.open("file", READING), SftpError, "Too many open files");
    for (const file of [...open, last]) await file.close();
  },
});

Deno.test("account files are opened for reading", async () => {
  const fs = runtime.posix;
  const { O_WRONLY, O_RDWR } = fs.constants;
  const opened: boolean[] = [];
  using _ = replacedPosix({
    openSync(path: string, flags: number, mode?: number) {
      if (path.endsWith("/passwd")) opened.push((flags & (O_WRONLY | O_RDWR)) !== 0);
      return fs.openSync(path, flags, mode);
    },
  });
  await using w = await world((root) => localFiles({ root }));
  await Deno.mkdir(`${w.root}/etc`);
  await Deno.writeTextFile(`${w.root}/etc/passwd`, "ann:x:7:8::/home/ann:/bin/sh\n");
  assertEquals([await w.backend.userNames([7]), opened], [["ann"], [false]]);
});

Deno.test({
  name:
    "without a jail a path with a missing last step is resolved, but no other step may be missing",
  ignore,
  fn: async () => {
    await using w = await world((root) => filesOf(new UnrestrictedTree(root), root));
    const name = crypto.randomUUID();
    await Deno.mkdir(`${w.root}/dir`);
    await Deno.symlink("dir", `${w.root}/link`);
    const real = (path: string) => w.backend.realPath(path);
    assertEquals(await real(`/${name}`), `/${name}`);
    assertEquals(await real(`//${name}//`), `/${name}`);
    assertEquals([await real(name), await real(`link/${name}/`)], [
      `${w.root}/${name}`,
      `${w.root}/dir/${name}`,
    ]);
    assertEquals([await real(""), await real("link")], [w.root, `${w.root}/dir`]);
    for (const path of [`${name}/x`, `${name}/.`, `${name}/..`]) {
      assertEquals(await refused(real(path)), NO_SUCH_FILE);
    }
  },
});

Deno.test("a missing account file is not created", async () => {
  await using w = await world((root) => localFiles({ root }));
  await Deno.mkdir(`${w.root}/etc`);
  await w.backend.userNames([0]);
  await w.backend.home("ann").catch(() => {});
  assertEquals(await Array.fromAsync(Deno.readDir(`${w.root}/etc`)), []);
});

Deno.test({
  name: "a device is opened only without a jail, and only by a process that may block",
  ignore,
  fn: async () => {
    await using w = await world((root) => filesOf(new UnrestrictedTree(root), root));
    assertEquals(await refused(w.open("/dev/null", { write: true })), FAILURE);
    const blocking = filesOf(new UnrestrictedTree(w.root), w.root, true);
    const device = await blocking.open("/dev/null", { ...READING, write: true, truncate: true });
    await device.write(bytes("text"), 0);
    assertEquals(await read(device), "");
    await device.close();
    const unread = await blocking.open("/dev/null", READING);
    assertEquals(await read(unread), "");
    await unread.close();
  },
});

Deno.test("after a slow read the next ones use other threads, unless the process may block", async () => {
  for (const blocking of [true, false, undefined]) {
    await using w = await world((root) => localFiles({ root }));
    await Deno.writeTextFile(`${w.root}/file`, "text");
    using time = new FakeTime();
    using _ = replacedPosix({
      readSync: () => {
        time.skip(1000);
        return 4;
      },
    });
    const options = blocking === undefined ? {} : { blocking };
    const backend = localFiles({ root: w.root, ...options }) as Required<SftpBackend>;
    const file = await backend.open("file", READING);
    assertEquals(file.read(new Uint8Array(4), 0), 4); // and no promise
    const next = file.read(new Uint8Array(4), 0);
    assertEquals([next instanceof Promise, await next], [blocking !== true, 4]);
    await file.close();
  }
});

Deno.test("an open is refused if any check of its path fails", async () => {
  await using w = await world((root) => localFiles({ root }));
  await Deno.mkdir(`${w.root}/a/b`, { recursive: true });
  await Deno.writeTextFile(`${w.root}/a/b/file`, "text");
  const folders = new PathFolders(w.root);
  const found = {
    real: `${w.root}/a/b/file`,
    virtual: "/a/b/file",
    info: await Deno.lstat(`${w.root}/a/b/file`),
    [Symbol.dispose]() {},
  };
  const fd = runtime.posix.openSync(found.real, runtime.posix.constants.O_RDONLY);
  assertEquals(folders.holds(fd, found), true);
  const holds = (change: (path: string, call: number) => Partial<Deno.FileInfo>) => {
    let calls = 0;
    using _ = replacedFiles({
      lstatSync: (path) => ({ ...Deno.lstatSync(path), ...change(path, ++calls) }),
    });
    return [folders.holds(fd, found), calls] as const;
  };
  const isFile = (path: string) => path.endsWith("file");
  for (let bad = 1; bad < 25; bad++) {
    const gone = { ino: -1, isDirectory: false };
    assertEquals(holds((_, call) => call >= bad ? gone : {})[0], false, `${bad}`);
  }
  for (const change of [{ ino: -1 }, { dev: -1 }]) {
    assertEquals(holds((path) => isFile(path) ? change : {})[0], false);
  }
  for (const folder of ["/a", "/a/b"]) {
    assertEquals(holds((path) => path.endsWith(folder) ? { isDirectory: false } : {})[0], false);
  }
  const [held, calls] = holds(() => ({}));
  assert(held && calls >= 2 + 1 + 32, `${calls}`); // 32 more looks, each of the file or of the folders
  runtime.posix.closeSync(fd);
});

Deno.test({
  name: "the limit of a process's descriptors is read if possible",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    assertThrows(() => Descriptors.ofProcess().take(2 ** 40), SftpError, "Too many open files");
    assertEquals(Descriptors.ofProcess() === Descriptors.ofProcess(), true); // all count together
  },
});

Deno.test("the first of several accounts is used, and malformed lines are skipped", () => {
  const { user, group, home } = parseAccounts(
    "a:x:1:1::/one\na:x:2:1::/two\nb:x:1:1::/b\nshort:x:3:1:\nword:x:x:1::/\n:x:4:1::/none\n" +
      "long:x:12345678901:1::/\n12:x:0000000005:1::/five:sh:more\n",
    "g:x:1\nh:x:1:m\nshort:x\n",
  );
  assertEquals([1, 2, 3, 4, 5, 12345678901].map(user), ["a", "a", null, null, "12", null]);
  assertEquals(["a", "b", "12", "short", ""].map(home), ["/one", "/b", "/five", null, null]);
  assertEquals([1, 2].map(group), ["g", null]);
  assertEquals(parseAccounts(null, null).user(0), null);
});

for (const [kind, make] of Object.entries(KINDS)) {
  Deno.test({
    name: `a large file's space is freed in another thread, in ${kind}`,
    ignore,
    async fn() {
      const counted = ["ftruncate", "rename", "unlink"] as const;
      const calls: string[] = [];
      const fs = runtime.posix;
      const counting = (name: keyof PosixFiles) => (...args: never[]) => {
        calls.push(name);
        return (fs[name] as (...args: never[]) => unknown)(...args);
      };
      using _ = replacedPosix(Object.fromEntries(
        counted.flatMap((name) => [name, `${name}Sync`] as (keyof PosixFiles)[])
          .map((name) => [name, counting(name)]),
      ));
      await using w = await world(make);
      const at = (path: string) => `${w.root === "/" || kind === "no jail" ? w.root : ""}/${path}`;
      for (const [size, end] of [[64 * 1024 ** 2, "Sync"], [64 * 1024 ** 2 + 1, ""]] as const) {
        const large = async () => {
          await Deno.writeTextFile(`${w.root}/large`, "");
          await Deno.truncate(`${w.root}/large`, size);
        };
        const did = async (call: (typeof counted)[number], run: () => Promise<unknown>) => {
          await large();
          calls.length = 0;
          await run();
          assertEquals(calls, [call + end]);
        };
        const open = async (truncate: boolean) =>
          await w.open(at("large"), { read: false, write: true, truncate });
        await did("unlink", () => w.backend.remove(at("large")));
        await did("ftruncate", () => w.backend.setStat(at("large"), { size: 0 }));
        await did("ftruncate", async () => await (await open(true)).close());
        await large();
        const file = await open(false);
        await did("ftruncate", () => file.setStat({ size: 0 }));
        await file.close();
        await Deno.writeTextFile(`${w.root}/small`, "small");
        await did("rename", () => w.backend.rename(at("small"), at("large"), { overwrite: true }));
        assertEquals(await text(`${w.root}/large`), "small");
      }
    },
  });
}

/** A file whose system calls are slow or partial. */
async function opened(
  changes: Partial<Record<keyof PosixFiles, unknown>>,
  slow: number,
  append = false,
): Promise<{ file: LocalFile; path: string } & AsyncDisposable> {
  const here = await folder();
  const path = `${here.path}/file`;
  await Deno.writeTextFile(path, "");
  const fs = runtime.posix;
  const { O_RDWR, O_APPEND } = fs.constants;
  const fd = fs.openSync(path, O_RDWR | (append ? O_APPEND : 0));
  using _ = replacedPosix(changes);
  let released = 0;
  const held = { [Symbol.dispose]: () => void released++ };
  const io = new AdaptiveIo(slow);
  const file = new LocalFile(fd, { append, mode: "any", fs: runtime.posix, io, held });
  return {
    file,
    path,
    async [Symbol.asyncDispose]() {
      await file.close();
      assertEquals(released, 1);
      await here[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a write is completed and a read is a single call, synchronous or in another thread", async () => {
  const fs = runtime.posix;
  const half = {
    writeSync: (
      fd: number,
      data: Uint8Array,
      at: number,
      length: number,
      position: number | null,
    ) => fs.writeSync(fd, data, at, Math.min(length, 1000), position),
    write: (
      fd: number,
      data: Uint8Array,
      at: number,
      length: number,
      position: number | null,
      done: (error: Error | null, count: number) => void,
    ) => fs.write(fd, data, at, Math.min(length, 1000), position, done),
  };
  const data = noise(4500);
  for (const slow of [Infinity, -1]) {
    for (const append of [false, true]) {
      await using w = await opened(half, slow, append);
      for (let round = 0; round < 2; round++) await w.file.write(data, 4500 * round);
      const there = await Deno.readFile(w.path);
      assertEquals(there.length, 9000);
      assert(same(there.subarray(0, 4500), data) && same(there.subarray(4500), data));
      const into = new Uint8Array(100);
      assertEquals(await w.file.read(into, 8950), 50);
      assertEquals(await w.file.read(into, 10), 100);
      assert(same(into, data.subarray(10, 110)));
    }
  }
});

Deno.test("an error in another thread rejects the request", async () => {
  const fail = (...args: unknown[]) =>
    (args.at(-1) as (error: Error) => void)(new RangeError("disk"));
  await using w = await opened({ read: fail, write: fail, fsync: fail }, -1);
  await Promise.resolve(w.file.read(new Uint8Array(1), 0)); // the first is never slow
  await assertRejects(() => Promise.resolve(w.file.read(new Uint8Array(1), 0)), RangeError, "disk");
  await assertRejects(
    () => Promise.resolve(w.file.write(new Uint8Array(1), 0)),
    RangeError,
    "disk",
  );
  await assertRejects(() => w.file.sync(), RangeError, "disk");
});

Deno.test("every errno has the status and the text of OpenSSH", () => {
  const of = (code: string) => statusOf(Object.assign(new Error("/srv/secret"), { code }));
  const statuses: [status: number, codes: string][] = [
    [NO_SUCH_FILE, "ENOENT ENOTDIR ELOOP EBADF"],
    [PERMISSION_DENIED, "EACCES EPERM EROFS"],
    [BAD_MESSAGE, "ENAMETOOLONG EINVAL"],
    [OP_UNSUPPORTED, "ENOSYS EOPNOTSUPP"],
    [
      FAILURE,
      "EEXIST ENOTEMPTY EISDIR EXDEV EMLINK EBUSY ETXTBSY ENOSPC EDQUOT EFBIG EMFILE ENFILE EIO EWHAT",
    ],
  ];
  for (const [status, codes] of statuses) {
    for (const code of codes.split(" ")) {
      assertEquals([code, of(code).status], [code, status]);
      assert(!of(code).message.includes("/srv"));
    }
  }
  const texts: [message: string, codes: string][] = [
    ["No such file", "ENOENT ENOTDIR"],
    ["Too many symbolic links", "ELOOP"],
    ["Permission denied", "EACCES EPERM"],
    ["Read-only file system", "EROFS"],
    ["File exists", "EEXIST"],
    ["Directory not empty", "ENOTEMPTY"],
    ["Is a directory", "EISDIR"],
    ["Not on the same file system", "EXDEV"],
    ["In use", "EBUSY ETXTBSY"],
    ["No space left on device", "ENOSPC"],
    ["Disk quota exceeded", "EDQUOT"],
    ["File too large", "EFBIG"],
    ["Too many open files", "EMFILE ENFILE"],
  ];
  for (const [message, codes] of texts) {
    for (const code of codes.split(" ")) assertEquals([code, of(code).message], [code, message]);
  }
  assertEquals(statusOf(new SftpError(9, "x", null, "own words")), {
    status: 9,
    message: "own words",
  });
  const kinds: [Error, number][] = [
    [new Deno.errors.NotFound("/x"), NO_SUCH_FILE],
    [new Deno.errors.NotADirectory("/x"), NO_SUCH_FILE],
    [new Deno.errors.PermissionDenied("/x"), PERMISSION_DENIED],
    [new Deno.errors.NotCapable("/x"), PERMISSION_DENIED],
    [new Deno.errors.NotSupported("/x"), OP_UNSUPPORTED],
    [new Deno.errors.Busy("/x"), FAILURE],
    [new ProtocolError("/x"), BAD_MESSAGE],
    [Object.assign(new Error("/x"), { code: "ENOTSUP" }), OP_UNSUPPORTED],
    [Object.assign(new Error("/x"), { code: 5 }), FAILURE],
  ];
  for (const [error, status] of kinds) assertEquals(statusOf(error).status, status);
  for (const thrown of ["text", null, undefined, { code: "ENOENT" }]) {
    assertEquals(statusOf(thrown), { status: FAILURE, message: "Failure" });
  }
});

Deno.test({
  name: "a folder without permission is reported as such, and one that became a link as missing",
  ignore: WITHOUT_DESCRIPTORS,
  fn: async () => {
    for (
      const [code, status] of [["EACCES", PERMISSION_DENIED], ["ELOOP", NO_SUCH_FILE]] as const
    ) {
      const { openSync } = runtime.posix;
      using _ = replacedPosix({
        openSync: (path: string, flags: number, mode?: number) =>
          path.endsWith("/folder") ? failing(code)() : openSync(path, flags, mode),
      });
      await using w = await world((root) => localFiles({ root }));
      await Deno.mkdir(`${w.root}/folder`);
      await Deno.writeTextFile(`${w.root}/folder/file`, "text");
      assertEquals(await refused(w.open("folder/file")), status);
    }
  },
});
