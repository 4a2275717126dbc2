/**
 * Builds the npm package: `deno task build:npm [folder]`. `npm pack` packs the folder. It has one
 * build for all runtimes, compiled for Node 22; the parts that differ are imported by condition.
 */
import { dirname, join } from "node:path";
import { coreBytes } from "../lib/crypto/core_module.ts";
import {
  CORE,
  type DenoJson,
  entryFile,
  packageJson,
  partsFile,
  RUNTIMES,
} from "./package_json.ts";
import { declarations } from "./types.ts";

/** The types used of the bundler, which is loaded only for a build. */
interface Bundler {
  build(options: Record<string, unknown>): Promise<unknown>;
  stop(): Promise<void>;
}

interface Resolution {
  path: string;
  external?: boolean;
  namespace?: string;
}

/** The interface for a bundler plugin's hooks. */
interface PluginBuild {
  onResolve(options: { filter: RegExp }, run: (args: { path: string }) => Resolution): void;
  onLoad(
    options: { filter: RegExp; namespace: string },
    run: (args: { path: string }) => { contents: string; loader: "ts"; resolveDir: string },
  ): void;
}

/** The bundler, pinned; loaded only for a build. */
export const ESBUILD = "npm:esbuild@0.28.2";

const ROOT = new URL("..", import.meta.url).pathname;

/** The tool. Node and Bun know by the file what `import.meta.main` is, but not before Node 24. */
const BIN = `#!/usr/bin/env node
import { main } from "../dist/cli.js";

process.exit(await main(process.argv.slice(2)));
`;

/** Builds the package into a folder, which is emptied first. */
export async function buildPackage(folder: string): Promise<void> {
  const settings: DenoJson = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(join(folder, "bin"), { recursive: true });
  await Promise.all([
    bundle(settings, join(folder, "dist")),
    writeCore(folder),
    declare(settings, join(folder, "types")),
    writeJson(join(folder, "package.json"), packageJson(settings)),
    Deno.writeTextFile(join(folder, "bin/denossh.js"), BIN, { mode: 0o755 }),
    ...["README.md", "CHANGELOG.md", "LICENSE", "THIRD_PARTY.md"].map((name) =>
      Deno.copyFile(join(ROOT, name), join(folder, name))
    ),
  ]);
}

async function bundle({ exports }: DenoJson, outdir: string): Promise<void> {
  const esbuild: Bundler = await import(ESBUILD);
  const entries = Object.entries(exports)
    .map(([name, source]) => [entryFile(name), join(ROOT, source)]);
  const parts = RUNTIMES.map((runtime, i) => [partsFile(runtime), `own-parts:${i}`]);
  try {
    await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: Object.fromEntries([...entries, ...parts]),
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "neutral",
      target: "node22",
      outdir,
      chunkNames: "shared/[name]-[hash]",
      legalComments: "none",
      logLevel: "warning",
      alias: {
        "@std/bytes": join(ROOT, "tests/std/bytes/mod.ts"),
        "@std/streams": join(ROOT, "tests/std/streams/mod.ts"),
      },
      inject: [join(ROOT, "npm/fills.ts")],
      define: {
        "Promise.try": "promiseTry",
        DisposableStack: "FilledDisposableStack",
        AsyncDisposableStack: "FilledAsyncDisposableStack",
      },
      plugins: [{ name: "own-parts", setup: importParts }],
    });
  } finally {
    await esbuild.stop();
  }
}

/** The parts of the runtime are selected by the condition of an import, not by `own_parts.ts`. */
function importParts(build: PluginBuild): void {
  build.onResolve({ filter: /\/own_parts\.ts$/ }, () => ({ path: "#own-parts", external: true }));
  build.onResolve({ filter: /^own-parts:/ }, ({ path }) => ({ path, namespace: "own-parts" }));
  build.onLoad({ filter: /^own-parts:/, namespace: "own-parts" }, ({ path }) => {
    const { source } = RUNTIMES[Number(path.slice("own-parts:".length))]!;
    const contents = source === null
      ? "export const ownParts = {};"
      : `import { ${source[1]} } from "./${source[0]}"; export const ownParts = ${source[1]}();`;
    return { contents, loader: "ts", resolveDir: join(ROOT, "lib/runtime") };
  });
}

/** Writes the core as a `.wasm` file, for platforms that compile such files and no bytes. */
async function writeCore(folder: string): Promise<void> {
  await Promise.all(
    ["dist", "types"].map((name) => Deno.mkdir(join(folder, name), { recursive: true })),
  );
  await Deno.writeFile(join(folder, CORE.default), coreBytes("relaxed"));
  await Deno.writeTextFile(
    join(folder, CORE.types),
    "/** A `WebAssembly.Module`. */\ndeclare const core: object;\nexport default core;\n",
  );
}

async function declare({ exports }: DenoJson, folder: string): Promise<void> {
  const sources = Object.values(exports).map((source) => source.slice("./".length));
  const files = await declarations(ROOT, sources);
  files.set("deno_types.d.ts", await Deno.readTextFile(join(ROOT, "npm/deno_types.d.ts")));
  for (const [path, text] of files) {
    await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
}

async function writeJson(file: string, content: object): Promise<void> {
  await Deno.writeTextFile(file, `${JSON.stringify(content, null, 2)}\n`);
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? join(ROOT, "npm/package");
  await buildPackage(folder);
  console.log(`Built ${folder}: pack it with "npm pack"`);
}
