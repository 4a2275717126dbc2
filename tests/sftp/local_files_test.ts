/** Files of a folder by the flags and modes of their system calls, and what their owners' names cost. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import {
  localFiles,
  type SftpBackend,
  type SftpBackendOpen,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { Descriptors } from "../../lib/sftp/server/descriptors.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import { Jail, PathFolders } from "../../lib/sftp/server/jail.ts";
import { filesOf } from "../../lib/sftp/server/local_files.ts";
import { UnrestrictedTree } from "../../lib/sftp/server/unrestricted_tree.ts";
import { notedDescriptors, READING, replacedFiles, replacedPosix } from "./local_files.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { folder } from "./world.ts";

const ignore = Deno.build.os === "windows";

/** What a served folder is, and what it opens: the names of the flags, and the mode. */
interface World extends AsyncDisposable {
  readonly backend: Required<SftpBackend>;
  readonly root: string;
  /** The flags and the mode of the last open(2). */
  last(): [flags: string, mode: number];
  /** The same after opening and closing a file. */
  opened(path: string, options: Partial<SftpBackendOpen>): Promise<[flags: string, mode: number]>;
}

const FLAGS = [
  "O_RDWR",
  "O_WRONLY",
  "O_APPEND",
  "O_CREAT",
  "O_EXCL",
  "O_TRUNC",
  "O_NONBLOCK",
  "O_NOFOLLOW",
] as const;

async function world(kind: "jail" | "blocking jail" | "open" | "blocking"): Promise<World> {
  const { path: root, [Symbol.asyncDispose]: remove } = await folder();
  const { openSync, constants } = runtime.posix;
  let [used, bits] = [0, 0];
  const seam = replacedPosix({
    openSync(path: string, flags: number, mode?: number) {
      if (mode !== undefined) [used, bits] = [flags, mode];
      return openSync(path, flags, mode);
    },
  });
  const last = (): [string, number] => [
    FLAGS.filter((name) => (used & constants[name]!) === constants[name]).join(" "),
    bits,
  ];
  const blocking = kind.startsWith("blocking");
  const backend =
    (kind.endsWith("jail")
      ? filesOf(new Jail(new PathFolders(root), "/"), "/", blocking)
      : filesOf(new UnrestrictedTree(root), root, blocking)) as Required<SftpBackend>;
  return {
    backend,
    root,
    last,
    async opened(path, options) {
      const file = await backend.open(path, { ...READING, ...options });
      await file.close();
      return last();
    },
    async [Symbol.asyncDispose]() {
      seam[Symbol.dispose]();
      await remove();
    },
  };
}

const create = { write: true, create: true };

Deno.test({
  name:
    "a jail follows no link at the end, waits for no pipe, and makes files only where there are none",
  ignore,
  fn: async () => {
    for (const kind of ["jail", "blocking jail"] as const) {
      await using w = await world(kind);
      await Deno.writeTextFile(`${w.root}/file`, "text");
      const usual = "O_NONBLOCK O_NOFOLLOW";
      assertEquals(await w.opened("file", {}), [usual, 0o666]);
      assertEquals((await w.opened("file", { write: true }))[0], `O_RDWR ${usual}`);
      assertEquals((await w.opened("file", { read: false, write: true }))[0], `O_WRONLY ${usual}`);
      assertEquals(
        (await w.opened("file", { read: false, append: true }))[0],
        `O_WRONLY O_APPEND ${usual}`,
      );
      // An existing file is neither made nor truncated by the open.
      assertEquals((await w.opened("file", { ...create, truncate: true }))[0], `O_RDWR ${usual}`);
      const made = `O_RDWR O_CREAT O_EXCL ${usual}`;
      assertEquals((await w.opened("a", create))[0], made);
      assertEquals((await w.opened("b", { ...create, createNew: true }))[0], made);
      assertEquals((await w.opened("c", { ...create, truncate: true }))[0], made);
    }
  },
});

