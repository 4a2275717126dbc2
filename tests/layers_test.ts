/** Reads the imports of `lib/` and asserts the layering: every file imports to its left only. */
import { assertEquals } from "@std/assert";
import { importsOf, readSources, type Sources, withoutComments } from "./support/sources.ts";

/** From left to right; folders in one row do not import each other. */
const ROWS: readonly (readonly string[])[] = [
  [
    "errors.ts",
    "defaults.ts",
    "encoding.ts",
    "host_port.ts",
    "listener.ts",
    "metrics.ts",
    "option_checks.ts",
    "patterns.ts",
    "spans.ts",
    "turns.ts",
    "waiting.ts",
  ],
  ["error_messages.ts", "quote.ts"],
  ["runtime"],
  ["wire"],
  ["crypto"],
  ["keys"],
  ["transport"],
  ["auth"],
  ["connection"],
  ["terminal"],
  ["session", "sftp", "forward", "agent", "known_hosts", "config"],
  ["login"],
  ["client", "server"],
  ["fleet"],
  ["cli"],
  ["testing"],
];
/** The subfolders of a large folder, also from left to right; files next to them may import all of them. */
const WINGS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  sftp: [["protocol"], ["remote", "server"], ["transfer"]],
  cli: [["shared"], ["ssh", "sftp", "scp", "keygen", "serve", "tunnel", "fleet"]],
};
/** Folders that only group files, without a direction of imports. */
const INNER_FOLDERS = ["crypto/kex"];
const MOST_FILES = 30;
/** One file per format, and keys have many formats. */
const LARGE_ROOMS = ["lib/keys"];
const PURE = ["wire", "crypto", "keys", "transport", "auth", "connection"];
/** The second loads the module, the first instantiates it. */
const WASM_DOORS = ["lib/crypto/wasm.ts", "lib/crypto/core_module.ts"];
/** Imports of `runtime/` that the pure layers may have: functions that do not use the runtime. */
const PURE_RUNTIME = ["lib/runtime/errors.ts", "lib/runtime/write_all.ts"];
const PACKAGES = ["@std/bytes", "@std/streams"];

const sources = await readSources("lib/", /(?<!_test)\.ts$/);

Deno.test("lib/ has files to check", () => {
  assertEquals(sources.has("lib/errors.ts") && sources.has("lib/wire/reader.ts"), true);
});

Deno.test("Every file in lib/ imports its own folder and the folders to its left only", () => {
  assertEquals(upwardImports(sources), []);
});

Deno.test("Every wing imports itself and the wings to its left only", () => {
  assertEquals(wingImports(sources), []);
});

Deno.test("No folder of lib/ holds more than 30 files", () => {
  assertEquals(largeFolders(sources), []);
});

Deno.test("Only crypto/wasm.ts and core_module.ts import the generated WebAssembly package", () => {
  assertEquals(wasmImports(sources), []);
});

Deno.test("Only runtime/ touches Deno and the modules of Node", () => {
  assertEquals(runtimeUses(sources), []);
});

Deno.test("No comment outside runtime/ names a function that only Deno has", () => {
  assertEquals(denoFunctions(sources), []);
});

