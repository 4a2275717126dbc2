import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { Jail, PathFolders } from "../../lib/sftp/server/jail.ts";
import { filesOf } from "../../lib/sftp/server/local_files.ts";
import {
  localFiles,
  serveSftp,
  type SftpBackend,
  SftpClient,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { channelPair, folder, ourWorld, refusal, type World } from "./world.ts";

/** A served folder next to a tree that must not be reachable. */
async function jailed(
  backend: (root: string) => SftpBackend = (root) => localFiles({ root }),
): Promise<World & { outside: string }> {
  const outside = await folder();
  await Deno.writeTextFile(`${outside.path}/secret`, "secret");
  await Deno.mkdir(`${outside.path}/empty`);
  const world = await ourWorld({ backend });
  return {
    ...world,
    outside: outside.path,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await outside[Symbol.asyncDispose]();
    },
  };
}

/** A jail as on systems where folders cannot be held open. */
function byPath(root: string): SftpBackend {
  return filesOf(new Jail(new PathFolders(root), "/"), "/");
}

/** Checks that the outside tree is unchanged. */
async function untouched(outside: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(outside), ({ name }) => name);
  assertEquals(names.sort(), ["empty", "secret"]);
  const info = await Deno.stat(`${outside}/secret`);
  assertEquals([await Deno.readTextFile(`${outside}/secret`), info.mode! & 0o777], [
    "secret",
    0o644,
  ]);
}

Deno.test("`..` stops at the root", async () => {
  await using w = await jailed();
  for (const path of ["..", "/..", "../..", "/./../.././"]) {
    assertEquals(await w.sftp.realPath(path), "/");
  }
  for (const up of ["..", "../..", "/../../../../../.."]) {
    const path = `${up}${w.outside}/secret`;
    assertEquals(await refusal(w.sftp.readFile(path)), SftpStatus.NO_SUCH_FILE);
    assertEquals(await refusal(w.sftp.writeTextFile(path, "x")), SftpStatus.NO_SUCH_FILE);
  }
  await untouched(w.outside);
});

Deno.test("paths are normalized as by a shell", async () => {
  await using w = await jailed();
  await w.sftp.mkdir("/a/b", { recursive: true });
  await w.sftp.writeTextFile("/a/b/c", "x");
  for (
    const path of [
      "a/b/c",
      "//a//b//c",
      "./a/./b/./c",
      "/a/b/../b/c",
      "a/../a/b/../../a/b/c",
      "/../a/b/c",
    ]
  ) {
    assertEquals(await w.sftp.realPath(path), "/a/b/c");
  }
  assertEquals(await w.sftp.realPath(""), "/");
  assertEquals(await w.sftp.realPath("/a/b/new"), "/a/b/new");
  assertEquals(await refusal(w.sftp.realPath("/a/new/new")), SftpStatus.NO_SUCH_FILE);
  assertEquals(await refusal(w.sftp.stat("/a/b/c/d")), SftpStatus.NO_SUCH_FILE);
  assertEquals(await refusal(w.sftp.stat("/a/b/c/..")), SftpStatus.NO_SUCH_FILE);
});

