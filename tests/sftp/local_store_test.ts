/** Local files as one end of a folder transfer. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SftpFileInfo, SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { S_IF } from "../../lib/sftp/protocol/numbers.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { LocalStore } from "../../lib/sftp/transfer/local_store.ts";
import { partName } from "../../lib/sftp/transfer/resume.ts";
import type { OpenFile } from "../../lib/runtime/files.ts";
import { replacedFiles } from "./local_files.ts";
import { folder, turn } from "./world.ts";

const ignore = Deno.build.os === "windows";

function storeOf(options: SftpTransferOptions = {}): LocalStore {
  return new LocalStore({ options, limits: {}, inFlight: 1, warn() {} });
}

const INFO: SftpFileInfo = infoOf({ size: 0 }, S_IF.FILE);

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o7777;
}

async function turns(): Promise<void> {
  for (let count = 0; count < 3; count++) await turn();
}

Deno.test({
  name: "a missing file is null, and another failure is an error",
  ignore,
  fn: async () => {
    await using here = await folder();
    const store = storeOf();
    await Deno.writeTextFile(`${here.path}/file`, "text");
    await Deno.symlink("loop", `${here.path}/loop`);
    await Deno.symlink("file", `${here.path}/link`);
    for (const name of ["none", "file/x", "loop"]) {
      assertEquals(await store.stat(`${here.path}/${name}`), null);
    }
    assertEquals(await store.lstat(`${here.path}/none`), null);
    assertEquals((await store.lstat(`${here.path}/loop`))?.isSymlink, true);
    assertEquals((await store.stat(`${here.path}/link`))?.isFile, true);
    const denied = () => Promise.reject(new Deno.errors.PermissionDenied("no"));
    using _ = replacedFiles({ stat: denied, lstat: denied });
    await assertRejects(() => store.stat(here.path), Deno.errors.PermissionDenied);
    await assertRejects(() => store.lstat(here.path), Deno.errors.PermissionDenied);
  },
});

Deno.test({
  name: "files are looked up in a listing only if sizes and times matter; other entries always",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.writeTextFile(`${here.path}/file`, "text");
    await Deno.mkdir(`${here.path}/dir`);
    await Deno.symlink("gone", `${here.path}/link`);
    const looked: string[] = [];
    let removed = false;
    using _ = replacedFiles({
      lstat: (path) => {
        looked.push(path.slice(here.path.length + 1));
        if (!removed && path.endsWith("link")) {
          removed = true;
          return Promise.reject(new Deno.errors.NotFound());
        }
        return Deno.lstat(path);
      },
    });
    const list = async (options: SftpTransferOptions) => {
      const found = await Array.fromAsync(storeOf(options).list(here.path));
      return found.map(({ name, info }) => [name, info.isFile, info.isDirectory, info.size > 0])
        .sort();
    };
    const [dir, file, ...rest] = await list({});
    assertEquals([dir!.slice(0, 3), file, rest], [["dir", false, true], [
      "file",
      true,
      false,
      false,
    ], []]);
    assertEquals(looked.splice(0).sort(), ["dir", "link"]);
    const entries = await Array.fromAsync(storeOf().list(here.path));
    assertEquals(entries.find(({ name }) => name === "file"), { name: "file", info: INFO });
    looked.length = 0;
    const exact: SftpTransferOptions[] = [
      { update: true },
      { update: "checksum" },
      { filter: () => true },
      { dryRun: true },
    ];
    for (const options of exact) {
      const all = await list(options);
      assertEquals(all.map(([name]) => name), ["dir", "file", "link"]);
      assertEquals(all[1], ["file", true, false, true]);
      assertEquals(looked.splice(0).length, 3);
    }
    await list({ exclude: ["x"], preserve: true, resume: true });
    assertEquals(looked.sort(), ["dir", "link"]);
  },
});

Deno.test("an abort ends the wait for the other end of a pipe, which is closed if it opens later", async () => {
  const pipe: SftpFileInfo = infoOf({ size: 0 }, S_IF.FIFO);
  for (const end of ["source", "target"] as const) {
    const reason = new Error("enough");
    const abort = new AbortController();
    const opening = Promise.withResolvers<OpenFile>();
    const closed = Promise.withResolvers<void>();
    using _ = replacedFiles({
      stat: () => Promise.resolve(pipe as Deno.FileInfo),
      open: () => {
        abort.abort(reason);
        return opening.promise;
      },
    });
    const limits = { signal: abort.signal };
    const store = new LocalStore({ options: {}, limits, inFlight: 1, warn() {} });
    const request = { path: "/pipe", name: "pipe", info: null, inside: false };
    const error = await assertRejects(
      () => end === "source" ? store.source("/pipe", pipe) : store.target(request),
      Error,
    );
    assertEquals([error, error.message], [reason, "enough"]);
    const stat = pipe as Deno.FileInfo;
    const file: Partial<OpenFile> = {
      statSync: () => stat,
      stat: () => Promise.resolve(stat),
      close: () => closed.resolve(),
    };
    opening.resolve(file as OpenFile);
    await closed.promise;
  }
});

Deno.test("a pipe whose opening fails after an abort is no unhandled rejection", async () => {
  const pipe: SftpFileInfo = infoOf({ size: 0 }, S_IF.FIFO);
  const abort = new AbortController();
  const opening = Promise.withResolvers<OpenFile>();
  using _ = replacedFiles({
    open: () => {
      abort.abort(new Error("enough"));
      return opening.promise;
    },
  });
  const limits = { signal: abort.signal };
  const store = new LocalStore({ options: {}, limits, inFlight: 1, warn() {} });
  await assertRejects(() => store.source("/pipe", pipe), Error, "enough");
  opening.reject(new Error("it was removed"));
  await turns();
});

Deno.test("a dry run opens neither a pipe nor a device", async () => {
  using _ = replacedFiles({ open: () => Promise.reject(new Error("it may wait for ever")) });
  const pipe: SftpFileInfo = infoOf({ size: 0 }, S_IF.FIFO);
  const source = await storeOf({ dryRun: true }).source("/pipe", pipe);
  assertEquals([source.size, source.info, source.sparse], [null, pipe, false]);
  assertEquals(await source.next(1), null);
  source.release(new Uint8Array(1));
  source.close();
});

Deno.test({
  name: "stopping a listing closes its folder",
  sanitizeResources: true,
  async fn() {
    await using here = await folder();
    for (const name of ["a", "b", "c"]) await Deno.mkdir(`${here.path}/${name}`);
    for (const name of ["d", "e", "f"]) await Deno.writeTextFile(`${here.path}/${name}`, "");
    for await (const { name } of storeOf().list(here.path)) {
      assert("abcdef".includes(name));
      break;
    }
  },
});

Deno.test("many folders are looked up in limited batches", async () => {
  await using here = await folder();
  for (let i = 0; i < 150; i++) await Deno.mkdir(`${here.path}/${i}`);
  let [looking, most, looked] = [0, 0, 0];
  using _ = replacedFiles({
    async lstat(path) {
      most = Math.max(most, ++looking);
      const info = await Deno.lstat(path);
      await turns();
      looking--;
      // The third of the first batch has been removed.
      if (++looked === 3) throw new Deno.errors.NotFound();
      return info;
    },
  });
  const found = await Array.fromAsync(storeOf().list(here.path));
  assertEquals(new Set(found.map(({ name }) => name)).size, 149);
  assertEquals(most, 64);
});

/** A folder with one subfolder; the end of its listing comes `turns` later. */
function slowListing(name: string): (path: string) => AsyncIterable<Deno.DirEntry> {
  return async function* () {
    yield { name, isFile: false, isDirectory: true, isSymlink: false };
    await turns();
  };
}

