/**
 * SFTP over round trips: one large file, many small ones and a tree, each way, with every client that is
 * here, on connections that are open already. Prints tables, and with a file name writes JSON.
 *
 * ```sh
 * deno run -A bench/sftp.ts [--quick] [results.json]
 * ```
 */
import { configFlags } from "../tests/interop/openssh_clients.ts";
import { findPeer } from "../tests/interop/peers.ts";
import { run } from "../tests/interop/run.ts";
import { type Sshd, startSshd } from "../tests/interop/sshd.ts";
import { startPath, timed } from "./lab.ts";
import { findSsh2Runtimes } from "./peers/clients.ts";
import { type BenchOptions, Report } from "./report.ts";
import { CIPHERS } from "./throughput.ts";

const MIB = 1024 ** 2;
/** What is moved; sizes in bytes. */
const WORK = {
  full: { large: 256 * MIB, small: { files: 1000, bytes: 4096 }, tree: { folders: 10, files: 20 } },
  quick: { large: 16 * MIB, small: { files: 100, bytes: 4096 }, tree: { folders: 4, files: 5 } },
};
type Work = typeof WORK.full;
const TREE_FILE_BYTES = 16_384;
const LIMIT_MS = 600_000;

/** What is measured: each goes from one folder of the machine to another. */
const ACTIONS = [
  "get large",
  "put large",
  "get small",
  "put small",
  "get tree",
  "put tree",
] as const;
type Action = typeof ACTIONS[number];

/** Where the server is, seen through a path. */
interface Lane {
  readonly server: Sshd;
  readonly port: number;
  readonly folder: string;
}

/** Milliseconds of what a client could do. */
type Times = Partial<Record<Action, number>>;

interface SftpClientUnderTest {
  readonly name: string;
  measure(lane: Lane, actions: readonly Action[]): Promise<Times>;
}

/** The section: a table for each round trip. */
export async function sftpRoundTrips(report: Report, { quick }: BenchOptions): Promise<void> {
  const work = quick ? WORK.quick : WORK.full;
  const { large, small, tree } = work;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await fill(folder, work);
  const server = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const clients = await findClients(report);
  for (const roundTrip of quick ? [0, 50] : [0, 20, 50, 100]) {
    await using path = roundTrip === 0 ? null : await startPath(server.port, roundTrip);
    const lane = { server, port: path?.port ?? server.port, folder };
    const rows: string[][] = [];
    for (const client of clients) {
      const times = await measured(client, lane, report);
      report.data(`sftp.${roundTrip}ms.${client.name}`, times);
      rows.push([client.name, ...ACTIONS.map((action) => cell(action, times[action], large))]);
    }
    report.table(
      `SFTP at ${roundTrip} ms round trip to sshd: ${
        large / MIB
      } MiB in MB/s; ${small.files} files of ` +
        `${small.bytes} bytes and a tree of ${tree.folders * tree.files} in ms`,
      ["", ...ACTIONS],
      rows,
    );
  }
  report.note("OpenSSH's times are of whole programs, less that of one that does nothing.");
}

/** A client that fails is told and has an empty row; the others go on. */
async function measured(client: SftpClientUnderTest, lane: Lane, report: Report): Promise<Times> {
  try {
    return await client.measure(lane, ACTIONS);
  } catch (error) {
    report.note(`${client.name} failed: ${error instanceof Error ? error.message : error}`);
    return {};
  }
}

function cell(action: Action, ms: number | undefined, large: number): string {
  if (ms === undefined) return "–";
  return (action.endsWith("large") ? large / 1e3 / ms : ms).toFixed(0);
}