Deno.test("From wire to connection nothing touches the runtime", () => {
  assertEquals(impureImports(sources), []);
  for (const file of PURE_RUNTIME) {
    const needed = importsOf(file, sources.get(file)!).filter((to) => /\/\w+\//.test(to));
    assertEquals(needed, [], `${file} needs more than leaves`);
  }
});

Deno.test("Only waiting.ts listens to abort signals", () => {
  assertEquals(abortListeners(sources), []);
});

Deno.test("Tests of foreign programs are registered before their file has ended", async () => {
  // `peerTest` first looks for programs; without `await`, Deno may already be running other tests.
  const files = await readSources("tests/interop/", /_test\.ts$/);
  const floating = [...files].filter(([, source]) => /^\s*peerTest\(/m.test(source));
  assertEquals(files.size > 50, true);
  assertEquals(floating.map(([path]) => path), []);
});

Deno.test("No import cycle in lib/", () => {
  assertEquals(cycles(sources), []);
});

const mistakes: [string, (sources: Sources) => string[], Record<string, string>][] = [
  ["an import up a layer", upwardImports, {
    "lib/wire/a.ts": `import { x } from "../crypto/b.ts";`,
    "lib/crypto/b.ts": "",
  }],
  ["an import of a type up a layer, over several lines", upwardImports, {
    "lib/auth/a.ts": `import type {\n  X,\n} from "../connection/b.ts";`,
  }],
  ["an import between siblings", upwardImports, {
    "lib/sftp/a.ts": `export * from "../session/b.ts";`,
  }],
  ["an import of testing", upwardImports, {
    "lib/cli/a.ts": `await import("../testing/mod.ts");`,
  }],
  ["an import of the root mod.ts", upwardImports, {
    "lib/cli/a.ts": `import { connect } from "../../mod.ts";`,
  }],
  ["an import of the package by its name", upwardImports, {
    "lib/cli/a.ts": `import { connect } from "@denossh/ssh";`,
  }],
  ["an import of a package that is not ours to use", upwardImports, {
    "lib/client/a.ts": `import "npm:left-pad";`,
  }],
  ["an import of a wing to the right", wingImports, {
    "lib/sftp/protocol/a.ts": `import "../remote/b.ts";`,
  }],
  ["an import between sibling wings", wingImports, {
    "lib/cli/ssh/a.ts": `import { x } from "../scp/b.ts";`,
  }],
  ["an import of a file beside the wings", wingImports, {
    "lib/sftp/transfer/a.ts": `import type { Client } from "../client.ts";`,
  }],
  ["a wing that has no place", wingImports, { "lib/sftp/attic/a.ts": "" }],
  ["a wing in a room that has none", wingImports, { "lib/wire/attic/a.ts": "" }],
  ["a folder with too many files", largeFolders, {
    ...Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`lib/wire/a${i}.ts`, ""])),
  }],
  ["a file in no layer", upwardImports, { "lib/stuff/a.ts": "" }],
  ["a second door to the WebAssembly package", wasmImports, {
    "lib/crypto/b.ts": `import { y } from "../../wasm/pkg/core.js";`,
  }],
  ["a call of Deno", runtimeUses, { "lib/cli/a.ts": `const c = await Deno.connect(o);` }],
  ["a Deno class", runtimeUses, { "lib/keys/a.ts": `if (e instanceof Deno.FsFile) stop();` }],
  ["a class that extends one of Deno's", runtimeUses, {
    "lib/sftp/a.ts": `class F extends Deno.FsFile {}`,
  }],
  ["a value of a Deno enumeration", runtimeUses, {
    "lib/sftp/a.ts": `f.seek(0, Deno.SeekMode.End);`,
  }],
  ["the namespace itself", runtimeUses, { "lib/sftp/a.ts": `export const files: Files = Deno;` }],
  ["a call of Deno in a template", runtimeUses, { "lib/cli/a.ts": "say(`in ${Deno.cwd()}`);" }],
  ["Deno through the global object", runtimeUses, {
    "lib/auth/a.ts": `const { Deno: d } = globalThis as { Deno?: object };`,
  }],
  ["Deno's class through the global object", runtimeUses, {
    "lib/auth/a.ts": `new globalThis.Deno.Command("ls");`,
  }],
  ["Deno in brackets", runtimeUses, { "lib/auth/a.ts": `globalThis["Deno"].exit();` }],
  ["a node: module", runtimeUses, { "lib/client/a.ts": `import "node:fs";` }],
  ["a node: module that is loaded late", runtimeUses, {
    "lib/sftp/a.ts": `const { lookup } = await import("node:dns/promises");`,
  }],
  ["the type of a node: module", runtimeUses, {
    "lib/sftp/a.ts": `import type { H } from "node:fs";`,
  }],
  ["a module of Node's through the process", runtimeUses, {
    "lib/sftp/a.ts": `const fs = process.getBuiltinModule("node:fs");`,
  }],
  ["a Deno function in an example", denoFunctions, {
    "lib/sftp/a.ts": `/** const root = await Deno.makeTempDir(); */`,
  }],
  ["a part of the runtime in a pure layer", impureImports, {
    "lib/transport/a.ts": `import { runtime } from "../runtime/runtime.ts";`,
  }],
  ["a part of the runtime in a pure layer, as a type", impureImports, {
    "lib/wire/a.ts": `import type { OpenFile } from "../runtime/files.ts";`,
  }],
  ["an abort listener", abortListeners, {
    "lib/auth/a.ts": `signal?.addEventListener("abort", stop);\nsignal.addEventListener("x", f);`,
  }],
  ["a cycle of three", cycles, {
    "lib/wire/a.ts": `import "./b.ts";`,
    "lib/wire/b.ts": `import type { C } from "./c.ts";`,
    "lib/wire/c.ts": `export { a } from "./a.ts";`,
  }],
];
for (const [name, rule, files] of mistakes) {
  Deno.test(`The layering rules find ${name}`, () => {
    assertEquals(rule(new Map(Object.entries(files))).length, 1);
  });
}

