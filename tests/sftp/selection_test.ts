/** Which entries of a folder `exclude`, `include` and `filter` select. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { SftpFilterEntry, SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { Selection } from "../../lib/sftp/transfer/selection.ts";

/** Whether options select a path; a final slash makes it a folder. */
function selects(options: SftpTransferOptions, path: string): Promise<boolean> {
  const [plain, mode] = path.endsWith("/") ? [path.slice(0, -1), 0o040755] : [path, 0o100644];
  const name = plain.slice(plain.lastIndexOf("/") + 1);
  return Selection.of(options)!.has(plain, name, infoOf({ mode, size: 5, mtime: 7, atime: 7 }));
}

/** Patterns, with the paths that they match and do not match. */
const patterns: [pattern: string, matched: string[], others: string[]][] = [
  // Without a slash: the name in any folder.
  ["*.ts", ["a.ts", "x/a.ts", "x/y/.ts", "a.ts/"], ["a.tsx", "a.ts/x", "x/a.js"]],
  [".git", [".git", "x/.git/"], ["git", ".gitx"]],
  ["*", ["a", ".a", "x/.y"], []],
  // With a slash: the path below the transferred folder.
  ["/a", ["a", "a/"], ["x/a", "a/a/b"]],
  ["a/b", ["a/b", "a/b/"], ["b", "x/a/b", "a/b/c", "a"]],
  ["a/*", ["a/b", "a/.b", "a/c/"], ["a", "a/b/c", "x/a/b"]],
  ["./a/b", ["a/b"], ["x/a/b", "a"]],
  ["a//b", ["a/b"], ["a", "a/x/b"]],
  // With a final slash: only folders.
  ["a/", ["a/", "x/a/"], ["a", "x/a", "b/"]],
  ["a/b/", ["a/b/"], ["a/b", "x/a/b/"]],
  // Any number of folders.
  ["**/x", ["x", "a/x", "a/b/x"], ["a/xy", "x/a"]],
  ["a/**", ["a/b", "a/b/c", "a/.b/"], ["a", "b/a/c"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/b"], ["a", "b", "a/x", "x/a/b", "a/b/x"]],
  ["**/a/**/b/*", ["a/b/c", "x/a/y/b/c", "a/a/b/b/c", "a/b/x/b/c"], ["a/b", "b/a/c", "a/b/c/d"]],
  ["a/b/**/b/c", ["a/b/b/c", "a/b/x/b/c"], ["a/b/c"]],
  ["**", ["a", "a/b"], []],
];
for (const [pattern, matched, others] of patterns) {
  Deno.test(`the pattern "${pattern}" matches ${matched.join(", ")}`, async () => {
    for (const path of matched) assert(!(await selects({ exclude: [pattern] }, path)), path);
    for (const path of others) assert(await selects({ exclude: [pattern] }, path), path);
  });
}

Deno.test("an entry is omitted if any pattern of exclude matches", async () => {
  const options = { exclude: ["a", "b"] };
  const found = ["a", "b", "c"].map((path) => selects(options, path));
  assertEquals(await Promise.all(found), [false, false, true]);
  assertEquals(await selects({ exclude: [] }, "a"), true);
});

Deno.test("include selects matching files and the content of matching folders", async () => {
  const options = { include: ["*.ts", "lib/a"] };
  const cases: [path: string, isSelected: boolean][] = [
    ["x.ts", true],
    ["x/y.ts", true],
    ["x.js", false],
    ["lib/a", true],
    ["lib/a/x.js", true],
    ["lib/a/b/x.js", true],
    ["lib/b/x.js", false],
    // A folder may contain files that match.
    ["other/", true],
  ];
  for (const [path, isSelected] of cases) {
    assertEquals(await selects(options, path), isSelected, path);
  }
  assertEquals(await selects({ include: [] }, "x.ts"), false);
});

Deno.test("a pattern of include with a final slash includes the content of folders, but no file", async () => {
  const options = { include: ["a/"] };
  assertEquals(await selects(options, "a/x"), true);
  assertEquals(await selects(options, "b/a/x"), true);
  assertEquals(await selects(options, "a"), false);
  assertEquals(await selects(options, "b/a"), false);
});

Deno.test("exclude takes precedence over include, and both over the filter", async () => {
  const asked: string[] = [];
  const options = {
    include: ["*.ts"],
    exclude: ["secret.ts"],
    filter: ({ path }: SftpFilterEntry) => asked.push(path) > 0,
  };
  for (const path of ["a.ts", "secret.ts", "a.js", "folder/"]) await selects(options, path);
  assertEquals(asked, ["a.ts", "folder"]);
});

Deno.test("a filter decides for itself, at once or later, with the attributes of the entry", async () => {
  const seen: SftpFilterEntry[] = [];
  const filter = (entry: SftpFilterEntry) => {
    seen.push(entry);
    return entry.isDirectory ? Promise.resolve(false) : entry.name === "b";
  };
  assertEquals(await selects({ filter }, "a/b"), true);
  assertEquals(await selects({ filter }, "a/c"), false);
  assertEquals(await selects({ filter }, "a/b/"), false);
  assertEquals(seen[0], {
    path: "a/b",
    name: "b",
    isFile: true,
    isDirectory: false,
    isSymlink: false,
    size: 5,
    mtime: new Date(7000),
  });
});

Deno.test("without any of these options everything is selected, with no work for each entry", () => {
  assertEquals(Selection.of({}), null);
  for (const options of [{ exclude: ["x"] }, { include: ["x"] }, { filter: () => true }]) {
    assert(Selection.of(options) !== null);
  }
});

Deno.test("a pattern that names nothing inside the folder is a TypeError", () => {
  for (const pattern of ["", "/", ".", "./", "..", "../a", "a/../b", "a/.."]) {
    for (const options of [{ exclude: [pattern] }, { include: ["a", pattern] }]) {
      assertThrows(() => Selection.of(options), TypeError, "names nothing inside the folder");
    }
  }
  assert(Selection.of({ exclude: ["a..b", "...", ".a"] }) !== null);
});
