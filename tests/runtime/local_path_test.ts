/** Paths of this machine. */
import { assertEquals } from "@std/assert";
import * as path from "node:path";
import { joinLocal } from "../../lib/runtime/local_path.ts";
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
    using _ = replaced(runtime, "paths", path[system]);
    assertEquals(joinLocal(folder, name), joined);
  }
});