Deno.test("The layering rules allow correct imports", () => {
  const files: Sources = new Map(Object.entries({
    "lib/errors.ts": "export {};",
    "lib/crypto/wasm.ts": `import "../../wasm/pkg/core.js";\nimport "../errors.ts";`,
    "lib/runtime/deno.ts": `import type * as fs from "node:fs";\nexport const c = Deno.connect;`,
    "lib/transport/a.ts": [
      "/** import { x } from '../client/b.ts' and Deno.serve in a comment",
      ` * import { connect } from "@denossh/ssh";`,
      ` * import { tmpdir } from "node:os";`,
      " */",
      `import { concat } from "@std/bytes"; // in the shape of \`Deno.FsFile\``,
      `import { writeAll } from "../runtime/write_all.ts";`,
      `export const url = "http://x/", kind = "Deno.customInspect";`,
      `export interface Tunnel<A extends Deno.Addr> extends Deno.Listener<Conn, A> {}`,
      `const conn = wrapped as Deno.TcpConn;`,
    ].join("\n"),
    "lib/client/a.ts": `import "../session/b.ts";\nimport "../sftp/b.ts";`,
    "lib/testing/a.ts": `import "../cli/main.ts";`,
    "lib/sftp/mod.ts": `export * from "./server/a.ts";\nexport * from "./client.ts";`,
    "lib/sftp/transfer/a.ts":
      `import "../server/b.ts";\nimport "./c.ts";\nimport "../../wire/a.ts";`,
  }));
  for (
    const rule of [
      upwardImports,
      wingImports,
      largeFolders,
      wasmImports,
      runtimeUses,
      denoFunctions,
      impureImports,
      cycles,
    ]
  ) {
    assertEquals(rule(files), []);
  }
});