Deno.test({
  name:
    "without a jail files are made through links, and only a process that may block opens devices",
  ignore,
  fn: async () => {
    for (const [kind, waiting] of [["open", " O_NONBLOCK"], ["blocking", ""]] as const) {
      await using w = await world(kind);
      await Deno.symlink("target", `${w.root}/link`);
      assertEquals((await w.opened("link", create))[0], `O_RDWR O_CREAT${waiting}`);
      assert((await Deno.stat(`${w.root}/target`)).isFile);
      assertEquals(
        (await w.opened("new", { ...create, createNew: true }))[0],
        `O_RDWR O_CREAT O_EXCL${waiting}`,
      );
      const truncated = await w.opened("target", { write: true, truncate: true });
      assertEquals(truncated[0], kind === "blocking" ? "O_RDWR O_TRUNC" : "O_RDWR O_NONBLOCK");
      await Deno.writeTextFile(`${w.root}/target`, "text");
      await w.backend.setStat("target", { size: 3 });
      assertEquals(await Deno.readTextFile(`${w.root}/target`), "tex");
    }
  },
});

Deno.test({
  name:
    "a path is truncated by a file that is open for writing only, and an account file is read only",
  ignore,
  fn: async () => {
    await using w = await world("jail");
    await Deno.writeTextFile(`${w.root}/file`, "text");
    for (const set of [w.backend.setStat, w.backend.lsetStat]) {
      await set.call(w.backend, "file", { size: 1 });
      assertEquals(w.last()[0], "O_WRONLY O_NONBLOCK O_NOFOLLOW");
      const missing = await assertRejects(() => set.call(w.backend, "none", { size: 1 }));
      assertEquals(statusOf(missing).status, SftpStatus.NO_SUCH_FILE);
    }
    const names = await Array.fromAsync(Deno.readDir(w.root), ({ name }) => name);
    assertEquals(names, ["file"]); // and nothing was made
    await Deno.mkdir(`${w.root}/etc`);
    await Deno.writeTextFile(`${w.root}/etc/passwd`, "ann:x:7:8::/home/ann:/bin/sh\n");
    await Deno.writeTextFile(`${w.root}/etc/group`, "staff:x:8:\n");
    assertEquals(await w.backend.userNames([7]), ["ann"]);
    assertEquals(w.last()[0], "O_NONBLOCK O_NOFOLLOW");
  },
});

Deno.test({
  name:
    "a new file has the mode that is asked for, in a jail without setuid, setgid and sticky bits",
  ignore,
  fn: async () => {
    for (const [kind, odd] of [["jail", 0o750], ["open", 0o7750]] as const) {
      await using w = await world(kind);
      assertEquals((await w.opened("a", { ...create, mode: 0o7750 }))[1], odd);
      assertEquals((await w.opened("b", { ...create, mode: 0 }))[1], 0);
      assertEquals((await w.opened("c", create))[1], 0o666);
    }
  },
});

Deno.test({
  name: "a new folder has no setuid and setgid bits, and the usual mode if none is asked for",
  ignore,
  fn: async () => {
    const modes: unknown[] = [];
    using _ = replacedPosix({
      mkdirSync: (_path: string, options: unknown) => void modes.push(options),
    });
    await using here = await folder();
    const backend = filesOf(new Jail(new PathFolders(here.path), "/"), "/");
    await backend.mkdir("a", 0o7777);
    await backend.mkdir("b", 0);
    await backend.mkdir("c", null);
    assertEquals(modes, [{ mode: 0o1777 }, { mode: 0 }, {}]);
  },
});

Deno.test({
  name: "a listing counts as two descriptors while it is open, a file as one",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "");
    const tree = new UnrestrictedTree(here.path);
    const backend = filesOf(tree, here.path, false, new Descriptors(8)); // six of them for files
    const listings = [0, 1, 2].map(() => backend.readDir("."));
    for (const listing of listings) await listing.next();
    const refused = () => backend.open("file", READING);
    await assertRejects(refused, SftpError, "Too many open files");
    await listings[0]!.return!();
    const files = await Promise.all([1, 2].map(() => backend.open("file", READING)));
    await assertRejects(refused, SftpError, "Too many open files");
    for (const listing of listings.slice(1)) await listing.return!();
    for (let count = 0; count < 4; count++) files.push(await backend.open("file", READING));
    await assertRejects(refused, SftpError, "Too many open files");
    for (const file of files) await file.close();
  },
});

