/** Paths of the system, without a jail. */
import { assertEquals, assertThrows } from "@std/assert";
import { SftpError } from "../../lib/sftp/mod.ts";
import { UnrestrictedTree } from "../../lib/sftp/server/unrestricted_tree.ts";
import { folder } from "./world.ts";

const ignore = Deno.build.os === "windows";

/** What a path leads to: its paths, and whether something is there. */
function lookUp(tree: UnrestrictedTree, path: string, last: "follow" | "keep") {
  using found = tree.resolve(path, last);
  return [found.real, found.virtual, found.info?.isFile ?? null];
}

Deno.test({
  name: "without a jail a path is the system's, and a relative one begins at the home",
  ignore,
  fn: async () => {
    await using here = await folder();
    const home = here.path;
    await Deno.writeTextFile(`${home}/file`, "");
    const tree = new UnrestrictedTree(home);
    const file = `${home}/file`;
    for (const last of ["follow", "keep"] as const) {
      assertEquals(lookUp(tree, "file", last), [file, file, true]);
      assertEquals(lookUp(tree, file, last), [file, file, true]);
      assertEquals(lookUp(tree, "", last), [home, home, false]);
      for (const name of ["new", "~", "~root"]) {
        assertEquals(lookUp(tree, name, last), [`${home}/${name}`, `${home}/${name}`, null]);
      }
    }
    assertEquals([tree.open, tree.openFlags], [true, 0]);
  },
});

Deno.test({
  name: "without a jail the last link of a path is followed or kept, and may lead to nothing",
  ignore,
  fn: async () => {
    await using here = await folder();
    const home = here.path;
    const tree = new UnrestrictedTree(home);
    await Deno.mkdir(`${home}/folder`);
    await Deno.writeTextFile(`${home}/folder/file`, "");
    const file = `${home}/folder/file`;
    for (const [name, target] of [["link", file], ["second", "link"], ["dangling", "none"]]) {
      await Deno.symlink(target!, `${home}/${name}`);
    }
    for (const name of ["link", "second"]) {
      assertEquals(lookUp(tree, name, "follow"), [file, file, true]);
      assertEquals(lookUp(tree, name, "keep"), [`${home}/${name}`, `${home}/${name}`, false]);
    }
    const dangling = `${home}/dangling`;
    assertEquals(lookUp(tree, "dangling", "follow"), [dangling, dangling, null]);
    assertEquals(lookUp(tree, "dangling", "keep"), [dangling, dangling, false]);
    await Deno.symlink("loop", `${home}/loop`);
    assertThrows(() => tree.resolve("loop", "follow"), Deno.errors.FilesystemLoop);
    assertThrows(() => tree.resolve("folder/file/x", "follow"), Deno.errors.NotADirectory);
  },
});

Deno.test({
  name: "without a jail a path is made absolute if all but its last step exist",
  ignore,
  fn: async () => {
    await using here = await folder();
    const home = here.path;
    const tree = new UnrestrictedTree(home);
    await Deno.mkdir(`${home}/a/b`, { recursive: true });
    await Deno.symlink("a/b", `${home}/link`);
    await Deno.symlink("none", `${home}/dangling`);
    await Deno.writeTextFile(`${home}/file`, "");
    const real: [path: string, real: string][] = [
      ["", home],
      [".", home],
      ["link", `${home}/a/b`],
      ["link/..", `${home}/a`],
      ["link/new", `${home}/a/b/new`],
      ["link//new//", `${home}/a/b/new`],
      ["dangling", `${home}/dangling`],
      ["/", "/"],
      ["/../..", "/"],
      ["/none.of.this", "/none.of.this"],
    ];
    for (const [path, absolute] of real) {
      assertEquals([path, tree.realPath(path)], [path, absolute]);
    }
    for (const path of ["none/new", "none/.", "none/..", "dangling/..", "dangling/new"]) {
      assertThrows(() => tree.realPath(path), Deno.errors.NotFound);
    }
    for (const path of ["file/.", "file/..", "file/new"]) {
      assertThrows(() => tree.realPath(path), Deno.errors.NotADirectory);
    }
  },
});

Deno.test("without a jail, too, a path that is not UTF-8 is refused before it is looked up", () => {
  const tree = new UnrestrictedTree("/home");
  for (const path of ["/\udcff", "\udcff"]) {
    const message = "Names on this server must be UTF-8";
    assertThrows(() => tree.resolve(path, "keep"), SftpError, message);
    assertThrows(() => tree.realPath(path), SftpError, message);
  }
});

Deno.test({
  name: "without a jail a pinned folder is its path, and every open file is the right one",
  ignore,
  fn: async () => {
    await using here = await folder();
    const tree = new UnrestrictedTree("/");
    using found = tree.resolve(here.path, "follow");
    using pinned = tree.pin(found);
    assertEquals([pinned.path, pinned.isThere(), tree.holds()], [here.path, true, true]);
  },
});
