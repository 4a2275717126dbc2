/** The last step of a path in the jail: descriptors, and programs that swap the file. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { AnchoredFolders } from "../../lib/sftp/server/anchored_folders.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import { Jail, PathFolders } from "../../lib/sftp/server/jail.ts";
import { filesOf } from "../../lib/sftp/server/local_files.ts";
import { localFiles, type SftpBackend, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { replaced } from "../support/replaced.ts";
import { folder, ourWorld, refusal, type World } from "./world.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";

const BACKENDS: Record<string, (root: string) => SftpBackend> = {
  "where folders can be held on to": (root) => localFiles({ root }),
  "where there are only paths": (root) => filesOf(new Jail(new PathFolders(root), "/"), "/"),
};

/** open(2) with this flag only locates a file. */
const O_PATH = 0o10000000;

interface Watched extends AsyncDisposable {
  readonly world: World;
  /** A folder that is not served, with a file `secret`. */
  readonly outside: string;
  /** The descriptors that the server has open. */
  readonly open: Set<number>;
  /** Called before a file itself is opened. */
  opening: (flags: number) => void;
}

/** A served folder whose descriptors are counted. */
async function watched(backend: (root: string) => SftpBackend): Promise<Watched> {
  const { posix } = runtime;
  const { O_DIRECTORY } = posix.constants;
  const outside = await folder();
  await Deno.writeTextFile(`${outside.path}/secret`, "secret");
  const open = new Set<number>();
  const counting = {
    ...posix,
    openSync(path: string, flags: number, mode?: number) {
      if ((flags & (O_PATH | O_DIRECTORY)) === 0) watch.opening(flags);
      const fd = posix.openSync(path, flags, mode);
      open.add(fd);
      return fd;
    },
    closeSync(fd: number) {
      assert(open.delete(fd), "closed twice, or never opened");
      posix.closeSync(fd);
    },
  };
  const seam = replaced(runtime, "posix", counting as PosixFiles);
  const world = await ourWorld({ backend });
  const watch: Watched = {
    world,
    outside: outside.path,
    open,
    opening: () => {},
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      seam[Symbol.dispose]();
      await outside[Symbol.asyncDispose]();
    },
  };
  return watch;
}

Deno.test({
  name: "a folder that has become a link is not entered, and is told as missing",
  ignore: Deno.build.os !== "linux" || WITHOUT_DESCRIPTORS,
  fn: async () => {
    await using root = await folder();
    await Deno.mkdir(`${root.path}/real`);
    for (const target of ["real", "link", "nothing"]) {
      await Deno.symlink(target, `${root.path}/link`);
      const folders = new AnchoredFolders(root.path);
      const top = folders.root();
      folders.leave(folders.enter(top, "real"));
      const refused = assertThrows(() => folders.enter(top, "link"));
      assertEquals(statusOf(refused).status, SftpStatus.NO_SUCH_FILE);
      folders.leave(top);
      await Deno.remove(`${root.path}/link`);
    }
  },
});

Deno.test({
  name: "what becomes a link before it is pinned is neither changed nor listed through the link",
  ignore: Deno.build.os !== "linux" || WITHOUT_DESCRIPTORS,
  fn: async () => {
    await using root = await folder();
    await using outside = await folder();
    await Deno.writeTextFile(`${outside.path}/file`, "secret", { mode: 0o600 });
    const jail = new Jail(new AnchoredFolders(root.path), "/");
    const path = `${root.path}/swapped`;
    const kinds = [
      [() => Deno.mkdir(path), "."],
      [() => Deno.writeTextFile(path, ""), "file"],
    ] as const;
    for (const [make, name] of kinds) {
      await make();
      using found = jail.resolve("/swapped", "follow");
      await Deno.remove(path);
      await Deno.symlink(`${outside.path}/${name}`, path);
      using pinned = jail.pin(found);
      assertThrows(() => runtime.posix.chmodSync(pinned.path, 0o777));
      assertThrows(() => [...Deno.readDirSync(pinned.path)]);
      await Deno.remove(path);
    }
    assertEquals((await Deno.stat(`${outside.path}/file`)).mode! & 0o777, 0o600);
  },
});

