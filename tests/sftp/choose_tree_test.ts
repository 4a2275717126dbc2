/** How a folder is served: by open folders, by paths, or without a jail. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { treeOf } from "../../lib/sftp/server/choose_tree.ts";
import type { ServedTree } from "../../lib/sftp/server/served_tree.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { replaced } from "../support/replaced.ts";
import { replacedFiles } from "./local_files.ts";
import { folder } from "./world.ts";

const ignore = Deno.build.os !== "linux" || WITHOUT_DESCRIPTORS;

/** open(2) with this flag only locates a file. */
const O_PATH = 0o10000000;

/** The path of this process for a path of a client. */
function realOf(tree: ServedTree, path: string): string {
  using found = tree.resolve(path, "keep");
  return found.real;
}

Deno.test({
  name: "a folder is held open where the system allows it, and otherwise served by its path",
  ignore,
  fn: async () => {
    await using here = await folder();
    const byPath = `${here.path}/file`;
    assert(realOf(treeOf(here.path, "/"), "/file").startsWith("/proc/self/fd/"));
    {
      using _ = replaced(runtime, "descriptorPath", () => null);
      assertEquals(realOf(treeOf(here.path, "/"), "/file"), byPath);
    }
    const looks: ((path: string) => Deno.FileInfo)[] = [
      () => {
        throw new Deno.errors.NotCapable("Requires all access");
      },
      (path) => ({ ...Deno.lstatSync(path), isDirectory: false }),
    ];
    for (const look of looks) {
      const isProc = (path: string) => path.startsWith("/proc/");
      using _ = replacedFiles({
        lstatSync: (path) => isProc(path) ? look(path) : Deno.lstatSync(path),
      });
      assertEquals(realOf(treeOf(here.path, "/"), "/file"), byPath);
    }
  },
});

Deno.test({
  name: "the look whether a folder can be held open needs no right to read it, and closes it",
  ignore,
  fn: async () => {
    await using here = await folder();
    const { posix } = runtime;
    const open = new Set<number>();
    let opened = 0;
    using _ = replaced(
      runtime,
      "posix",
      {
        ...posix,
        openSync(path: string, flags: number) {
          if ((flags & O_PATH) === 0) throw Object.assign(new Error(), { code: "EACCES" });
          const fd = posix.openSync(path, flags);
          opened++;
          open.add(fd);
          return fd;
        },
        closeSync(fd: number) {
          assert(open.delete(fd));
          posix.closeSync(fd);
        },
      } as PosixFiles,
    );
    treeOf(here.path, "/");
    assertEquals([opened, open.size], [1, 0]);
    using _files = replacedFiles({
      lstatSync: () => {
        throw new Deno.errors.NotFound();
      },
    });
    treeOf(here.path, "/");
    assertEquals([opened, open.size], [2, 0]);
  },
});

Deno.test({
  name: "a link to a folder is followed once, before anything is served",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using here = await folder();
    for (const name of ["one", "other"]) {
      await Deno.mkdir(`${here.path}/${name}`);
      await Deno.writeTextFile(`${here.path}/${name}/${name}`, "");
    }
    for (const descriptorPath of [runtime.descriptorPath, () => null]) {
      using _ = replaced(runtime, "descriptorPath", descriptorPath);
      await Deno.symlink("one", `${here.path}/link`);
      const tree = treeOf(`${here.path}/link`, "/");
      await Deno.remove(`${here.path}/link`);
      await Deno.symlink("other", `${here.path}/link`);
      using one = tree.resolve("/one", "follow");
      using other = tree.resolve("/other", "follow");
      assertEquals([one.info?.isFile, other.info], [true, null]);
      await Deno.remove(`${here.path}/link`);
    }
  },
});

Deno.test({
  name: "only the system's root is served without a jail, also through a link",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using here = await folder();
    await Deno.symlink("/", `${here.path}/link`);
    for (const root of ["/", "//", `${here.path}/link`]) {
      const tree = treeOf(root, here.path);
      assertEquals([tree.open, realOf(tree, "file")], [true, `${here.path}/file`]);
    }
    await Deno.mkdir(`${here.path}/home`);
    const jail = treeOf(`${here.path}/`, "/home");
    assertEquals(jail.open, false);
    using found = jail.resolve("file", "keep");
    assertEquals(found.virtual, "/home/file");
  },
});

Deno.test("the root of a Windows drive is a jail of paths without two separators", () => {
  const info = { isDirectory: true } as Deno.FileInfo;
  const looked: string[] = [];
  using _files = replacedFiles({
    realPathSync: () => "C:\\",
    statSync: () => info,
    lstatSync(path) {
      looked.push(path);
      return info;
    },
  });
  using _path = replaced(runtime, "descriptorPath", () => null);
  assertEquals(realOf(treeOf("C:/", "/"), "/folder/file"), "C:/folder/file");
  assertEquals(looked, ["C:/folder", "C:/folder/file"]);
});

Deno.test("a served path must be a folder, and the error names it as it was given", async () => {
  await using here = await folder();
  await Deno.writeTextFile(`${here.path}/file`, "");
  assertThrows(() => treeOf(`${here.path}/none`, "/"), Deno.errors.NotFound);
  const given = `${here.path}/./file`;
  const text = `Cannot serve "${given}": it is not a directory`;
  assertThrows(() => treeOf(given, "/"), Deno.errors.NotADirectory, text);
  if (Deno.build.os === "windows") return;
  assertThrows(() => treeOf("/dev/null", "/"), Deno.errors.NotADirectory, "/dev/null");
});
