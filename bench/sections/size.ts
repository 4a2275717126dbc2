import { gzipSync } from "node:zlib";
import { concat } from "@std/bytes";
import { published } from "../../.ci/package_files.ts";
import { ESBUILD } from "../../npm/build.ts";
import { type InstalledPackage, installPackage } from "../../tests/interop/harness/npm_package.ts";
import { findPeer, type Peer } from "../../tests/interop/harness/peers.ts";
import { must } from "../../tests/support/run.ts";
import { type TempFolder, tempFolder } from "../../tests/support/temp.ts";
import { timed } from "../lab.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

/** An entrypoint to bundle, and the name of its figure. */
const ENTRIES: Readonly<Record<string, readonly [source: string, figure: string]>> = {
  "client": ["mod.ts", "size.client"],
  "/keys": ["lib/keys/mod.ts", "size.keys"],
  "/sftp": ["lib/sftp/mod.ts", "size.sftp"],
  "/server": ["lib/server/mod.ts", "size.server"],
};
const NODES = ["node22", "node24"] as const satisfies readonly Peer[];
const ROOT = new URL("../../", import.meta.url).pathname;

/** A program that imports the module, and an equal one that does not. */
interface Import {
  readonly name: string;
  readonly empty: readonly string[];
  readonly full: readonly string[];
}

/** Measures the sizes of bundles and packages, and the time to import the module. */
export async function size(report: Report, { quick }: BenchOptions): Promise<void> {
  await bundles(report);
  await using stack = new AsyncDisposableStack();
  const npm = await findPeer("npm");
  if (npm === null) report.note("Missing: npm: not installed");
  const installed = npm === null ? null : stack.use(await installPackage());
  await packages(report, installed);
  const folder = stack.use(await tempFolder());
  await imports(report, folder, installed, quick ? 5 : 15);
}

async function bundles(report: Report): Promise<void> {
  const rows: string[][] = [];
  const esbuild = await import(ESBUILD);
  try {
    for (const [name, [source, figure]] of Object.entries(ENTRIES)) {
      const { outputFiles } = await esbuild.build({
        absWorkingDir: ROOT,
        entryPoints: [source],
        bundle: true,
        minify: true,
        write: false,
        format: "esm",
        platform: "neutral",
        external: ["cloudflare:*"],
        alias: {
          "@std/bytes": `${ROOT}tests/std/bytes/mod.ts`,
          "@std/streams": `${ROOT}tests/std/streams/mod.ts`,
        },
        logLevel: "error",
      });
      const bytes: Uint8Array = outputFiles[0].contents;
      const zipped = kilobytes(gzipSync(bytes, { level: 9 }).length);
      rows.push([name, kilobytes(bytes.length).toFixed(0), zipped.toFixed(0)]);
      report.figure(figure, zipped);
    }
  } finally {
    await esbuild.stop();
  }
  report.table("Bundles of one entrypoint each, KB", ["", "minified", "gzip"], rows);
  report.data("size.bundles", rows);
}

async function packages(report: Report, installed: InstalledPackage | null): Promise<void> {
  const files = await published();
  const contents = await Promise.all(files.map((file) => Deno.readFile(ROOT + file)));
  const together = concat(contents);
  const [jsr, packed] = [together, gzipSync(together)].map(({ length }) => length / 1e6) as [
    number,
    number,
  ];
  const rows = [["JSR", `${files.length}`, jsr.toFixed(2), packed.toFixed(2)]];
  report.figure("size.jsr", jsr);
  report.figure("size.jsrPacked", packed);
  if (installed !== null) {
    const { packed, unpacked } = installed.size;
    const [zipped, all] = [packed / 1e6, unpacked / 1e6];
    rows.push(["npm", `${installed.files.length}`, all.toFixed(2), zipped.toFixed(2)]);
    report.figure("size.npm", zipped);
  }
  report.table("Packages, MB", ["", "files", "files together", "packed"], rows);
  report.data("size.packages", rows);
}

/** Runs both in pairs in alternating order, so that load affects both alike. */
async function imports(
  report: Report,
  folder: TempFolder,
  installed: InstalledPackage | null,
  rounds: number,
): Promise<void> {
  const programs = [...await onDeno(folder), ...installed ? await onNode(installed) : []];
  const times: Record<string, { empty: number[]; full: number[] }> = {};
  for (const { name, empty, full } of programs) {
    const found = times[name] = { empty: [] as number[], full: [] as number[] };
    await start(full); // fills Deno's compilation cache
    for (let round = 0; round < rounds; round++) {
      const pair = [["empty", empty], ["full", full]] as const;
      for (const [key, line] of round % 2 === 0 ? pair : pair.toReversed()) {
        found[key].push(await timed(() => start(line)));
      }
    }
  }
  const rows = Object.entries(times).map(([name, { empty, full }]) => {
    const above = full.map((ms, i) => ms - empty[i]!);
    const fastest = Math.min(...full) - Math.min(...empty);
    return [name, ...[median(empty), median(above), fastest].map((ms) => ms.toFixed(0))];
  });
  report.table("Import, ms above an empty program", [
    "",
    "empty program",
    "median of pairs",
    "between the fastest",
  ], rows);
  report.data("size.imports", times);
  for (const [entry, figure] of [["client", "size.import"], ["/keys", "size.importKeys"]]) {
    const { empty, full } = times[`Deno: ${entry}`]!;
    report.figure(figure!, median(full.map((ms, i) => ms - empty[i]!)));
  }
}

async function onDeno(folder: TempFolder): Promise<Import[]> {
  const flags = ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`];
  const line = (file: string) => [Deno.execPath(), ...flags, file];
  const empty = line(await folder.write("empty.ts", ""));
  return await Promise.all(["client", "/keys"].map(async (name, i) => {
    const [source] = ENTRIES[name]!;
    const file = await folder.write(
      `${i}.ts`,
      `import ${JSON.stringify(`file://${ROOT}${source}`)};`,
    );
    return { name: `Deno: ${name}`, empty, full: line(file) };
  }));
}

async function onNode({ folder }: InstalledPackage): Promise<Import[]> {
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const empty = await write("empty.js", "");
  const client = await write("client.js", 'import "@denossh/ssh";');
  const keys = await write("keys.js", 'import "@denossh/ssh/keys";');
  const programs: Import[] = [];
  for (const node of NODES) {
    const path = await findPeer(node);
    if (path === null) continue;
    const name = `Node ${node.slice("node".length)}`;
    programs.push({ name: `${name}: client`, empty: [path, empty], full: [path, client] });
    programs.push({ name: `${name}: /keys`, empty: [path, empty], full: [path, keys] });
  }
  return programs;
}

function start([program, ...args]: readonly string[]): Promise<unknown> {
  return must(program!, args);
}

function kilobytes(bytes: number): number {
  return bytes / 1000;
}