for (
  const [what, backend] of Object.entries({
    "": undefined,
    ", where there are only paths": byPath,
  })
) {
  Deno.test(`a symbolic link never leads outside, whoever made it${what}`, async () => {
    await using w = await jailed(backend);
    const depth = "../".repeat(20);
    for (const target of [w.outside, depth + w.outside.slice(1)]) {
      await Deno.symlink(target, `${w.root}/by-host`);
      await w.sftp.symlink(target, "/by-client");
      for (const link of ["/by-host", "/by-client"]) {
        for (
          const attempt of [
            () => w.sftp.readFile(`${link}/secret`),
            () => w.sftp.writeTextFile(`${link}/secret`, "x"),
            () => w.sftp.writeTextFile(`${link}/new`, "x"),
            () => w.sftp.remove(`${link}/secret`),
            () => w.sftp.mkdir(`${link}/new`),
            () => w.sftp.rename("/by-client", `${link}/new`),
            () => w.sftp.link(`${link}/secret`, "/stolen"),
            () => w.sftp.chmod(`${link}/secret`, 0o777),
            () => w.sftp.symlink("x", `${link}/new`),
            () => w.sftp.stat(`${link}/secret`),
            () => Array.fromAsync(w.sftp.readDir(link)),
            () => w.sftp.stat(link),
          ]
        ) assertEquals(await refusal(attempt()), SftpStatus.NO_SUCH_FILE);
        assertEquals(await w.sftp.readLink(link), target);
        await w.sftp.remove(link);
      }
    }
    await untouched(w.outside);
  });
}

Deno.test("an absolute link starts at the root, as after chroot", async () => {
  await using w = await jailed();
  await w.sftp.mkdir("/real");
  await w.sftp.writeTextFile("/real/file", "x");
  await w.sftp.symlink("/real", "/absolute");
  await w.sftp.symlink("../../../real/./file", "/real/up");
  await w.sftp.symlink("/real/file", "/real/down");
  assertEquals(await w.sftp.realPath("/real/down"), "/real/file");
  assertEquals(await w.sftp.readTextFile("/absolute/file"), "x");
  assertEquals(await w.sftp.readTextFile("/absolute/up"), "x");
  assertEquals(await w.sftp.realPath("/absolute/up"), "/real/file");
});

Deno.test("loops of links are errors", async () => {
  await using w = await jailed();
  await w.sftp.symlink("b", "/a");
  await w.sftp.symlink("a", "/b");
  await w.sftp.symlink("self/self/self", "/self");
  for (const path of ["/a", "/a/x", "/self", "/self/.."]) {
    assertEquals(await refusal(w.sftp.stat(path)), SftpStatus.NO_SUCH_FILE);
  }
  assert((await w.sftp.lstat("/self")).isSymlink);
  await w.sftp.writeTextFile("/0", "x");
  for (let i = 0; i < 41; i++) await w.sftp.symlink(`${i}`, `/${i + 1}`);
  assertEquals(await w.sftp.realPath("/40"), "/0");
  assertEquals(await refusal(w.sftp.realPath("/41")), SftpStatus.NO_SUCH_FILE);
});

Deno.test("writing through a dangling link makes the file inside", async () => {
  await using w = await jailed();
  await w.sftp.symlink(`${w.outside}/new`, "/out");
  await w.sftp.symlink("/in-here", "/in");
  assertEquals(await refusal(w.sftp.writeTextFile("/out", "x")), SftpStatus.NO_SUCH_FILE);
  await w.sftp.writeTextFile("/in", "x");
  assertEquals(await Deno.readTextFile(`${w.root}/in-here`), "x");
  await w.sftp.symlink("/new-there", "/exclusive");
  assertEquals(await refusal(w.sftp.writeTextFile("/exclusive", "x", { createNew: true })), 4);
  await untouched(w.outside);
});

Deno.test("the root itself cannot be changed", async () => {
  await using w = await jailed();
  await w.sftp.mkdir("/other");
  assertEquals(
    await refusal(w.sftp.remove("/", { recursive: true })),
    SftpStatus.PERMISSION_DENIED,
  );
  assertEquals(await refusal(w.sftp.rename("/", "/x")), SftpStatus.PERMISSION_DENIED);
  assertEquals(await refusal(w.sftp.rename("/x/..", "/y")), SftpStatus.NO_SUCH_FILE);
  await w.sftp.mkdir("/other");
  assertEquals(await refusal(w.sftp.rename("/other", "/")), SftpStatus.PERMISSION_DENIED);
  assertEquals(await refusal(w.sftp.mkdir("/")), SftpStatus.FAILURE);
  assert((await Deno.stat(w.root)).isDirectory);
});

