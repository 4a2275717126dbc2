import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import { escapeGlob, expandGlob, splitWords } from "../../lib/cli/shared/sftp_words.ts";
import { globMatcher, isGlob } from "../../lib/patterns.ts";

const lines: [string, string[]][] = [
  ["get a b", ["get", "a", "b"]],
  ["  get\ta  ", ["get", "a"]],
  [`get "a b" 'c d'`, ["get", "a b", "c d"]],
  [`get a\\ b`, ["get", "a b"]],
  [`get "a\\"b"`, ["get", `a"b`]],
  [`get 'a\\b'`, ["get", "a\\b"]],
  [`get ""`, ["get", ""]],
  [`get a"b c"d`, ["get", "ab cd"]],
  ["", []],
];

for (const [line, words] of lines) {
  Deno.test(`sftp splits ${JSON.stringify(line)}`, () => {
    assertEquals(splitWords(line).map(({ text }) => text), words);
  });
}

for (const line of [`get "a`, `get 'a`, "get a\\"]) {
  Deno.test(`sftp refuses ${JSON.stringify(line)}`, () => {
    assertThrows(() => splitWords(line), UsageError);
  });
}

Deno.test("Wildcards that are quoted are none", () => {
  const globs = splitWords(`* "*" '?' \\[a] a*"*"`).map(({ pattern }) => isGlob(pattern));
  assertEquals(globs, [true, false, false, false, true]);
});

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

const TREE = ["/a", "/a/x.txt", "/a/y.txt", "/a/.hidden", "/b", "/b/x.txt", "/b/*.txt"];
const NAMES = {
  list: (directory: string) => {
    const prefix = directory === "/" ? "/" : `${directory}/`;
    const inside = TREE.filter((path) => path.startsWith(prefix));
    const names = inside.map((path) => path.slice(prefix.length));
    return Promise.resolve(names.filter((name) => !name.includes("/")));
  },
  exists: (path: string) => Promise.resolve(TREE.includes(path)),
};

const globs: [string, string[]][] = [
  ["/a/x.txt", ["/a/x.txt"]],
  ["/a/z.txt", []],
  ["/a/*", ["/a/x.txt", "/a/y.txt"]],
  ["/a/.*", ["/a/.hidden"]],
  ["/*/x.txt", ["/a/x.txt", "/b/x.txt"]],
  ["/*/y.txt", ["/a/y.txt"]],
  ["/[b-z]/*", ["/b/*.txt", "/b/x.txt"]],
  ["/b/\\*.txt", ["/b/*.txt"]],
  ["/nothing/*", []],
];

for (const [pattern, paths] of globs) {
  Deno.test(`The glob ${pattern} stands for ${paths.join(" and ") || "nothing"}`, async () => {
    assertEquals(await expandGlob(pattern, NAMES), paths);
  });
}

Deno.test("An escaped name matches itself only", () => {
  for (const name of ["a*b", "a?b", "a[b]", "a\\b"]) {
    assertEquals(isGlob(escapeGlob(name)), false);
    assertEquals(globMatcher(escapeGlob(name))(name), true);
  }
});
