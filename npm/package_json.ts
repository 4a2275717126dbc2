/** What package.json of the npm package says. */

/** What is used of deno.json. */
export interface DenoJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: readonly string[];
  readonly license: string;
  /** The sources of the entrypoints, by their names. */
  readonly exports: Readonly<Record<string, string>>;
}

/** A runtime, and what the package imports as `#own-parts` there. */
export interface RuntimeCondition {
  /** The condition of imports that holds on it, and that bundlers for it set. */
  readonly condition: string;
  /** The file of `lib/runtime`, and its function for the parts; null where streams are all there is. */
  readonly source: readonly [file: string, parts: string] | null;
}

/** The first condition that holds is taken: Deno and Workers also say that they are Node. */
export const RUNTIMES: readonly RuntimeCondition[] = [
  { condition: "deno", source: ["deno.ts", "denoRuntime"] },
  { condition: "workerd", source: ["workers.ts", "workersRuntime"] },
  { condition: "browser", source: null },
  { condition: "node", source: ["node.ts", "nodeRuntime"] },
  { condition: "default", source: null },
];

/** The core as a file, exported for platforms that compile no bytes. */
export const CORE = { types: "./types/core.wasm.d.ts", default: "./dist/core.wasm" } as const;

/** The file of the package that has the parts of a runtime. */
export function partsFile({ source }: RuntimeCondition): string {
  return `runtime/${source === null ? "none" : source[0].replace(/\.ts$/, "")}`;
}

/** The file of the package for an entrypoint, without its ending. */
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
