/** The npm package, packed and installed into a folder as users do, and programs that use it. */
import { buildPackage } from "../../../npm/build.ts";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

/** The package in a separate folder. */
export interface InstalledPackage extends AsyncDisposable {
  /** The folder whose `node_modules` contains it. */
  readonly folder: string;
  /** The packed files, by path in the package. */
  readonly files: readonly string[];
  /** The size of the packed file, and of its contents, in bytes. */
  readonly size: { readonly packed: number; readonly unpacked: number };
  /** The path of the command line tool. */
  readonly tool: string;
  /** Compiles a program of `tests/interop/peers/runtimes` for Node 22; returns its path. */
  compile(program: string): Promise<string>;
  /** Bundles a program of the folder with the package, as for a runtime; `.wasm` files stay apart. */
  bundle(program: string, condition: string, outfile: string): Promise<void>;
}

/** The output of `npm pack --json`. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

const ESBUILD = "npm:esbuild@0.28.2";

/** Builds, packs and installs it. */
export async function installPackage(): Promise<InstalledPackage> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await tempFolder());
  const built = home.join("built");
  await buildPackage(built);
  const npm = (args: readonly string[], cwd: string) => must("npm", args, { cwd });
  const { text } = await npm(["pack", "--json", "--pack-destination", home.path], built);
  const [packed] = JSON.parse(text) as Packed[];
  const { filename, files, size, unpackedSize } = packed!;
  await home.write("package.json", JSON.stringify({ private: true, type: "module" }));
  const flags = ["--offline", "--no-audit", "--no-fund"];
  await npm(["install", ...flags, home.join(filename)], home.path);
  const parts = stack.move();
  return {
    folder: home.path,
    files: files.map(({ path }) => path),
    size: { packed: size, unpacked: unpackedSize },
    tool: home.join("node_modules/.bin/denossh"),
    compile: (program) => compile(program, home.join(program.replace(/\.ts$/, ".js"))),
    bundle: (program, condition, outfile) =>
      build({
        entryPoints: [home.join(program)],
        platform: "neutral",
        conditions: [condition],
        external: ["*.wasm", "cloudflare:*"],
        outfile,
      }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Bundles a program, but not the package. */
async function compile(program: string, outfile: string): Promise<string> {
  const source = new URL(`../peers/runtimes/${program}`, import.meta.url).pathname;
  await build({
    entryPoints: [source],
    platform: "node",
    target: "node22",
    external: ["@denossh/*"],
    outfile,
  });
  return outfile;
}

async function build(options: Record<string, unknown>): Promise<void> {
  const esbuild = await import(ESBUILD);
  try {
    await esbuild.build({ bundle: true, format: "esm", logLevel: "warning", ...options });
  } finally {
    await esbuild.stop();
  }
}
