import { bundle } from "../../tests/interop/harness/bundle.ts";
import { installPackage } from "../../tests/interop/harness/npm_package.ts";
import { findPeer, type Peer } from "../../tests/interop/harness/peers.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { startWorker } from "../../tests/interop/harness/workerd.ts";
import { must } from "../../tests/support/run.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { sshdTarget } from "../lab.ts";
import { findSsh2Runtimes } from "../peers/clients.ts";
import { remoteCommand } from "../peers/measure.ts";
import type { RateJob, Rates } from "../peers/runtime_rates.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS } from "../throughput.ts";
import { memoryFolder } from "./sftp.ts";

const MIB = 1024 ** 2;
const LIMIT_MS = 120_000;
const RUNTIMES: Readonly<Record<string, Peer>> = {
  "Node 22": "node22",
  "Node 24": "node24",
  "Bun": "bun",
};
const PEERS = new URL("../peers/", import.meta.url);

/** Runs a job on a runtime. */
type Way = (job: RateJob) => Promise<Rates>;

/**
 * Compares `exec` down and SFTP get on each runtime and with npm's ssh2, alternately from the same
 * sshd.
 */
export async function runtimes(report: Report, { quick }: BenchOptions): Promise<void> {
  const bytes = (quick ? 128 : 512) * MIB;
  const rounds = quick ? 1 : 5;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const { port, user, hostKey } = sshdTarget(sshd);
  const job: RateJob = {
    port,
    user,
    hostKey,
    key: await Deno.readTextFile(sshd.identity),
    cipher: CIPHERS[0]!,
    command: remoteCommand("down", bytes),
    bytes,
    file: `${folder}/source`,
    out: `${folder}/copy`,
  };
  await Deno.writeFile(job.file, new Uint8Array(bytes));

  const ways = {
    ...await ours(report, stack),
    ...await inWorker(report, stack),
    ...await ssh2(report),
  };
  const found = new Map<string, Rates[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      try {
        const rates = await way(job);
        found.set(name, [...found.get(name) ?? [], rates]);
      } catch (error) {
        // A failure is reported, and the others are still measured.
        report.note(`Missing: ${name}: ${(error as Error).message.trim().split("\n").at(-1)}`);
      }
    }
  }
  const middle = (runs: readonly Rates[], of: keyof Rates) =>
    median(runs.map((rates) => rates[of])).toFixed(0);
  report.table(
    `Runtimes: ${bytes / MIB} MiB on an open connection, chacha20, MB/s, medians`,
    ["", "exec down", "SFTP get"],
    [...found].map(([name, runs]) => [name, middle(runs, "exec"), middle(runs, "get")]),
  );
  report.data("runtimes", Object.fromEntries(found));
}

/** The npm package, installed as its users do. */
async function ours(report: Report, stack: AsyncDisposableStack): Promise<Record<string, Way>> {
  if (await findPeer("npm") === null) {
    report.note("Missing: npm: not installed");
    return {};
  }
  const { folder } = stack.use(await installPackage());
  for (const name of ["runtime_main.ts", "runtime_rates.ts"]) {
    await Deno.copyFile(new URL(name, PEERS), `${folder}/${name}`);
  }
  const ways: Record<string, Way> = {};
  for (const [name, peer] of Object.entries(RUNTIMES)) {
    const path = await findPeer(peer);
    if (path === null) report.note(`Missing: ${name}: not installed`);
    else ways[`@denossh/ssh on ${name}`] = scripted(path, [`${folder}/runtime_main.ts`]);
  }
  return ways;
}

async function inWorker(report: Report, stack: AsyncDisposableStack): Promise<Record<string, Way>> {
  if (await findPeer("workerd") === null) {
    report.note("Missing: workerd: not installed");
    return {};
  }
  const folder = stack.use(await tempFolder());
  await bundle("bench/peers/runtime_worker.ts", folder.join("worker.js"));
  const worker = stack.use(await startWorker(folder, "worker.js"));
  return {
    "@denossh/ssh on workerd, get into a stream": async ({ out: _, ...job }) => {
      const response = await fetch(worker.url, { method: "POST", body: JSON.stringify(job) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${text}\n${worker.log}`);
      return JSON.parse(text);
    },
  };
}

/** On Node without the addon, and with it if it was built. */
async function ssh2(report: Report): Promise<Record<string, Way>> {
  const { runtimes, missing } = await findSsh2Runtimes();
  missing.forEach((text) => report.note(`Missing: ${text}`));
  const ways: Record<string, Way> = {};
  const node = runtimes.find(({ name }) => name.startsWith("npm:ssh2 on Node"));
  if (node === undefined) return ways;
  const { program: [path], modules } = node;
  const script = new URL("ssh2_rates.mjs", PEERS).pathname;
  const version = (await must(path!, ["--version"])).text.trim();
  const add = (addon: string, flags: readonly string[]) =>
    ways[`npm:ssh2 on Node ${version}, ${addon}`] = scripted(path!, [...flags, script], {
      modules,
    });
  add("without its addon", ["--no-addons"]);
  if (node.name.endsWith("with its addon")) add("with its addon", []);
  else report.note("Missing: npm:ssh2 with its addon: it was not built when ssh2 was installed");
  return ways;
}

/** A program that takes the job as JSON, and answers with MB/s as JSON. */
function scripted(program: string, args: readonly string[], more = {}): Way {
  return async (job) => {
    const line = [...args, JSON.stringify({ ...job, ...more })];
    try {
      return JSON.parse((await must(program, line, { timeout: LIMIT_MS })).text);
    } finally {
      await Deno.remove(job.out!).catch(() => {});
    }
  };
}