for (const [where, backend] of Object.entries(BACKENDS)) {
  Deno.test({
    name: `a file that becomes a link while it is opened is not followed, ${where}`,
    ignore: Deno.build.os === "windows" || WITHOUT_DESCRIPTORS,
    fn: async () => {
      await using watch = await watched(backend);
      const { world: { sftp, root }, outside } = watch;
      for (
        const attempt of [
          () => sftp.readFile("/file"),
          () => sftp.writeTextFile("/file", "evil", { create: false }),
          () => sftp.writeTextFile("/file", "evil", { append: true }),
          () => sftp.truncate("/file", 3),
        ]
      ) {
        await Deno.writeTextFile(`${root}/file`, "public");
        watch.opening = () => {
          Deno.removeSync(`${root}/file`);
          Deno.symlinkSync(`${outside}/secret`, `${root}/file`);
        };
        assertEquals(await refusal(attempt()), SftpStatus.NO_SUCH_FILE);
        assertEquals(watch.open, new Set());
        await Deno.remove(`${root}/file`);
      }
      assertEquals(await Deno.readTextFile(`${outside}/secret`), "secret");
    },
  });

  Deno.test({
    name: `a file that becomes something else while it is opened is refused, ${where}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using watch = await watched(backend);
      const { sftp, root } = watch.world;
      await Deno.writeTextFile(`${root}/file`, "public");
      let flags = 0;
      watch.opening = (used) => {
        flags = used;
        Deno.removeSync(`${root}/file`);
        Deno.mkdirSync(`${root}/file`);
      };
      assertEquals(await refusal(sftp.open("/file")), SftpStatus.PERMISSION_DENIED);
      assertEquals(watch.open, new Set());
      // Opening a pipe would block the server; here it is simulated, since making one needs another
      // program.
      assert(flags & runtime.posix.constants.O_NONBLOCK);
    },
  });

  Deno.test({
    name: `no descriptor stays open after a refusal, ${where}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using watch = await watched(backend);
      const { sftp, root } = watch.world;
      await Deno.mkdir(`${root}/dir/deep`, { recursive: true });
      await Deno.writeTextFile(`${root}/dir/deep/file`, "text");
      await Deno.symlink("deep", `${root}/dir/link`);
      await Deno.symlink("none", `${root}/dir/dangling`);
      await Deno.symlink("loop", `${root}/dir/loop`);
      using _socket = Deno.listen({ transport: "unix", path: `${root}/dir/socket` });
      const refused: Record<string, () => Promise<unknown>> = {
        "stat of nothing": () => sftp.stat("/dir/deep/none"),
        "stat in nothing": () => sftp.stat("/dir/none/none"),
        "stat in a file": () => sftp.stat("/dir/deep/file/none"),
        "stat of a loop": () => sftp.stat("/dir/link/../loop"),
        "stat through a dangling link": () => sftp.stat("/dir/dangling/x"),
        "lstat of nothing": () => sftp.lstat("/dir/link/none"),
        "open of nothing": () => sftp.open("/dir/link/none"),
        "open of a folder": () => sftp.open("/dir/deep"),
        "open of a socket": () => sftp.open("/dir/socket"),
        "a new file that is there": () =>
          sftp.open("/dir/deep/file", { write: true, createNew: true }),
        "a list of a file": () => Array.fromAsync(sftp.readDir("/dir/deep/file")),
        "a list of nothing": () => Array.fromAsync(sftp.readDir("/dir/deep/none")),
        "mkdir of an existing folder": () => sftp.mkdir("/dir/deep"),
        "remove of a folder": () => sftp.remove("/dir/deep"),
        "remove of the root": () => sftp.remove("/dir/.."),
        "rename of nothing": () => sftp.rename("/dir/deep/none", "/dir/deep/new"),
        "rename of the root": () => sftp.rename("/", "/dir/deep/new"),
        "rename to the root": () => sftp.rename("/dir/deep", "/"),
        "rename over a file": () =>
          sftp.rename("/dir/link", "/dir/deep/file", { overwrite: false }),
        "rename into a file": () => sftp.rename("/dir/link", "/dir/deep/file/x"),
        "readLink of a file": () => sftp.readLink("/dir/deep/file"),
        "readLink of nothing": () => sftp.readLink("/dir/deep/none"),
        "symlink over a file": () => sftp.symlink("x", "/dir/deep/file"),
        "link of a folder": () => sftp.link("/dir/deep", "/dir/deep/x"),
        "link over a file": () => sftp.link("/dir/deep/file", "/dir/socket"),
        "link of nothing": () => sftp.link("/dir/deep/none", "/dir/x"),
        "chmod of nothing": () => sftp.chmod("/dir/deep/none", 0o600),
        "chmod of setuid": () => sftp.chmod("/dir/deep/file", 0o4755),
        "chmod of a link": () => sftp.lsetStat("/dir/link", { mode: 0o600 }),
        "length of a link": () => sftp.lsetStat("/dir/link", { size: 1 }),
        "truncate of a folder": () => sftp.truncate("/dir/deep", 1),
        "truncate beyond all limits": () => sftp.truncate("/dir/deep/file", 2 ** 53 - 1),
        "realPath in nothing": () => sftp.realPath("/dir/none/none"),
        "statvfs of nothing": () => sftp.statvfs("/dir/deep/none"),
        "home of nobody": () => sftp.homeDirectory("nobody"),
      };
      for (const [what, attempt] of Object.entries(refused)) {
        const failed = await attempt().then(() => false, (cause) => cause instanceof SftpError);
        assert(failed, `${what} is refused`);
        assertEquals([what, watch.open.size], [what, 0]);
      }
    },
  });

  Deno.test({
    name: `no descriptor stays open when all is closed, ${where}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using watch = await watched(backend);
      const { sftp, root } = watch.world;
      await Deno.mkdir(`${root}/dir/deep`, { recursive: true });
      await Deno.mkdir(`${root}/etc`);
      await Deno.writeTextFile(`${root}/etc/passwd`, "ann:x:1000:100::/dir/deep:/bin/sh\n");
      await Deno.symlink("deep", `${root}/dir/link`);
      const done: Record<string, () => Promise<unknown>> = {
        "a file": () => sftp.writeTextFile("/dir/link/file", "text"),
        "a read": () => sftp.readTextFile("/dir/deep/file"),
        "attributes": () => sftp.setStat("/dir/link/file", { mode: 0o600, size: 3 }),
        "length of no link": () => sftp.lsetStat("/dir/link/file", { size: 2 }),
        "times": () => sftp.utime("/dir/link/file", 1, 2),
        "a look": () => sftp.stat("/dir/link/../link/file"),
        "a list": () => Array.fromAsync(sftp.readDir("/dir/link")),
        "a list that is left": () => first(sftp.readDir("/dir/link")),
        "a folder": () => sftp.mkdir("/dir/link/new"),
        "a rename": () => sftp.rename("/dir/link/new", "/dir/deep/newer"),
        "a careful rename": () =>
          sftp.rename("/dir/deep/file", "/dir/link/moved", { overwrite: false }),
        "a removal": () => sftp.remove("/dir/link/newer"),
        "a link": () => sftp.symlink("x", "/dir/link/sym"),
        "a link's text": () => sftp.readLink("/dir/link/sym"),
        "a second name": () => sftp.link("/dir/deep/moved", "/dir/link/second"),
        "a path": () => sftp.realPath("/dir/link/second"),
        "a file system": () => sftp.statvfs("/dir/link/second"),
        "a home": () => sftp.homeDirectory("ann"),
      };
      for (const [what, run] of Object.entries(done)) {
        await run();
        await sftp.realPath("/"); // after a CLOSE that was not awaited
        assertEquals([what, watch.open.size], [what, 0]);
      }
    },
  });
}

async function first<T>(items: AsyncIterable<T>): Promise<T | null> {
  for await (const item of items) return item;
  return null;
}
