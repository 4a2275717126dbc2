/** The imports of a client bundle must not need a specific platform. */
import { assertEquals } from "@std/assert";
import { importsOf, readSources, type Sources, withoutComments } from "../support/sources.ts";

const sources: Sources = new Map([
  ...await readSources("lib/", /\.ts$/),
  ...await readSources("wasm/pkg/", /\.[jt]s$/),
  ["mod.ts", await Deno.readTextFile(new URL("../../mod.ts", import.meta.url))],
]);

/** The source without type-only code. */
function withoutTypes(source: string): string {
  return source.replace(/\btypeof import\([^)]*\)/g, "unknown")
    .replace(/^(?:import|export) type\b[^;]*\bfrom\b[^;]*;/gm, "");
}

/** All files that a file imports at run time, directly or through others. */
function reachable(from: string, sources: Sources, found = new Set<string>()): Set<string> {
  if (found.has(from)) return found;
  found.add(from);
  const source = sources.get(from);
  if (source !== undefined) {
    for (const target of importsOf(from, withoutTypes(source))) reachable(target, sources, found);
  }
  return found;
}

const ENTRYPOINTS = ["mod.ts", "lib/keys/mod.ts", "lib/sftp/mod.ts", "lib/agent/mod.ts"];

for (const entrypoint of ENTRYPOINTS) {
  Deno.test(`${entrypoint} reaches no module of a single platform`, () => {
    const all = reachable(entrypoint, sources);
    assertEquals(all.has("lib/errors.ts"), true);
    const packages = [...all].filter((name) => !sources.has(name));
    assertEquals(packages.filter((name) => !name.startsWith("@std/")), []);
  });
}

Deno.test("No module uses a built-in that Chromium lacks", () => {
  const lacks = /\bReadableStream\.from\b/;
  const uses = [...sources].filter(([, source]) => lacks.test(withoutComments(source)));
  assertEquals(uses.map(([name]) => name), []);
});

Deno.test("The import walk finds dynamic imports, and skips types", () => {
  const made = new Map([
    ["a.ts", `import { b } from "./b.ts";\nimport type { T } from "node:net";`],
    [
      "b.ts",
      `export type {\n  X,\n} from "node:fs";\ntype Y = typeof import("node:path");\nimport("./c.ts");`,
    ],
    ["c.ts", `import {\n  type Z,\n  z,\n} from "node:os";`],
  ]);
  assertEquals([...reachable("a.ts", made)], ["a.ts", "b.ts", "c.ts", "node:os"]);
});
