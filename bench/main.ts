/**
 * The benchmark suite: prints tables, then each mark and whether it was met, and writes
 * bench/results/*.json and a plot. `--readme` puts the results of a whole run into docs/performance.md.
 *
 * ```sh
 * deno task bench [--quick] [--readme] [--tcp=cubic] [cipher] [handshake] [exec] [windows] …
 * ```
 *
 * `--tcp` sets TCP's congestion control for the run, as root on Linux.
 */
import { LARGE, race, ROWS } from "./cipher_bench.ts";
import { judge, MARK_HEADER } from "./marks.ts";
import { congestionControl, runInOwnNetwork } from "./own_network.ts";
import { plotWindows } from "./plot.ts";
import { drawPlots } from "./plots.ts";
import { writeReadme } from "./readme.ts";
import { type BenchOptions, Report, type Section } from "./report.ts";
import { capped } from "./sections/capped.ts";
import { channels } from "./sections/channels.ts";
import { cipher } from "./sections/cipher.ts";
import { codec } from "./sections/codec.ts";
import { connections } from "./sections/connections.ts";
import { fairness } from "./sections/fairness.ts";
import { exec } from "./sections/exec.ts";
import { handshake } from "./sections/handshake.ts";
import { keystroke } from "./sections/keystroke.ts";
import { manyFiles } from "./sections/many_files.ts";
import { memory } from "./sections/memory.ts";
import { runtimes } from "./sections/runtimes.ts";
import { server } from "./sections/server.ts";
import { sftp } from "./sections/sftp.ts";
import { size } from "./sections/size.ts";
import { stripes } from "./sections/stripes.ts";
import { startup } from "./sections/startup.ts";
import { tunnel } from "./sections/tunnel.ts";
import { type WindowCell, windows } from "./sections/windows.ts";
import { sftpRoundTrips } from "./sftp.ts";
import { CIPHERS } from "./throughput.ts";

const SECTIONS: readonly Section[] = [
  { name: "cipher", run: cipher },
  { name: "codec", run: codec },
  { name: "handshake", run: handshake },
  { name: "startup", run: startup },
  { name: "exec", run: exec },
  { name: "windows", run: windows },
  { name: "channels", run: channels },
  { name: "connections", run: connections },
  { name: "keystroke", run: keystroke },
  { name: "memory", run: memory },
  { name: "server", run: server },
  { name: "fairness", run: fairness },
  { name: "sftp", run: sftp },
  { name: "sftp-peers", run: sftpRoundTrips },
  { name: "many-files", run: manyFiles },
  { name: "stripes", run: stripes },
  { name: "capped", run: capped },
  { name: "tunnel", run: tunnel },
  { name: "size", run: size },
  { name: "runtimes", run: runtimes },
];
/** Load per core above which other programs distort the results. */
const BUSY = 0.25;
const RESULTS = new URL("results/", import.meta.url);
const TCP = "--tcp=";

if (import.meta.main) {
  const tcp = Deno.args.find((arg) => arg.startsWith(TCP));
  if (tcp !== undefined) {
    const others = Deno.args.filter((arg) => arg !== tcp);
    Deno.exit(await runInOwnNetwork(tcp.slice(TCP.length), import.meta.url, others));
  }
  const { sections, options } = parse(Deno.args);
  const report = new Report();
  const began = new Date();
  const load = Deno.loadavg()[0]!;
  const ring = LARGE / race(ROWS[0]!, LARGE).ring! / 1000;
  console.log(machine(load, ring));
  if (load > navigator.hardwareConcurrency * BUSY) {
    report.note("Other programs keep this machine busy: single runs are not to be trusted");
  }
  for (const section of sections) await report.run(section, options);
  // An unmeasured mark is reported only after a run of all sections.
  const all = sections.length === SECTIONS.length;
  const marks = judge(report.figures, ring).filter(([, , , reached]) => all || reached !== "-");
  report.table("Marks", MARK_HEADER, marks);
  if (options.quick) {
    console.log(
      "--quick: one or few short runs, in which start-up weighs more: marks are an indication only",
    );
  }
  await save(report, { machine: machine(load, ring), began, quick: options.quick, marks });
  // Results of short runs or of a loaded machine are not published.
  if (!options.quick) {
    for (const name of await drawPlots(report.toJSON().data)) console.log(`docs/plots/${name}`);
  }
  if (options.readme) await writeReadme(machine(load, ring), report.tables);
  for (const failure of report.failures) console.error(`Failed: ${failure}`);
  if (report.failures.length > 0) Deno.exitCode = 1;
}

function parse(
  args: readonly string[],
): { sections: readonly Section[]; options: BenchOptions & { readonly readme: boolean } } {
  const names = args.filter((arg) => !["--quick", "--readme"].includes(arg));
  const unknown = names.find((name) => !SECTIONS.some((section) => section.name === name));
  if (unknown !== undefined) {
    const known = SECTIONS.map(({ name }) => name).join(" ");
    console.error(`Unknown section "${unknown}"; there are: ${known}`);
    Deno.exit(2);
  }
  return {
    sections: SECTIONS.filter(({ name }) => names.length === 0 || names.includes(name)),
    options: { quick: args.includes("--quick"), readme: args.includes("--readme") },
  };
}

function machine(load: number, ring: number): string {
  const { arch, os } = Deno.build;
  const cores = navigator.hardwareConcurrency;
  const speed = `ring's chacha20-poly1305 in WebAssembly ${ring.toFixed(0)} MB/s`;
  const tcp = congestionControl();
  return [
    `Deno ${Deno.version.deno}, ${os} ${arch}, ${cores} cores (${speed})`,
    ...tcp === null ? [] : [`TCP ${tcp}`],
    `load ${load.toFixed(1)}`,
  ].join(", ");
}

async function save(
  report: Report,
  run: { machine: string; began: Date; quick: boolean; marks: readonly string[][] },
): Promise<void> {
  await Deno.mkdir(RESULTS, { recursive: true });
  const name = run.began.toISOString().slice(0, 19).replaceAll(":", "");
  const file = new URL(`${name}.json`, RESULTS);
  const content = { ...run, ...report.toJSON() };
  await Deno.writeTextFile(file, JSON.stringify(content, null, 2) + "\n");
  const cells = report.kept("windows") as WindowCell[] | undefined;
  if (cells) {
    const shown = cells.filter(({ cipher }) => cipher === CIPHERS[0]);
    await Deno.writeTextFile(new URL("windows.svg", RESULTS), plotWindows(shown));
  }
  console.log(`\n${file.pathname}${cells ? " and windows.svg beside it" : ""}`);
}