Deno.test("a look-up that fails while the next name is awaited is the listing's error", async () => {
  using _ = replacedFiles({
    readDir: slowListing("dir"),
    lstat: () => Promise.reject(new Deno.errors.PermissionDenied("Permission denied")),
  });
  const { message } = await assertRejects(
    () => Array.fromAsync(storeOf().list("/folder")),
    Deno.errors.PermissionDenied,
  );
  const path = runtime.paths.join("/folder", "dir");
  assertEquals(message, `Cannot lstat "${path}" on this machine: Permission denied`);
});

Deno.test("a name that is not UTF-8 is listed, and its file cannot be read or removed", async () => {
  await using here = await folder();
  const store = storeOf({ update: true });
  const listings: [name: string, listed: string[]][] = [["gone", []], ["caf\ufffd", ["caf\ufffd"]]];
  for (const [name, listed] of listings) {
    using _ = replacedFiles({ readDir: slowListing(name) });
    const found = await Array.fromAsync(store.list(here.path));
    assertEquals(found.map(({ name }) => name), listed);
  }
  const path = store.join(here.path, "caf\ufffd");
  const reason = "its name is not UTF-8, so it cannot be opened: rename it";
  for (const operation of ["read", "remove"] as const) {
    await store.makeFolder(here.path, null, "root");
    const { message } = await assertRejects(
      async () => void await (operation === "read" ? store.source(path, null) : store.remove(path)),
      Deno.errors.NotFound,
    );
    assertEquals(message, `Cannot ${operation} "${path}" on this machine: ${reason}`);
  }
  const { message } = await assertRejects(() => store.source(`${path}/gone`, null), Error);
  assert(!message.includes("UTF-8"), message);
});