Deno.test({
  name: "a file whose truncation fails is closed, and no longer counted",
  ignore,
  fn: async () => {
    const { open, calls } = notedDescriptors();
    using _ = replacedPosix({
      ...calls,
      ftruncateSync() {
        throw Object.assign(new Error("disk"), { code: "EIO" });
      },
    });
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "text");
    const tree = new UnrestrictedTree(here.path);
    const backend = filesOf(tree, here.path, false, new Descriptors(2)); // one of them for files
    for (let round = 0; round < 3; round++) {
      const attempts: (() => Promise<unknown>)[] = [
        () => backend.open("file", { ...READING, write: true, truncate: true }),
        () => backend.setStat("file", { size: 1 }),
        () => backend.lsetStat("file", { size: 1 }),
      ];
      for (const attempt of attempts) {
        assertEquals(statusOf(await assertRejects(attempt)).message, "Input/output error");
        assertEquals(open, new Set());
      }
    }
    await (await backend.open("file", READING)).close();
    assertEquals(open, new Set());
  },
});

Deno.test({
  name:
    "attributes of a path are set in the order of OpenSSH, by the path of the link itself if asked",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "text");
    const [atime, mtime] = [new Date(1e12), new Date(1.1e12)];
    const calls: unknown[][] = [];
    const names = ["ftruncateSync", "chmodSync", "lutimesSync", "lchownSync"] as const;
    using _ = replacedPosix(Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => {
      calls.push([name, ...args.slice(1)]);
    }])));
    const backend = filesOf(new UnrestrictedTree(here.path), here.path);
    const changes = { size: 5, mode: 0o104755, uid: 1, gid: 2, atime, mtime };
    for (const change of [backend.setStat, backend.lsetStat]) {
      calls.length = 0;
      await change.call(backend, "file", changes);
      assertEquals(calls, [
        ["ftruncateSync", 5],
        ["chmodSync", 0o4755],
        ["lutimesSync", atime, mtime],
        ["lchownSync", 1, 2],
      ]);
    }
  },
});

Deno.test({
  name: "a change with setuid bits changes nothing in a jail, not even the length",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "text");
    const backend = localFiles({ root: here.path });
    for (const mode of [0o4755, 0o2755]) {
      const change = { size: 1, mode, atime: new Date(1), mtime: new Date(1) };
      const error = await assertRejects(() => backend.setStat!("file", change));
      assertEquals(statusOf(error).status, SftpStatus.PERMISSION_DENIED);
    }
    const { size, mtime } = await Deno.stat(`${here.path}/file`);
    assert(size === 4 && mtime! > new Date(2));
  },
});

