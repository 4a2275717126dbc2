/**
 * SFTP at several round trips: one large file, many small ones and a tree, each way, with every
 * installed client, on open connections. Run alone it prints tables, and with a file name writes JSON;
 * `deno task bench sftp-peers` also checks the marks.
 *
 * ```sh
 * deno run -A bench/sftp.ts [--quick] [results.json]
 * ```
 */
import { startSshd } from "../tests/interop/harness/sshd.ts";
import { startPath } from "./lab.ts";
import {
  findSftpPeers,
  type SftpAction,
  type SftpLane,
  type SftpPeer,
  type SftpTimes,
} from "./peers/sftp_clients.ts";
import { type BenchOptions, Report } from "./report.ts";

const MIB = 1024 ** 2;
/** Round trips in milliseconds. */
const ROUND_TRIPS = { full: [0, 20, 50, 100], quick: [50] };
/** Bytes of the large file: on loopback, and with a round trip, where a peer reaches 20 MB/s. */
const LARGE = { full: [256 * MIB, 32 * MIB], quick: [16 * MIB, 8 * MIB] } as const;
const SMALL_BYTES = 4096;
const TREE_FILE_BYTES = 16_384;
/** Numbers of files and folders; the time of the few is extrapolated to the many. */
const SMALL = { files: { full: 1000, quick: 100 }, few: { full: 10, quick: 4 } };
const TREE = { folders: { full: 20, quick: 5 }, files: 10 };
/**
 * Longer runs are extrapolated from the few, on loopback and with a round trip: a client that copies
 * file by file needs minutes at 100 ms.
 */
const PATIENCE_MS = { full: [60_000, 6000], quick: [3000, 400] } as const;

/** The figures of each client: the rate of the large file, the time of the others. */
const LARGE_ACTIONS = ["get large", "put large"] as const;
const MANY_ACTIONS = ["get small", "put small", "get tree", "put tree"] as const;
/** The round trip, in milliseconds, of the marks. */
const MARKED = 50;
const HUNDRED = 100;

/** A time, measured or extrapolated. */
interface Result extends SftpTimes {
  readonly estimated: boolean;
}
type Results = Partial<Record<SftpAction, Result>>;

/** The section: a table for each round trip. */
export async function sftpRoundTrips(report: Report, { quick }: BenchOptions): Promise<void> {
  const size = quick ? "quick" : "full";
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const server = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const { peers, missing } = await findSftpPeers();
  for (const line of missing) report.note(`Missing: ${line}`);
  const many = await plantMany(folder, size);
  for (const roundTrip of ROUND_TRIPS[size]) {
    const near = roundTrip === 0 ? 0 : 1;
    const bytes = LARGE[size][near];
    await Deno.writeFile(`${folder}/large`, new Uint8Array(bytes));
    await using path = roundTrip === 0 ? null : await startPath(server.port, roundTrip);
    const lane = { server, port: path?.port ?? server.port, folder };
    const rows = await inTurns(peers, quick && roundTrip > 0, async (peer) => {
      const results = await measured(peer, lane, many, PATIENCE_MS[size][near], report);
      report.data(`sftp.${roundTrip}ms.${peer.name}`, results);
      return [peer.name, ...cells(results, bytes)];
    });
    report.table(
      `SFTP at ${roundTrip} ms round trip to sshd: ${bytes / MIB} MiB in MB/s and CPU ns/B; ` +
        `${many.small.all} files of ${SMALL_BYTES} bytes and a tree of ` +
        `${many.tree.all} in ms`,
      ["", "get", "CPU", "put", "CPU", ...MANY_ACTIONS],
      rows,
    );
    if (roundTrip === MARKED) await marked(peers[0]!, lane, bytes * (quick ? 4 : 8), report);
  }
  report.note("~: reckoned from a few files");
}

/** One after the other; in parallel where they only wait for round trips, to save time. */
async function inTurns(
  peers: readonly SftpPeer[],
  together: boolean,
  run: (peer: SftpPeer) => Promise<string[]>,
): Promise<string[][]> {
  if (together) return await Promise.all(peers.map(run));
  const rows: string[][] = [];
  for (const peer of peers) rows.push(await run(peer));
  return rows;
}