function upwardImports(sources: Sources): string[] {
  const wrong: string[] = [];
  for (const [file, source] of sources) {
    const from = layerOf(file);
    if (from.row === -1) wrong.push(`${file} is in no layer`);
    for (const target of importsOf(file, source)) {
      if (target.startsWith("wasm/") || target.startsWith("node:")) continue; // their own rules
      if (PACKAGES.includes(target)) continue;
      const to = layerOf(target);
      const allowed = to.row !== -1 && (to.row < from.row || to.folder === from.folder);
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  }
  return wrong;
}

function wingImports(sources: Sources): string[] {
  const wrong: string[] = [];
  for (const [file, source] of sources) {
    const from = wingOf(file);
    if (from.row === -1) wrong.push(`${file} is in no wing`);
    for (const target of importsOf(file, source)) {
      const to = wingOf(target);
      const sameRoom = layerOf(target).folder === layerOf(file).folder;
      if (sameRoom && to.row >= from.row && to.wing !== from.wing) {
        wrong.push(`${file} imports ${target}`);
      }
    }
  }
  return wrong;
}

function largeFolders(sources: Sources): string[] {
  const files = Map.groupBy(sources.keys(), (file) => file.slice(0, file.lastIndexOf("/")));
  return [...files].filter(([folder, { length }]) =>
    length > MOST_FILES && !LARGE_ROOMS.includes(folder)
  ).map(([folder, { length }]) => `${folder} holds ${length} files`);
}

function wasmImports(sources: Sources): string[] {
  return [...sources].filter(([file]) => !WASM_DOORS.includes(file)).flatMap(([file, source]) =>
    importsOf(file, source).filter((target) => target.startsWith("wasm/"))
      .map((target) => `${file} imports ${target}`)
  );
}

/** Uses that only `runtime/` may have; types of Deno's namespace are erased, so they are allowed. */
function runtimeUses(sources: Sources): string[] {
  // A type begins with a capital letter, and nothing is read from it.
  const value =
    /\bDeno\b(?!\.[A-Z])|\bDeno\.[A-Z]\w*\.|(?:\bnew|\binstanceof|\bclass\s+\w+\s+extends|\.)\s*Deno\.[A-Z]/g;
  const around = /globalThis\s*\[|\bgetBuiltinModule\b/g;
  return outsideRuntime(sources).flatMap(([file, source]) => {
    const uses = [...code(source).match(value) ?? [], ...code(source).match(around) ?? []].slice(
      0,
      1,
    );
    const modules = importsOf(file, source).filter((target) => target.startsWith("node:"));
    return [...uses, ...modules].map((use) => `${file} uses ${use}`);
  });
}

/** Functions that touch the system, also in comments and examples. */
function denoFunctions(sources: Sources): string[] {
  const named = /\bDeno\.(connect|listen|open|stat|env|Command|read|write|make|remove)/g;
  return outsideRuntime(sources).flatMap(([file, source]) =>
    (source.match(named) ?? []).map((name) => `${file} names ${name}`)
  );
}

function impureImports(sources: Sources): string[] {
  return [...sources].filter(([file]) => PURE.includes(layerOf(file).folder)).flatMap(
    ([file, source]) =>
      importsOf(file, source)
        .filter((to) => to.startsWith("lib/runtime/") && !PURE_RUNTIME.includes(to))
        .map((to) => `${file} imports ${to}`),
  );
}

function outsideRuntime(sources: Sources): [file: string, source: string][] {
  return [...sources].filter(([file]) => layerOf(file).folder !== "runtime");
}

/** `onAbort` calls immediately if the signal is already aborted, and removes the listener. */
function abortListeners(sources: Sources): string[] {
  return [...sources].filter(([file]) => file !== "lib/waiting.ts").flatMap(([file, source]) =>
    [...withoutComments(source).matchAll(/addEventListener\(\s*["']abort/g)]
      .map(() => `${file} listens to an abort signal: use onAbort of lib/waiting.ts`)
  );
}

function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at !== -1) found.push([...path.slice(at), file].join(" > "));
    if (at !== -1 || done.has(file)) return;
    path.push(file);
    for (const target of importsOf(file, sources.get(file) ?? "")) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of sources.keys()) visit(file);
  return found;
}

/** The row and folder of a file; row -1 without a layer. */
function layerOf(file: string): { row: number; folder: string } {
  const [top, folder = ""] = file.split("/");
  return { row: top === "lib" ? ROWS.findIndex((row) => row.includes(folder)) : -1, folder };
}

/**
 * The row and name of a file's wing; row -1 for a wing that has no place, the last row beside the
 * wings.
 */
function wingOf(file: string): { row: number; wing: string } {
  const [, room = "", ...path] = file.split("/");
  const rows = WINGS[room] ?? [];
  const wing = path.length > 1 ? path[0]! : "";
  const known = wing === "" || INNER_FOLDERS.includes(`${room}/${wing}`);
  return {
    row: known ? rows.length : rows.findIndex((row) => row.includes(wing)),
    wing: known ? "" : wing,
  };
}

function code(source: string): string {
  return withoutComments(source).replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
}