Deno.test({
  name: "a path that climbs out of a link is read and written where the system takes it",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/other/dir`, { recursive: true });
    await Deno.mkdir(`${here.path}/h/dir`, { recursive: true });
    await Deno.symlink("../other/dir", `${here.path}/h/link`);
    for (const path of [`${here.path}/h/link/..`, `${here.path}/h/link/../`]) {
      for (const options of [{}, { resume: true }]) {
        const store = storeOf(options);
        await store.makeFolder(path, null, "root");
        const target = await store.target({
          path: store.join(path, "file"),
          name: "/x",
          info: INFO,
          inside: true,
        });
        // The incomplete file is beside the complete one.
        const names = (folder: string) =>
          Array.fromAsync(Deno.readDir(`${here.path}/${folder}`), ({ name }) => name);
        assertEquals((await names("h")).sort(), ["dir", "link"]);
        await target.commit(null);
        assertEquals((await names("other")).sort(), ["dir", "file"]);
        const entries = await Array.fromAsync(storeOf({ update: true }).list(path));
        assertEquals(entries.map(({ name }) => name).sort(), ["dir", "file"]);
        await Deno.remove(`${here.path}/other/file`);
      }
    }
  },
});

Deno.test("stopping a listing waits until its folder is closed", async () => {
  let closed = false;
  using _ = replacedFiles({
    readDir: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: { ...INFO, name: "file" } }),
        async return() {
          await turns();
          closed = true;
          return { done: true, value: undefined };
        },
      }),
    }),
  });
  for await (const { name } of storeOf().list("/folder")) {
    assertEquals(name, "file");
    break;
  }
  assertEquals(closed, true);
});

Deno.test({
  name: "a link is made only if it stays inside despite other links",
  ignore,
  fn: async () => {
    await using here = await folder();
    const root = `${here.path}/root`;
    await Deno.mkdir(`${root}/a/b`, { recursive: true });
    const cases: [target: string, at: string, made: boolean][] = [
      ["file", "a/link", true],
      ["b/../file", "a/link", false], // possibly out of the target if b is a link
      ["./b/./file", "a/link", true],
      ["./../x", "a/link", true],
      [".//..//x", "a/link", true],
      ["..", "a/link", true],
      ["../..", "a/b/link", true],
      ["../x", "a/link", true],
      ["../..", "a/link", false],
      ["../../x", "a/link", false],
      ["..", "link", false],
      ["../root", "link", true],
      ["../root2", "link", false],
      ["..file", "link", true],
      ["/etc/passwd", "link", false],
      [`${root}/a`, "link", false],
      ["a\\..\\..\\x", "link", false],
      [".", "link", true],
    ];
    const store = storeOf();
    await store.makeFolder(root, null, "root");
    for (const [target, at, made] of cases) {
      const making = store.symlink(target, `${root}/${at}`, root);
      if (made) {
        await making;
        assertEquals(await Deno.readLink(`${root}/${at}`), target);
        assertEquals(await store.readLink(`${root}/${at}`), target);
        await Deno.remove(`${root}/${at}`);
      } else {
        const { message } = await assertRejects(() => making, Deno.errors.InvalidData, "", target);
        assertEquals(message, `Cannot make the link "${root}/${at}": it leads outside`);
      }
    }
    await store.symlink("one", `${root}/link`, root);
    await store.symlink("two", `${root}/link`, root); // an existing one is replaced
    assertEquals(await Deno.readLink(`${root}/link`), "two");
    {
      using _ = replacedFiles({
        async remove(path) {
          await turns();
          await Deno.remove(path);
        },
      });
      await store.symlink("three", `${root}/link`, root);
    }
    assertEquals(await Deno.readLink(`${root}/link`), "three");
    await Deno.writeTextFile(`${root}/file`, "text");
    await assertRejects(() => store.symlink("x", `${root}/file`, root), Deno.errors.AlreadyExists);
  },
});

Deno.test({
  name: "the root may be or contain a link, a folder inside may not",
  ignore,
  fn: async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/real`);
    await Deno.symlink("real", `${here.path}/link`);
    const store = storeOf();
    await store.makeFolder(`${here.path}/link/new/root`, 0o700, "root");
    await store.makeFolder(`${here.path}/link`, null, "root");
    await store.makeFolder(`${here.path}/link/a`, 0o41550, "inside");
    assertEquals(await modeOf(`${here.path}/real/a`), 0o750);
    const umask = Deno.umask(0o022);
    await store.makeFolder(`${here.path}/link/b`, null, "inside");
    Deno.umask(umask);
    assertEquals(await modeOf(`${here.path}/real/b`), 0o755);
    await store.makeFolder(`${here.path}/link/a`, 0o700, "inside"); // it exists
    await Deno.symlink("b", `${here.path}/real/c`);
    await Deno.writeTextFile(`${here.path}/real/d`, "");
    for (const name of ["c", "d"]) {
      const making = () => store.makeFolder(`${here.path}/link/${name}`, null, "inside");
      await assertRejects(making, Deno.errors.AlreadyExists);
    }
    await assertRejects(
      () => store.makeFolder(`${here.path}/link/none/x`, null, "inside"),
      Deno.errors.NotFound,
    );
  },
});