Deno.test("only files and directories can be opened", async () => {
  await using w = await jailed();
  using _socket = Deno.listen({ transport: "unix", path: `${w.root}/socket` });
  for (const path of ["/socket", "/"]) {
    assertEquals(await refusal(w.sftp.open(path)), SftpStatus.FAILURE);
    assertEquals(await refusal(w.sftp.open(path, { write: true })), SftpStatus.FAILURE);
    assertEquals(await refusal(w.sftp.truncate(path)), SftpStatus.FAILURE);
  }
  assertEquals(await refusal(Array.fromAsync(w.sftp.readDir("/socket"))), SftpStatus.NO_SUCH_FILE);
});

Deno.test("setuid and setgid bits are refused", async () => {
  await using w = await jailed();
  await w.sftp.writeTextFile("/file", "x", { mode: 0o6755 });
  assertEquals((await Deno.stat(`${w.root}/file`)).mode! & 0o7000, 0);
  for (const mode of [0o4755, 0o2755, 0o6777]) {
    assertEquals(await refusal(w.sftp.chmod("/file", mode)), SftpStatus.PERMISSION_DENIED);
  }
  await w.sftp.mkdir("/folder", { mode: 0o7777 });
  assertEquals((await Deno.stat(`${w.root}/folder`)).mode! & 0o6000, 0);
});

Deno.test("the session's umask is applied to new files and directories", async () => {
  await using w = await ourWorld({ serve: { umask: 0o077 } });
  await w.sftp.writeTextFile("/file", "x", { mode: 0o666 });
  await w.sftp.mkdir("/folder", { mode: 0o777 });
  assertEquals((await Deno.stat(`${w.root}/file`)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(`${w.root}/folder`)).mode! & 0o777, 0o700);
});

for (
  const [what, options] of Object.entries({
    "a read-only backend": { backend: (root: string) => localFiles({ root, readOnly: true }) },
    "a read-only session": { serve: { readOnly: true } },
  })
) {
  Deno.test(`${what} refuses every change and allows every look`, async () => {
    await using w = await ourWorld(options);
    await Deno.writeTextFile(`${w.root}/file`, "x");
    await Deno.symlink("file", `${w.root}/link`);
    for (
      const attempt of [
        () => w.sftp.writeTextFile("/file", "y"),
        () => w.sftp.open("/file", { read: true, write: true }),
        () => w.sftp.open("/file", { append: true }),
        () => w.sftp.open("/new", { write: true, create: true }),
        () => w.sftp.chmod("/file", 0o600),
        () => w.sftp.truncate("/file"),
        () => w.sftp.remove("/file"),
        () => w.sftp.mkdir("/new"),
        () => w.sftp.rename("/file", "/new"),
        () => w.sftp.rename("/file", "/new", { overwrite: false }),
        () => w.sftp.symlink("x", "/new"),
      ]
    ) assertEquals(await refusal(attempt()), SftpStatus.PERMISSION_DENIED);
    await assertRejects(() => w.sftp.link("/file", "/new"), SftpError);
    await using file = await w.sftp.open("/file");
    await assertRejects(() => file.setStat({ mode: 0o600 }), SftpError);
    assertEquals(await w.sftp.readTextFile("/link"), "x");
    assertEquals((await Array.fromAsync(w.sftp.readDir("/"))).length, 2);
    assertEquals(await w.sftp.readLink("/link"), "file");
    const names = await Array.fromAsync(Deno.readDir(w.root), ({ name }) => name);
    assertEquals(names.sort(), ["file", "link"]);
  });
}

Deno.test("a root that is missing or a file is refused immediately", async () => {
  await using here = await folder();
  await Deno.writeTextFile(`${here.path}/file`, "");
  assertThrows(() => localFiles({ root: `${here.path}/none` }), Deno.errors.NotFound);
  assertThrows(() => localFiles({ root: `${here.path}/file` }), Deno.errors.NotADirectory);
});