Deno.test({
  name: "the root is neither removed, moved nor replaced, by any of its paths",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/dir`);
    const backend = localFiles({ root: here.path }) as Required<SftpBackend>;
    for (const root of ["/", ".", "..", "/dir/..", "", "//"]) {
      const attempts: (() => Promise<void>)[] = [
        () => backend.remove(root),
        () => backend.rmdir(root),
        () => backend.rename(root, "/new", { overwrite: true }),
        () => backend.rename(root, "/new", { overwrite: false }),
        () => backend.rename("/dir", root, { overwrite: true }),
      ];
      for (const attempt of attempts) {
        assertEquals(statusOf(await assertRejects(attempt)), {
          status: SftpStatus.PERMISSION_DENIED,
          message: "It is the root",
        });
      }
      assertEquals(
        statusOf(await assertRejects(() => backend.rename("/dir", root, { overwrite: false })))
          .message,
        "File exists",
      );
    }
  },
});

Deno.test({
  name: "a file that is swapped for a link after it was found keeps the mode of the link's target",
  ignore: Deno.build.os !== "linux" || WITHOUT_DESCRIPTORS,
  fn: async () => {
    await using here = await folder();
    await using outside = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "");
    await Deno.writeTextFile(`${outside.path}/secret`, "");
    await Deno.chmod(`${outside.path}/secret`, 0o600);
    await Deno.chmod(`${here.path}/file`, 0o600);
    const { chmodSync } = runtime.posix;
    using _ = replacedPosix({
      chmodSync(path: string, mode: number) {
        Deno.renameSync(`${here.path}/file`, `${here.path}/moved`);
        Deno.symlinkSync(`${outside.path}/secret`, `${here.path}/file`);
        chmodSync(path, mode);
      },
    });
    await localFiles({ root: here.path }).setStat!("file", { mode: 0o644 });
    assertEquals((await Deno.stat(`${outside.path}/secret`)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(`${here.path}/moved`)).mode! & 0o777, 0o644);
  },
});

Deno.test({
  name: "no folder on the way to a refused path stays open",
  ignore: Deno.build.os !== "linux" || WITHOUT_DESCRIPTORS,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/dir/deep`, { recursive: true });
    await Deno.writeTextFile(`${here.path}/dir/deep/file`, "");
    await Deno.symlink("file", `${here.path}/dir/deep/link`);
    const { open, calls } = notedDescriptors();
    using _ = replacedPosix({
      ...calls,
    });
    const backend = localFiles({ root: here.path }) as Required<SftpBackend>;
    for (const name of ["file", "link", "none"]) {
      const path = `/dir/deep/${name}`;
      const attempts: (() => Promise<unknown>)[] = [
        () => backend.readDir(path)[Symbol.asyncIterator]().next(),
        () => backend.rmdir(path),
        () => backend.readLink(name === "link" ? "/dir/deep/file" : path),
        () => backend.link("/dir/deep/none", path),
        () => backend.rename("/dir/deep/none", path, { overwrite: true }),
        () => backend.rename("/dir/deep/file", "/dir/deep/link", { overwrite: false }),
        () => backend.lsetStat(name === "file" ? "/dir/deep/none" : path, { size: 1 }),
      ];
      for (const [index, attempt] of attempts.entries()) {
        await assertRejects(attempt);
        assertEquals([name, index, open.size], [name, index, 0]);
      }
    }
  },
});

Deno.test({
  name: "the account files of the system are only read, and those of a jail may be links",
  ignore,
  fn: async () => {
    await using here = await folder();
    const { openSync, constants } = runtime.posix;
    const system: number[] = [];
    using _ = replacedPosix({
      openSync(path: string, flags: number, mode?: number) {
        if (!path.startsWith("/etc/")) return openSync(path, flags, mode);
        system.push(flags);
        throw Object.assign(new Error("EACCES"), { code: "EACCES" }); // not in a test
      },
    });
    for (const blocking of [false, true]) {
      const backend = filesOf(new UnrestrictedTree(here.path), here.path, blocking);
      assertEquals(await backend.userNames([0]), [""]);
    }
    const { O_TRUNC, O_CREAT, O_WRONLY, O_RDWR, O_APPEND } = constants;
    const changing = O_TRUNC | O_CREAT | O_WRONLY | O_RDWR | O_APPEND;
    assertEquals([system.length > 0, system.map((flags) => flags & changing)], [
      true,
      system.map(() => 0),
    ]);
    await Deno.mkdir(`${here.path}/etc`);
    await Deno.writeTextFile(`${here.path}/accounts`, "ann:x:7:8::/home/ann:/bin/sh\n");
    await Deno.symlink("/accounts", `${here.path}/etc/passwd`);
    assertEquals(await localFiles({ root: here.path }).userNames!([7]), ["ann"]);
  },
});