Deno.test("a root is complete before it is used, however long it takes", async () => {
  await using here = await folder();
  const store = storeOf();
  using _ = replacedFiles({
    async mkdir(path, options) {
      await turns();
      await Deno.mkdir(path, options);
    },
  });
  await store.makeFolder(`${here.path}/a/b`, null, "root");
  assertEquals((await Deno.stat(`${here.path}/a/b`)).isDirectory, true);
});

Deno.test("a folder that cannot be made is an error, although one is there", async () => {
  await using here = await folder();
  using _ = replacedFiles({ mkdir: () => Promise.reject(new Deno.errors.PermissionDenied("no")) });
  await assertRejects(
    () => storeOf().makeFolder(here.path, null, "inside"),
    Deno.errors.PermissionDenied,
  );
});

Deno.test({
  name: "nothing is written into a folder that now leads outside",
  ignore,
  fn: async () => {
    await using here = await folder();
    const root = `${here.path}/root`;
    const store = storeOf({ preserve: true });
    await Deno.mkdir(`${here.path}/root2`); // which begins as the root does
    await store.makeFolder(root, null, "root");
    await store.makeFolder(`${root}/dir`, null, "inside");
    const info = { ...INFO, mode: 0o40700, mtime: new Date(1e12) };
    await store.setAttributes(`${root}/dir`, info);
    await Deno.remove(`${root}/dir`);
    await Deno.symlink(`${here.path}/root2`, `${root}/dir`);
    const request = { path: `${root}/dir/file`, name: "/x", info: INFO, inside: true };
    for (
      const attempt of [
        () => store.setAttributes(`${root}/dir`, info),
        () => store.symlink("x", `${root}/dir/link`, root),
        () => store.target(request),
        () => store.makeFolder(`${root}/dir/deep`, null, "inside"),
      ]
    ) await assertRejects(attempt, Deno.errors.InvalidData);
    await Deno.remove(`${here.path}/root2/deep`).catch(() => {}); // an empty folder may remain
    assertEquals(await Array.fromAsync(Deno.readDir(`${here.path}/root2`)), []);
    assert((await Deno.stat(`${here.path}/root2`)).mtime!.getTime() !== 1e12);
  },
});

Deno.test({
  name: "a file, a link or a folder with its content is removed, but nothing outside",
  ignore,
  fn: async () => {
    await using here = await folder();
    const root = `${here.path}/root`;
    const store = storeOf();
    await Deno.mkdir(`${here.path}/outside`);
    await Deno.writeTextFile(`${here.path}/outside/precious`, "");
    await Deno.mkdir(`${root}/folder/deep`, { recursive: true });
    await Deno.writeTextFile(`${root}/folder/deep/file`, "");
    await Deno.writeTextFile(`${root}/file`, "");
    await Deno.symlink("../outside", `${root}/link`);
    await store.makeFolder(root, null, "root");
    await assertRejects(() => store.remove(`${root}/link/precious`), Deno.errors.InvalidData);
    await assertRejects(() => store.remove(`${here.path}/outside`), Deno.errors.InvalidData);
    for (const name of ["folder", "file", "link"]) await store.remove(`${root}/${name}`);
    assertEquals(await Array.fromAsync(Deno.readDir(root)), []);
    assertEquals((await Deno.stat(`${here.path}/outside/precious`)).isFile, true);
    const { message } = await assertRejects(() => store.remove(`${root}/none`), Error);
    assert(message.startsWith(`Cannot remove "${root}/none" on this machine: `), message);
  },
});

