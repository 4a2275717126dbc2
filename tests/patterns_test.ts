import { assertEquals } from "@std/assert";
import { escapeGlob, expandGlob, type GlobFiles, globMatcher, isGlob } from "../lib/patterns.ts";

const matches: [string, string, boolean][] = [
  ["*", "abc", true],
  ["*", ".abc", false],
  [".*", ".abc", true],
  ["a?c", "abc", true],
  ["a?c", "a😀c", true],
  ["a?c", "ac", false],
  ["[a-c]x", "bx", true],
  ["[a-c]x", "dx", false],
  ["[!a-c]x", "dx", true],
  ["[]]x", "]x", true],
  ["[a^]x", "^x", true],
  ["a.c", "abc", false],
  ["(a|b)+$", "(a|b)+$", true],
  ["a\\*", "a*", true],
  ["a\\*", "ab", false],
  ["a[", "a[", true],
  ["*\n", "a\n", true],
];

for (const [pattern, name, expected] of matches) {
  const verb = expected ? "matches" : "does not match";
  Deno.test(`The pattern ${JSON.stringify(pattern)} ${verb} ${JSON.stringify(name)}`, () => {
    assertEquals(globMatcher(pattern)(name), expected);
  });
}

/** A tree in memory; a path with an arrow is a link to a folder. */
const PATHS = [
  ...[
    "/a",
    "/a/x.txt",
    "/a/y.txt",
    "/a/.hidden",
    "/b",
    "/b/x.txt",
    "/b/*.txt",
    "/file",
    "/link->/a",
  ],
  ...["/a/deep", "/a/deep/deeper", "/a/deep/deeper/z.txt", "/.dots", "/.dots/x.txt"],
];

const TREE: GlobFiles<{ name: string; isDirectory: boolean; isSymlink: boolean }> = {
  list(folder) {
    const links = new Map(
      PATHS.filter((path) => path.includes("->")).map((path) => {
        const [from = "", to = ""] = path.split("->");
        return [from, to];
      }),
    );
    const prefix = `${links.get(folder) ?? folder}/`.replace("//", "/");
    const below = PATHS.filter((path) => path.startsWith(prefix) && path !== prefix)
      .map((path) => path.slice(prefix.length));
    return Promise.resolve(
      below.filter((path) => !/(?<!->)\//.test(path)).map((name) => ({
        name: name.split("->")[0]!,
        isDirectory: below.some((path) => path.startsWith(`${name}/`)),
        isSymlink: name.includes("->"),
      })),
    );
  },
  exists: (path) => Promise.resolve(PATHS.includes(path.replace(/^\/link\//, "/a/"))),
};

const globs: [string, string[], "globstar"?][] = [
  ["/a/x.txt", ["/a/x.txt"]],
  ["/a/z.txt", []],
  ["/a/*", ["/a/deep", "/a/x.txt", "/a/y.txt"]],
  ["/a/.*", ["/a/.hidden"]],
  ["/*/x.txt", ["/a/x.txt", "/b/x.txt", "/link/x.txt"]],
  ["/*/y.txt", ["/a/y.txt", "/link/y.txt"]],
  ["/[b-z]*/*", ["/b/*.txt", "/b/x.txt", "/link/deep", "/link/x.txt", "/link/y.txt"]],
  ["/b/\\*.txt", ["/b/*.txt"]],
  ["/nothing/*", []],
  ["/file/*", []],
  ["/a/**", ["/a/deep", "/a/x.txt", "/a/y.txt"]],
  ["/a/**", [
    ...["/a/deep", "/a/deep/deeper", "/a/deep/deeper/z.txt", "/a/x.txt", "/a/y.txt"],
  ], "globstar"],
  ["/**/x.txt", ["/a/x.txt", "/b/x.txt"], "globstar"],
  ["/**/**/*e*/**/z.txt", ["/a/deep/deeper/z.txt"], "globstar"],
];

for (const [pattern, paths, globstar] of globs) {
  const kind = globstar === undefined ? "glob" : "glob with globstar";
  Deno.test(`The ${kind} ${pattern} matches ${paths.join(" and ") || "nothing"}`, async () => {
    const found = expandGlob(pattern, TREE, { globstar: globstar !== undefined });
    assertEquals(await Array.fromAsync(found, ({ path }) => path), paths);
  });
}

Deno.test("A path in many folders is looked up in all of them in parallel", async () => {
  let [open, most] = [0, 0];
  const folders = ["a", "b", "c"];
  const files = {
    list: () =>
      Promise.resolve(folders.map((name) => ({ name, isDirectory: true, isSymlink: false }))),
    async exists(path: string) {
      most = Math.max(most, ++open);
      await Promise.resolve();
      open--;
      return path !== "/b/x";
    },
  };
  const found = await Array.fromAsync(expandGlob("/*/x", files), ({ path }) => path);
  assertEquals([found, most], [["/a/x", "/c/x"], 3]);
});

Deno.test("An escaped name matches itself only", () => {
  for (const name of ["a*b", "a?b", "a[b]", "a\\b"]) {
    assertEquals(isGlob(escapeGlob(name)), false);
    assertEquals(globMatcher(escapeGlob(name))(name), true);
  }
});