Deno.test({
  name: "entries of a listing have the names of their owner and group, if they are known",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/etc`);
    const { uid, gid } = await Deno.stat(here.path);
    const etc = (own: number, group: number) =>
      Promise.all([
        Deno.writeTextFile(`${here.path}/etc/passwd`, `ann:x:${own}:7::/home/ann:/bin/sh\n`),
        Deno.writeTextFile(`${here.path}/etc/group`, `staff:x:${group}:\n`),
      ]);
    const listed = () =>
      Array.fromAsync(
        localFiles({ root: here.path }).readDir!("/"),
        ({ name, owner, group }) => [name, owner, group],
      );
    const names = [".", "..", "etc"];
    await etc(uid!, gid!);
    assertEquals(await listed(), names.map((name) => [name, "ann", "staff"]));
    await etc(uid! + 1, gid! + 1);
    assertEquals(await listed(), names.map((name) => [name, null, null]));
  },
});

Deno.test({
  name: "a file that is removed after its name was read is left out, and a denied look-up fails",
  ignore,
  fn: async () => {
    await using here = await folder();
    for (const name of ["a", "gone", "z"]) await Deno.writeTextFile(`${here.path}/${name}`, "");
    const backend = filesOf(new Jail(new PathFolders(here.path), "/"), "/");
    const listed = async (error: Error) => {
      using _ = replacedFiles({
        lstatSync(path) {
          if (`${path}`.endsWith("/gone")) throw error;
          return Deno.lstatSync(path);
        },
      });
      return (await Array.fromAsync(backend.readDir("/"), ({ name }) => name)).sort();
    };
    assertEquals(await listed(new Deno.errors.NotFound("gone")), [".", "..", "a", "z"]);
    const denied = await assertRejects(() => listed(new Deno.errors.PermissionDenied("gone")));
    assertEquals(statusOf(denied).status, SftpStatus.PERMISSION_DENIED);
  },
});

Deno.test({
  name: "a listing ends when its folder is swapped for a link, and shows nothing from outside",
  ignore,
  fn: async () => {
    await using here = await folder();
    await using outside = await folder();
    await Deno.mkdir(`${here.path}/dir`);
    for (const root of [`${here.path}/dir`, outside.path]) {
      for (let index = 0; index < 40; index++) await Deno.writeTextFile(`${root}/${index}`, "");
    }
    const backend = filesOf(new Jail(new PathFolders(here.path), "/"), "/");
    for (const seen of [2, 34]) {
      const listing = backend.readDir("/dir");
      for (let count = 0; count < seen; count++) assertEquals((await listing.next()).done, false);
      await Deno.rename(`${here.path}/dir`, `${here.path}/moved`);
      await Deno.symlink(outside.path, `${here.path}/dir`);
      const error = await assertRejects(() => listing.next());
      assertEquals(statusOf(error).status, SftpStatus.NO_SUCH_FILE);
      assertEquals((await listing.next()).done, true);
      await Deno.remove(`${here.path}/dir`);
      await Deno.rename(`${here.path}/moved`, `${here.path}/dir`);
    }
  },
});

Deno.test({
  name: "a renaming replaces a link and not the file that it leads to, and moves a link itself",
  ignore,
  fn: async () => {
    for (const kind of ["jail", "open"] as const) {
      await using w = await world(kind);
      const read = () =>
        Promise.all(["link", "target"].map((name) => Deno.readTextFile(`${w.root}/${name}`)));
      await Deno.writeTextFile(`${w.root}/file`, "new");
      await Deno.writeTextFile(`${w.root}/target`, "old");
      await Deno.symlink("target", `${w.root}/link`);
      await w.backend.rename("file", "link", { overwrite: true });
      assertEquals(await read(), ["new", "old"]);
      assert((await Deno.lstat(`${w.root}/link`)).isFile);
      await Deno.remove(`${w.root}/link`);
      await Deno.symlink("target", `${w.root}/link`);
      await w.backend.rename("link", "moved", { overwrite: true });
      assertEquals(await Deno.readLink(`${w.root}/moved`), "target");
      assertEquals(await Deno.readTextFile(`${w.root}/target`), "old");
    }
  },
});

Deno.test({
  name: "a refusal says what is there instead",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "");
    await Deno.mkdir(`${here.path}/dir`);
    await Deno.symlink("dir", `${here.path}/link`);
    const backend = localFiles({ root: here.path }) as Required<SftpBackend>;
    const said = async (attempt: Promise<unknown>) =>
      statusOf(await assertRejects(() => attempt)).message;
    for (const path of ["file", "link"]) {
      assertEquals(await said(backend.rmdir(path)), "Not a directory");
    }
    assertEquals(await said(backend.remove("dir")), "Is a directory");
    assertEquals(await said(backend.open("dir", READING)), "Is a directory");
    assertEquals(await said(backend.readLink("file")), "Not a symbolic link");
    for (const path of ["dir", "link"]) {
      assertEquals(await said(backend.link(path, "new")), "Not a regular file");
    }
    for (const path of ["file", "dir", "link"]) {
      assertEquals(await said(backend.mkdir(path, null)), "File exists");
      assertEquals(await said(backend.symlink("x", path)), "File exists");
      assertEquals(await said(backend.link("file", path)), "File exists");
      assertEquals(await said(backend.rename("file", path, { overwrite: false })), "File exists");
      const create = { ...READING, write: true, create: true, createNew: true };
      assertEquals(await said(backend.open(path, create)), "File exists");
    }
    assertEquals(await said(backend.home("none")), "No such user");
  },
});

Deno.test({
  name: "the names of groups are read again when their file changes, and not otherwise",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/etc`);
    const put = async (name: string, text: string, time: number) => {
      await Deno.writeTextFile(`${here.path}/etc/${name}`, text);
      await Deno.utime(`${here.path}/etc/${name}`, 1, time);
    };
    await put("passwd", "ann:x:7:8::/home/ann:/bin/sh\n", 1);
    await put("group", "staff:x:8:\n", 1);
    const { readSync } = runtime.posix;
    let reads = 0;
    using _ = replacedPosix({
      readSync(...args: Parameters<typeof readSync>) {
        reads++;
        return readSync(...args);
      },
    });
    const backend = localFiles({ root: here.path }) as Required<SftpBackend>;
    for (let round = 0; round < 3; round++) {
      assertEquals(await backend.groupNames([8, 9]), ["staff", ""]);
      assertEquals(await backend.userNames([7, 9]), ["ann", ""]);
      await Array.fromAsync(backend.readDir("/"));
    }
    assertEquals(reads, 2);
    await put("group", "crew:x:8:\n", 2);
    assertEquals(await backend.groupNames([8]), ["crew"]);
    assertEquals(reads, 4);
  },
});

Deno.test({
  name: 'a root that is not a folder is refused, and "/" takes no quota',
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "");
    assertThrows(() => localFiles({ root: `${here.path}/file` }), Error, "not a directory");
    assertThrows(() => localFiles({ root: `${here.path}/none` }), Deno.errors.NotFound);
    assertThrows(() => localFiles({ root: "/", quota: { bytes: 1 } }), TypeError, "no quota");
    localFiles({ root: here.path, quota: { bytes: 1 } });
  },
});

Deno.test({
  name: "a read-only folder refuses changes, and a relative path starts at its home",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/home`);
    await Deno.writeTextFile(`${here.path}/home/file`, "text");
    const fixed = localFiles({ root: here.path, home: "/home", readOnly: true });
    assertEquals((await fixed.stat!("file")).size, 4);
    const error = await assertRejects(() => fixed.remove!("file"));
    assertEquals(statusOf(error).status, SftpStatus.PERMISSION_DENIED);
    const free = localFiles({ root: here.path, home: "/home", quota: { bytes: 100 } });
    await free.remove!("file");
    assertEquals(await free.home!(""), "/home");
    assertEquals(await Array.fromAsync(Deno.readDir(`${here.path}/home`)), []);
  },
});