Deno.test("attributes of an open file change that file, not another one with its name", async () => {
  await using w = await jailed();
  await w.sftp.writeTextFile("/file", "12345");
  await using file = await w.sftp.open("/file", { write: true });
  await w.sftp.rename("/file", "/moved");
  await w.sftp.writeTextFile("/file", "other");
  await file.truncate(3);
  await file.setStat({ mode: 0o600, atime: new Date(1000), mtime: new Date(2000) });
  assertEquals(((await w.sftp.stat("/moved")).mode ?? 0) & 0o777, 0o600);
  assertEquals((await w.sftp.stat("/moved")).mtime, new Date(2000));
  assertEquals(((await w.sftp.stat("/file")).mode ?? 0) & 0o777, 0o644);
  assertEquals(await w.sftp.readTextFile("/moved"), "123");
  assertEquals(await w.sftp.readTextFile("/file"), "other");
});

/** Repeatedly swaps the folder `dir` with a link to the outside, until `done`. */
async function swap(
  rename: (from: string, to: string) => Promise<void>,
  done: () => boolean,
): Promise<number> {
  let swaps = 0;
  for (; !done(); swaps++) {
    await rename("dir", "aside");
    await rename("link", "dir");
    await rename("dir", "link");
    await rename("aside", "dir");
  }
  return swaps;
}

const SWAPPER = `
  onmessage = ({ data: { root, count } }) => {
    const swaps = new Int32Array(count);
    const rename = (from, to) => Deno.renameSync(root + "/" + from, root + "/" + to);
    while (Atomics.load(swaps, 1) === 0) {
      rename("dir", "aside");
      rename("link", "dir");
      rename("dir", "link");
      rename("aside", "dir");
      Atomics.add(swaps, 0, 1);
    }
    postMessage("done");
  };`;

