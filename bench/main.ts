/**
 * The benchmark suite: prints tables as it goes, at the end each mark and whether it was met, and leaves
 * bench/results/*.json and a plot.
 *
 * ```sh
 * deno task bench [--quick] [cipher] [handshake] [exec] [windows] …
 * ```
 */
import { judge, MARK_HEADER } from "./marks.ts";
import { plotWindows } from "./plot.ts";
import { type BenchOptions, Report, type Section } from "./report.ts";
import { channels } from "./sections/channels.ts";
import { cipher } from "./sections/cipher.ts";
import { codec } from "./sections/codec.ts";
import { connections } from "./sections/connections.ts";
import { exec } from "./sections/exec.ts";
import { handshake } from "./sections/handshake.ts";
import { keystroke } from "./sections/keystroke.ts";
import { memory } from "./sections/memory.ts";
import { server } from "./sections/server.ts";
import { sftp } from "./sections/sftp.ts";
import { sftpPaths } from "./sections/sftp_paths.ts";
import { startup } from "./sections/startup.ts";
import { tunnel } from "./sections/tunnel.ts";
import { type WindowCell, windows } from "./sections/windows.ts";
import { sftpRoundTrips } from "./sftp.ts";

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
  { name: "sftp", run: sftp },
  { name: "sftp-paths", run: sftpPaths },
  { name: "sftp-peers", run: sftpRoundTrips },
  { name: "tunnel", run: tunnel },
];
/** Load for each core from which on what is measured is the others as well. */
const BUSY = 0.25;
const RESULTS = new URL("results/", import.meta.url);

if (import.meta.main) {
  const { sections, options } = parse(Deno.args);
  const report = new Report();
  const began = new Date();
  const load = Deno.loadavg()[0]!;
  console.log(machine(load));
  if (load > navigator.hardwareConcurrency * BUSY) {
    report.note("Other programs keep this machine busy: single runs are not to be trusted");
  }
  for (const section of sections) await report.run(section, options);
  // A mark that was not measured matters only where everything was to be.
  const all = sections.length === SECTIONS.length;
  const marks = judge(report.figures).filter(([, , reached]) => all || reached !== "-");
  report.table("Marks", MARK_HEADER, marks);
  if (options.quick) {
    console.log(
      "--quick: one or few short runs, in which start-up weighs more: marks are an indication only",
    );
  }
  await save(report, { began, quick: options.quick, load, marks });
  for (const failure of report.failures) console.error(`Failed: ${failure}`);
  if (report.failures.length > 0) Deno.exitCode = 1;
}

function parse(args: readonly string[]): { sections: readonly Section[]; options: BenchOptions } {
  const names = args.filter((arg) => arg !== "--quick");
  const unknown = names.find((name) => !SECTIONS.some((section) => section.name === name));
  if (unknown !== undefined) {
    const known = SECTIONS.map(({ name }) => name).join(" ");
    console.error(`Unknown section "${unknown}"; there are: ${known}`);
    Deno.exit(2);
  }
  return {
    sections: SECTIONS.filter(({ name }) => names.length === 0 || names.includes(name)),
    options: { quick: args.includes("--quick") },
  };
}

function machine(load: number): string {
  const { arch, os } = Deno.build;
  const cores = navigator.hardwareConcurrency;
  return `Deno ${Deno.version.deno}, ${os} ${arch}, ${cores} cores, load ${load.toFixed(1)}`;
}

async function save(
  report: Report,
  run: { began: Date; quick: boolean; load: number; marks: readonly string[][] },
): Promise<void> {
  await Deno.mkdir(RESULTS, { recursive: true });
  const name = run.began.toISOString().slice(0, 19).replaceAll(":", "");
  const file = new URL(`${name}.json`, RESULTS);
  const content = { machine: machine(run.load), ...run, ...report.toJSON() };
  await Deno.writeTextFile(file, JSON.stringify(content, null, 2) + "\n");
  const cells = report.kept("windows") as WindowCell[] | undefined;
  if (cells) await Deno.writeTextFile(new URL("windows.svg", RESULTS), plotWindows(cells));
  console.log(`\n${file.pathname}${cells ? " and windows.svg beside it" : ""}`);
}
