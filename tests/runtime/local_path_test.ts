/** Paths of this machine. */
import { assertEquals, assertThrows } from "@std/assert";
import { posix, win32 } from "node:path";
import { joinLocal, localPath } from "../../lib/runtime/local_path.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "../support/replaced.ts";

Deno.test("a name is joined to a folder without shortening a path that a link may be in", () => {
  const cases: [system: "posix" | "win32", folder: string, name: string, joined: string][] = [
    ["posix", "a", "b", "a/b"],
    ["posix", "", "b", "b"],
    ["posix", "./a//", "b", "a/b"],
    ["posix", "..a/..b", "c", "..a/..b/c"],
    ["posix", "..", "b", "../b"],
    ["posix", "a/link/..", "b", "a/link/../b"],
    ["posix", "a/link/../", "b", "a/link/../b"],
    ["posix", "a/link/../c", "b", "a/link/../c/b"],
    ["win32", "a\\link\\..", "b", "a\\b"],
    ["win32", "a/link/..", "b", "a\\b"],
  ];
  for (const [system, folder, name, joined] of cases) {
    using _ = replaced(runtime, "paths", { posix, win32 }[system]);
    assertEquals(joinLocal(folder, name), joined);
  }
});

Deno.test("the URL of a file becomes its path, with its characters decoded", () => {
  using _posix = replaced(runtime, "paths", posix);
  assertEquals(localPath(new URL("file:///a%20b/caf%C3%A9%25")), "/a b/café%");
  assertEquals(localPath(new URL("file:///a%5Cb")), "/a\\b");
  assertEquals(localPath("/a%20b"), "/a%20b");
  using _windows = replaced(runtime, "paths", win32);
  assertEquals(localPath(new URL("file:///C:/a%20b")), "C:/a b");
  assertEquals(localPath(new URL("file:///a/C:")), "/a/C:");
});

const refused: [url: string, message: string, paths?: typeof win32][] = [
  ["https://example.com/x", "is not a file on this machine"],
  ["file://server/x", "is not a file on this machine"],
  ["file:///x/100%", '"file:///x/100%" is not percent-encoded UTF-8: use pathToFileURL()'],
  ["file:///x/caf%E9", '"file:///x/caf%E9" is not percent-encoded UTF-8'],
  ["file:///a%2Fx", '"file:///a%2Fx" has %2F in it, which cannot be'],
  ["file:///a%2fx", '"file:///a%2fx" has %2f in it'],
  ["file:///C:/a%2Fx", "has %2F in it", win32],
  ["file:///C:/a%5Cx", "has %5C in it", win32],
  ["file:///C:/a%5cx", "has %5c in it", win32],
];
for (const [url, message, paths] of refused) {
  Deno.test(`${url} is refused as a file of ${paths ? "Windows" : "POSIX"}`, () => {
    using _ = replaced(runtime, "paths", paths ?? posix);
    assertThrows(() => localPath(new URL(url)), TypeError, message);
  });
}