/** A client that fails is reported and has an empty row; the others still run. */
async function measured(
  peer: SftpPeer,
  lane: SftpLane,
  many: Many,
  patience: number,
  report: Report,
): Promise<Results> {
  const results: Results = {};
  try {
    const fewer = MANY_ACTIONS.map((action): SftpAction => `${action}-few`);
    const first = await peer.measure(lane, [...LARGE_ACTIONS, ...fewer]);
    for (const action of LARGE_ACTIONS) results[action] = { ...first[action]!, estimated: false };
    const whole: SftpAction[] = [];
    for (const action of MANY_ACTIONS) {
      const { ms, cpu } = first[`${action}-few`]!;
      const { few: some, all } = many[action.split(" ")[1] as keyof Many];
      const waves = Math.ceil(all / peer.width) / Math.ceil(some / peer.width);
      results[action] = { ms: ms * waves, cpu: cpu * all / some, estimated: true };
      if (ms * waves < patience) whole.push(action);
    }
    const second = whole.length > 0 ? await peer.measure(lane, whole) : {};
    for (const [action, times] of Object.entries(second)) {
      results[action as SftpAction] = { ...times, estimated: false };
    }
  } catch (error) {
    report.note(`${peer.name} failed: ${error instanceof Error ? error.message : error}`);
  }
  return results;
}

/** Our figures for the marks, on a connection whose windows have grown to the path. */
async function marked(
  ours: SftpPeer,
  lane: SftpLane,
  bytes: number,
  report: Report,
): Promise<void> {
  await Deno.writeFile(`${lane.folder}/large`, new Uint8Array(bytes));
  const large = (times: SftpTimes) => bytes / times.ms / 1000;
  const warm = await ours.measure(lane, ["get small-few", "get large"]);
  // On loopback the kernel sometimes sends a segment twice, which halves the rate of a transfer.
  const gets = Array.from({ length: 7 }, () => "get large" as const);
  const again = await ours.measure(lane, [...gets, "put large"]);
  const small = await ours.measure(lane, ["get hundred", "put hundred"]);
  report.figure("sftp.get.large.50", large(again["get large"]!));
  report.figure("sftp.put.large.50", large(again["put large"]!));
  report.figure("sftp.get.small.50", small["get hundred"]!.ms);
  report.figure("sftp.put.small.50", small["put hundred"]!.ms);
  report.table(
    `@denossh/ssh at ${MARKED} ms: ${bytes / MIB} MiB in MB/s, ${HUNDRED} small files in ms`,
    ["get, fresh", "get, grown", "put", `get ${HUNDRED}`, `put ${HUNDRED}`],
    [[
      large(warm["get large"]!),
      large(again["get large"]!),
      large(again["put large"]!),
      small["get hundred"]!.ms,
      small["put hundred"]!.ms,
    ].map((value) => value.toFixed(0))],
  );
}

function cells(results: Results, bytes: number): string[] {
  const large = LARGE_ACTIONS.flatMap((action) => {
    const times = results[action];
    if (times === undefined) return ["–", "–"];
    return [(bytes / times.ms / 1000).toFixed(0), (times.cpu * 1e6 / bytes).toFixed(2)];
  });
  const many = MANY_ACTIONS.map((action) => {
    const times = results[action];
    if (times === undefined) return "–";
    return `${times.estimated ? "~" : ""}${times.ms.toFixed(0)}`;
  });
  return [...large, ...many];
}

/** The number of files of a kind, and of the few. */
interface Many {
  readonly small: { readonly few: number; readonly all: number };
  readonly tree: { readonly few: number; readonly all: number };
}

/** The small files and the trees: all, a few, and a hundred for the marks. */
async function plantMany(folder: string, size: "full" | "quick"): Promise<Many> {
  const few = SMALL.few[size];
  const [files, folders] = [SMALL.files[size], TREE.folders[size]];
  const small = async (name: string, files: number) => {
    await Deno.mkdir(`${folder}/${name}`);
    const bytes = new Uint8Array(SMALL_BYTES);
    for (let i = 0; i < files; i++) await Deno.writeFile(`${folder}/${name}/${i}`, bytes);
  };
  const tree = async (name: string, folders: number, files: number) => {
    const bytes = new Uint8Array(TREE_FILE_BYTES);
    for (let i = 0; i < folders; i++) {
      await Deno.mkdir(`${folder}/${name}/${i}`, { recursive: true });
      for (let j = 0; j < files; j++) {
        await Deno.writeFile(`${folder}/${name}/${i}/${j}`, bytes);
      }
    }
  };
  await small("small", files);
  await small("small-few", few);
  await small("hundred", HUNDRED);
  await tree("tree", folders, TREE.files);
  await tree("tree-few", 1, few);
  return {
    small: { few, all: files },
    tree: { few, all: folders * TREE.files },
  };
}

async function memoryFolder(): Promise<string> {
  const prefix = "denossh-bench-";
  return await Deno.makeTempDir({ dir: "/dev/shm", prefix })
    .catch(() => Deno.makeTempDir({ prefix }));
}

if (import.meta.main) {
  const report = new Report();
  const quick = Deno.args.includes("--quick");
  await report.run({ name: "sftp-peers", run: sftpRoundTrips }, { quick });
  const file = Deno.args.find((arg) => !arg.startsWith("-"));
  if (file) await Deno.writeTextFile(file, JSON.stringify(report, null, 2) + "\n");
}
