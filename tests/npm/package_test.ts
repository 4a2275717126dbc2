import { assertEquals } from "@std/assert";
import type { Deno as Shapes } from "../../npm/deno_types.d.ts";
import { packageJson, RUNTIMES } from "../../npm/package_json.ts";

const SETTINGS = {
  name: "@denossh/ssh",
  version: "1.2.3",
  description: "SSH",
  keywords: ["ssh"],
  license: "MIT",
  exports: { ".": "./mod.ts", "./known-hosts": "./lib/known_hosts/mod.ts" },
};

Deno.test("package.json exports each entrypoint with its types, the core, and its own text", () => {
  const { exports, version } = packageJson(SETTINGS) as Record<string, unknown>;
  assertEquals(version, "1.2.3");
  assertEquals(exports, {
    ".": { types: "./types/mod.d.ts", default: "./dist/mod.js" },
    "./known-hosts": {
      types: "./types/lib/known_hosts/mod.d.ts",
      default: "./dist/known-hosts.js",
    },
    "./core.wasm": { types: "./types/core.wasm.d.ts", default: "./dist/core.wasm" },
    "./package.json": "./package.json",
  });
});

Deno.test("Conditions of runtimes that imitate Node come before node, and the default is last", () => {
  const order = RUNTIMES.map(({ condition }) => condition);
  for (const imitator of ["deno", "workerd"]) {
    assertEquals(order.indexOf(imitator) < order.indexOf("node"), true);
  }
  assertEquals(order.at(-1), "default");
});

/** Does not compile if a shape of the package differs from Deno's. */
type Same<Theirs, Own> = [Theirs] extends [Own] ? [Own] extends [Theirs] ? true : never : never;

Deno.test("The shapes in the package's types equal Deno's", () => {
  const same: [
    Same<Deno.Addr, Shapes.Addr>,
    Same<Deno.Conn, Shapes.Conn>,
    Same<Deno.Listener, Shapes.Listener>,
    Same<Deno.FileInfo, Shapes.FileInfo>,
    Same<Deno.DirEntry, Shapes.DirEntry>,
  ] = [true, true, true, true, true];
  assertEquals(same.includes(true), true);
});
