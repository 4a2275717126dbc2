import type { Endpoint } from "../../tests/support/endpoint.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { inTurns, login, sshdTarget } from "../lab.ts";
import { measure, type Measurement } from "../peers/measure.ts";
import { startOwnCli } from "../peers/own_cli.ts";
import { CLIENT_HEADER, clientRows, median, pairedShare } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS } from "../throughput.ts";

const CLI = new URL("../../lib/cli/main.ts", import.meta.url).pathname;
const MIB = 1024 ** 2;
const SMALL = { files: 1000, bytes: 4096 };

/** A client at a server. */
interface Pairing {
  readonly name: string;
  readonly program: readonly string[];
  readonly endpoint: Endpoint;
  /** The prefix of paths on the server: a jailed server has its own root. */
  readonly root: string;
}

/** SFTP on a file system in memory: our client and server and OpenSSH's, alternately. */
export async function sftp(report: Report, { quick }: BenchOptions): Promise<void> {
  const openssh = await findPeer("sftp");
  if (openssh === null) return report.note("Missing: OpenSSH sftp: not installed");
  const bytes = (quick ? 128 : 1024) * MIB;
  const rounds = quick ? 1 : 5;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const served = stack.use(await startOwnCli(["--root", folder]));
  await Deno.writeFile(`${folder}/source`, zeros(bytes));
  const ours = [Deno.execPath(), "run", "-A", "--no-check", CLI, "sftp"];
  const pairings: Pairing[] = [
    { name: "OpenSSH sftp at sshd", program: [openssh], endpoint: sshd, root: folder },
    { name: "@denossh/ssh at sshd", program: ours, endpoint: sshd, root: folder },
    { name: "OpenSSH sftp at @denossh/ssh", program: [openssh], endpoint: served, root: "" },
  ];
  for (const action of ["get", "put"] as const) {
    const rows = new Map<string, Measurement[]>(pairings.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const pairing of pairings) {
        rows.get(pairing.name)!.push(await copy(pairing, action, folder, bytes));
      }
    }
    report.table(`sftp ${action}, chacha20, ${bytes / MIB} MiB`, CLIENT_HEADER, clientRows(rows));
    report.data(`sftp.${action}`, Object.fromEntries(rows));
    const [reference, client, server] = [...rows.values()];
    report.figure(`sftp.${action}`, pairedShare(client!, reference!));
    report.figure(`server.${action}`, pairedShare(server!, reference!));
  }
  await smallFiles(report, folder, sshdTarget(sshd), quick ? 3 : 10);
}

async function copy(
  { program, endpoint, root }: Pairing,
  action: "get" | "put",
  folder: string,
  bytes: number,
): Promise<Measurement> {
  const there = action === "get" ? `${root}/source` : `${root}/target`;
  const here = action === "get" ? `${folder}/target` : `${folder}/source`;
  const batch = `${folder}/batch`;
  const paths = action === "get" ? [there, here] : [here, there];
  await Deno.writeTextFile(batch, `${action} ${paths.join(" ")}\n`);
  const flags = configFlags(endpoint, { Ciphers: CIPHERS[0]! });
  const line = [...program, "-b", batch, ...flags, `${endpoint.user}@${endpoint.hostname}`];
  // The standard streams are not used, so the script of either direction works.
  const measurement = await measure(line, "down", bytes);
  const { size } = await Deno.stat(`${folder}/target`);
  if (size !== bytes) throw new Error(`${size} of ${bytes} bytes were copied`);
  await Deno.remove(`${folder}/target`);
  return measurement;
}

/** A folder of small files each way, on an open connection. */
async function smallFiles(
  report: Report,
  folder: string,
  target: ReturnType<typeof sshdTarget>,
  rounds: number,
): Promise<void> {
  await Deno.mkdir(`${folder}/small`);
  for (let i = 0; i < SMALL.files; i++) {
    await Deno.writeFile(`${folder}/small/${i}`, zeros(SMALL.bytes));
  }
  await using host = await login(target);
  await using client = await host.sftp();
  let made = 0;
  const fresh = () => `${folder}/small-${made++}`;
  const times = await inTurns(rounds, {
    get: () => client.get(`${folder}/small`, fresh(), { recursive: true }),
    put: () => client.put(`${folder}/small`, fresh(), { recursive: true }),
  });
  report.table(
    `${SMALL.files} files of ${SMALL.bytes} bytes on an open connection to sshd, ms, medians`,
    ["", "@denossh/ssh"],
    Object.entries(times).map(([name, values]) => [name, median(values).toFixed(0)]),
  );
  report.data("sftp.small", times);
  report.figure("sftp.smallGet", median(times["get"]!));
  report.figure("sftp.smallPut", median(times["put"]!));
}

export async function memoryFolder(report: Report): Promise<string> {
  try {
    return await Deno.makeTempDir({ dir: "/dev/shm", prefix: "denossh-bench-" });
  } catch {
    const folder = await Deno.makeTempDir({ prefix: "denossh-bench-" });
    report.note(`There is no /dev/shm: the files are in ${folder}`);
    return folder;
  }
}

function zeros(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}