async function findClients(report: Report): Promise<SftpClientUnderTest[]> {
  const deno = [Deno.execPath(), "run", "-A", "--no-check"];
  const clients = [scripted("@denossh/ssh", [...deno, peer("own_sftp.ts")])];
  const sftp = await findPeer("sftp");
  if (sftp === null) report.note("Missing: OpenSSH sftp: not installed");
  else clients.unshift(openssh(sftp));
  const { runtimes, missing } = await findSsh2Runtimes();
  for (const { name, program, modules } of runtimes) {
    clients.push(scripted(name, [...program, peer("ssh2_sftp.mjs")], { modules }));
  }
  for (const line of missing) report.note(`Missing: ${line}`);
  for (const name of ["asyncssh", "paramiko"] as const) {
    const python = await findPeer(name);
    if (python === null) report.note(`Missing: ${name}: its Python package is not installed`);
    else clients.push(scripted(name, [python, peer(`${name}_sftp.py`)]));
  }
  return clients;
}

/** A program around a library, which times itself: what to do comes as JSON, and the times go back. */
function scripted(name: string, program: readonly string[], more = {}): SftpClientUnderTest {
  return {
    name,
    async measure({ server, port, folder }, actions) {
      const { user, identity, hostKeys } = server;
      const hostKey = hostKeys.ed25519!.publicKey;
      const job = { port, user, identity, hostKey, cipher: CIPHERS[0], folder, actions, ...more };
      const [command, ...args] = program;
      const ran = await run(command!, [...args, JSON.stringify(job)], { timeout: LIMIT_MS });
      if (ran.code !== 0) throw new Error(ran.stderr.trim().split("\n").at(-1));
      return JSON.parse(ran.text) as Times;
    },
  };
}

function openssh(program: string): SftpClientUnderTest {
  return {
    name: "OpenSSH sftp",
    async measure({ server, port, folder }, actions) {
      // The path has a port of its own, which no known_hosts file names.
      const flags = configFlags({ ...server, port }, {
        Ciphers: CIPHERS[0]!,
        StrictHostKeyChecking: "no",
        UserKnownHostsFile: "/dev/null",
      });
      const batch = (line: string) =>
        timed(async () => {
          const args = ["-b", "-", ...flags, `${server.user}@127.0.0.1`];
          const ran = await run(program, args, { stdin: `${line}\n`, timeout: LIMIT_MS });
          if (ran.code !== 0) throw new Error(ran.stderr);
        });
      const nothing = await batch("pwd");
      const times: Times = {};
      for (const action of actions) {
        const [verb, what] = action.split(" ") as ["get" | "put", string];
        const out = `${folder}/out`;
        const took = await batch(`${verb} -r ${folder}/${what} ${out}`);
        times[action] = Math.max(took - nothing, 1);
        await Deno.remove(out, { recursive: true });
      }
      return times;
    },
  };
}

function peer(name: string): string {
  return new URL(`peers/${name}`, import.meta.url).pathname;
}

async function fill(folder: string, { large, small, tree }: Work): Promise<void> {
  await Deno.writeFile(`${folder}/large`, new Uint8Array(large));
  await Deno.mkdir(`${folder}/small`);
  for (let i = 0; i < small.files; i++) {
    await Deno.writeFile(`${folder}/small/${i}`, new Uint8Array(small.bytes));
  }
  for (let i = 0; i < tree.folders; i++) {
    await Deno.mkdir(`${folder}/tree/${i}`, { recursive: true });
    for (let j = 0; j < tree.files; j++) {
      await Deno.writeFile(`${folder}/tree/${i}/${j}`, new Uint8Array(TREE_FILE_BYTES));
    }
  }
}

async function memoryFolder(): Promise<string> {
  const prefix = "denossh-bench-";
  return await Deno.makeTempDir({ dir: "/dev/shm", prefix })
    .catch(() => Deno.makeTempDir({ prefix }));
}

if (import.meta.main) {
  const report = new Report();
  const quick = Deno.args.includes("--quick");
  await report.run({ name: "round trips", run: sftpRoundTrips }, { quick });
  const file = Deno.args.find((arg) => !arg.startsWith("-"));
  if (file) await Deno.writeTextFile(file, JSON.stringify(report, null, 2) + "\n");
}