Deno.test("a store without a root writes anywhere", async () => {
  await using here = await folder();
  const request = { path: `${here.path}/file`, name: "/x", info: INFO, inside: true };
  const target = await storeOf().target(request);
  await target.discard(new Error("enough"));
});

Deno.test("the root of the file system works as a root", async () => {
  await using here = await folder();
  const store = storeOf();
  using _ = replacedFiles({
    mkdir: () => Promise.resolve(),
    realPath: () => Promise.resolve("/"),
  });
  await store.makeFolder("/", null, "root");
  const request = { path: `${here.path}/file`, name: "/x", info: INFO, inside: true };
  await (await store.target(request)).discard(new Error("enough"));
});

Deno.test({
  name: "folders get only the preserved attributes",
  ignore,
  fn: async () => {
    await using here = await folder();
    const path = `${here.path}/dir`;
    await Deno.mkdir(path);
    const calls: unknown[][] = [];
    const note = (name: string) => async (...args: unknown[]) => {
      await turns();
      calls.push([name, ...args.slice(1)]);
    };
    using _ = replacedFiles({ chown: note("chown"), chmod: note("chmod"), utime: note("utime") });
    const [atime, mtime] = [new Date(1), new Date(2)];
    const all = { ...INFO, mode: 0o42755, atime, mtime, uid: 1, gid: 2 };
    const cases: [SftpTransferOptions, Partial<SftpFileInfo>, unknown[][]][] = [
      [{}, {}, []],
      [{ preserve: true }, {}, [["chmod", 0o755], ["utime", atime, mtime]]],
      [{ preserve: true }, { mode: null, atime: null }, [["utime", mtime, mtime]]],
      [{ preserve: true }, { mtime: null }, [["chmod", 0o755]]],
      [{ owners: true }, {}, [["chown", 1, 2]]],
      [{ owners: true }, { uid: null }, []],
      [{ owners: true }, { gid: null }, []],
      [{ owners: true, preserve: true }, {}, [
        ["chown", 1, 2],
        ["chmod", 0o755],
        ["utime", atime, mtime],
      ]],
    ];
    for (const [options, changes, expected] of cases) {
      await storeOf(options).setAttributes(path, { ...all, ...changes });
      assertEquals(calls.splice(0), expected);
    }
  },
});

Deno.test({
  name: "a device is a direct target unless it is inside a folder, and a folder is refused",
  ignore,
  fn: async () => {
    await using here = await folder();
    const store = storeOf();
    const request = { path: "/dev/null", name: "/x", info: INFO, inside: false };
    const device = await store.target(request);
    assertEquals(device.start, undefined);
    await device.discard(new Error("enough"));
    const { message } = await assertRejects(
      () => store.target({ ...request, path: here.path }),
      Deno.errors.IsADirectory,
    );
    assertEquals(message, `Cannot write "${here.path}" on this machine: It is a directory`);
    await Deno.symlink("/dev/null", `${here.path}/link`);
    const inside = await store.target({ ...request, path: `${here.path}/link`, inside: true });
    assert(inside.start !== undefined);
    await inside.discard(new Error("enough"));
    const fresh = { ...request, path: `${here.path}/new` };
    const resumed = await storeOf({ resume: true }).target(fresh);
    await resumed.discard(new Error("enough"));
    const names = await Array.fromAsync(Deno.readDir(here.path), ({ name }) => name);
    assertEquals(names.sort(), [partName(fresh, 0), "link"]);
  },
});

Deno.test("names and paths are in local syntax", async () => {
  const store = storeOf();
  assertEquals([store.trusted, store.join("a", "b").length], [true, 3]);
  assertEquals([store.nameProblem("a"), store.nameProblem("..")], [null, "it leads elsewhere"]);
  await using here = await folder();
  assertEquals(await store.realPath(`${here.path}/.`), here.path);
});
