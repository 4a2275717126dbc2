import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import { splitWords } from "../../lib/cli/shared/split_words.ts";
import { isGlob } from "../../lib/patterns.ts";

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

Deno.test("Quoted wildcards are ordinary characters", () => {
  const globs = splitWords(`* "*" '?' \\[a] a*"*"`).map(({ pattern }) => isGlob(pattern));
  assertEquals(globs, [true, false, false, false, true]);
});