/** The same in a separate thread, in parallel to the server. */
function swapper(root: string): AsyncDisposable & { swaps(): number } {
  const count = new Int32Array(new SharedArrayBuffer(8));
  const url = URL.createObjectURL(new Blob([SWAPPER], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const done = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage({ root, count: count.buffer });
  return {
    swaps: () => Atomics.load(count, 0),
    async [Symbol.asyncDispose]() {
      Atomics.store(count, 1, 1);
      await done;
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

/** A world whose `/dir` is continuously swapped with a link to the outside. */
async function swapped(
  backend?: (root: string) => SftpBackend,
): Promise<World & { outside: string; swaps(): number }> {
  const w = await jailed(backend);
  await Deno.mkdir(`${w.root}/dir`);
  await Deno.writeTextFile(`${w.root}/dir/secret`, "public");
  await Deno.symlink(w.outside, `${w.root}/link`);
  const other = swapper(w.root);
  return {
    ...w,
    swaps: other.swaps,
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await w[Symbol.asyncDispose]();
    },
  };
}

for (
  const [what, backend] of Object.entries({
    "where folders can be held on to": (root: string) => localFiles({ root }),
    "where there are only paths": (root: string) => byPath(root),
  })
) {
  Deno.test(`no content crosses the jail while another program swaps links into paths, ${what}`, async () => {
    await using w = await swapped(backend);
    const seen = new Set<string>();
    for (let i = 0; i < 300 || w.swaps() < 300; i++) {
      const text = await w.sftp.readTextFile("/dir/secret").catch((cause) => cause);
      seen.add(typeof text === "string" ? text : `status ${(text as SftpError).status}`);
      await w.sftp.writeTextFile("/dir/secret", "public", { create: false }).catch(() => {});
      await w.sftp.truncate("/dir/secret", 6).catch(() => {});
    }
    assert(!seen.has("secret"), [...seen].join());
    await untouched(w.outside);
  });
}

Deno.test({
  name: "nothing is made, moved or removed outside while another program swaps links into paths",
  ignore: runtime.descriptorPath(0) === null,
  fn: async () => {
    await using w = await swapped();
    const names = new Set<string>();
    for (let i = 0; i < 200 || w.swaps() < 300; i++) {
      for (
        const attempt of [
          () => w.sftp.mkdir(`/dir/folder ${i}`),
          () => w.sftp.writeTextFile(`/dir/file ${i}`, "x", { createNew: true }),
          () => w.sftp.symlink("x", `/dir/link ${i}`),
          () => w.sftp.link("/dir/secret", `/dir/second ${i}`),
          () => w.sftp.chmod("/dir/secret", 0o600),
          () => w.sftp.utime("/dir/secret", new Date(0), new Date(0)),
          () => w.sftp.rename("/dir/secret", "/dir/renamed"),
          () => w.sftp.rename("/dir/renamed", "/dir/secret"),
          () => w.sftp.remove("/dir/empty"),
        ]
      ) await attempt().catch(() => {});
      // Half of the time it is a link, which leads to nothing inside.
      const listed = await Array.fromAsync(w.sftp.readDir("/dir")).catch(() => []);
      for (const { name } of listed) names.add(name);
    }
    assert(!names.has("empty"), "a listing showed names from outside");
    await untouched(w.outside);
  },
});

Deno.test("a client that swaps links under another client gains nothing", async () => {
  await using outside = await folder();
  await Deno.writeTextFile(`${outside.path}/victim`, "safe");
  await using root = await folder();
  const backend = localFiles({ root: root.path });
  const [attacker, worker] = await Promise.all([0, 1].map(async () => {
    const [near, far] = channelPair();
    serveSftp(far, backend).catch(() => {});
    return await SftpClient.open(near);
  })) as [SftpClient, SftpClient];
  await attacker.mkdir("/dir");
  await attacker.symlink(outside.path, "/link");
  let done = false;
  const swapping = swap((from, to) => attacker.rename(`/${from}`, `/${to}`), () => done);
  for (let i = 0; i < 150; i++) {
    for (
      const attempt of [
        () => worker.remove("/dir/victim"),
        () => worker.chmod("/dir/victim", 0o777),
        () => worker.rename("/dir/victim", "/stolen"),
        () => worker.writeTextFile(`/dir/planted-${i}`, "x", { createNew: true }),
        () => worker.mkdir(`/dir/folder-${i}`),
      ]
    ) await attempt().catch(() => {});
    const info = await worker.stat("/dir/victim").catch(() => null);
    assertEquals(info, null);
  }
  done = true;
  assert(await swapping > 10);
  assertEquals(await Array.fromAsync(Deno.readDir(outside.path), ({ name }) => name), ["victim"]);
  assertEquals((await Deno.stat(`${outside.path}/victim`)).mode! & 0o777, 0o644);
  assertEquals(await attacker.stat("/stolen").catch(() => null), null);
  await attacker.close();
  await worker.close();
});

Deno.test("a pinned path is valid while it is the same folder and no parent is a link", async () => {
  await using root = await folder();
  const path = `${root.path}/above/pinned`;
  await Deno.mkdir(path, { recursive: true });
  const jail = new Jail(new PathFolders(root.path), "/");
  using found = jail.resolve("/above/pinned", "keep");
  using pinned = jail.pin(found);
  assertEquals([pinned.path, pinned.isThere()], [path, true]);
  await Deno.rename(path, `${root.path}/elsewhere`);
  assert(!pinned.isThere());
  await Deno.mkdir(path);
  assert(!pinned.isThere(), "another folder of the same name");
  await Deno.remove(path);
  await Deno.rename(`${root.path}/elsewhere`, path);
  assert(pinned.isThere());
  await Deno.rename(`${root.path}/above`, `${root.path}/elsewhere`);
  await Deno.symlink(`${root.path}/elsewhere`, `${root.path}/above`);
  assert(!pinned.isThere(), "the same folder, through a link");
});
