/** Makes package.json of the npm package. */

/** The fields used of deno.json. */
export interface DenoJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: readonly string[];
  readonly license: string;
  /** The sources of the entrypoints, by name. */
  readonly exports: Readonly<Record<string, string>>;
}

/** A runtime, and what the package imports as `#own-parts` there. */
export interface RuntimeCondition {
  /** The import condition of the runtime and of bundlers for it. */
  readonly condition: string;
  /** The file of `lib/runtime`, and its function for the parts; null for runtimes with only streams. */
  readonly source: readonly [file: string, parts: string] | null;
}

/** The first matching condition is used: Deno and Workers also match node. */
export const RUNTIMES: readonly RuntimeCondition[] = [
  { condition: "deno", source: ["deno.ts", "denoRuntime"] },
  { condition: "workerd", source: ["workers.ts", "workersRuntime"] },
  { condition: "browser", source: null },
  { condition: "node", source: ["node.ts", "nodeRuntime"] },
  { condition: "default", source: null },
];

/** The core as a file, exported for platforms that compile no bytes. */
export const CORE = { types: "./types/core.wasm.d.ts", default: "./dist/core.wasm" } as const;

/** The file in the package with the parts of a runtime. */
export function partsFile({ source }: RuntimeCondition): string {
  return `runtime/${source === null ? "none" : source[0].replace(/\.ts$/, "")}`;
}

/** The file in the package for an entrypoint, without its extension. */
export function entryFile(name: string): string {
  return name === "." ? "mod" : name.slice("./".length);
}

/** The content of package.json. */
export function packageJson(settings: DenoJson): object {
  const { name, version, description, keywords, license, exports } = settings;
  return {
    name,
    version,
    description,
    keywords,
    license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=22.3" }, // the first with process.getBuiltinModule
    bin: { denossh: "bin/denossh.js" },
    exports: {
      ...Object.fromEntries(
        Object.entries(exports).map(([entry, source]) => [entry, {
          types: source.replace(/^\.\/(.*)\.ts$/, "./types/$1.d.ts"),
          default: `./dist/${entryFile(entry)}.js`,
        }]),
      ),
      "./core.wasm": CORE,
      "./package.json": "./package.json",
    },
    imports: {
      "#own-parts": Object.fromEntries(
        RUNTIMES.map((runtime) => [runtime.condition, `./dist/${partsFile(runtime)}.js`]),
      ),
    },
  };
}
