import { createHash } from "node:crypto";
import type { Sshd } from "../../tests/interop/harness/sshd.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { login, sshdTarget, startPath, timed } from "../lab.ts";
import { findSftpPeers, type SftpTimes } from "../peers/sftp_clients.ts";
import { median } from "../peers/table.ts";
import type { DistancePoint } from "../plots.ts";
import type { BenchOptions, Report } from "../report.ts";
import { memoryFolder } from "./sftp.ts";

const MIB = 1024 ** 2;
const GIGABIT = 125_000_000;

/** A round trip in milliseconds, and bytes a second; loopback itself for 0 and none. */
interface PathOf {
  readonly roundTrip: number;
  readonly rate?: number;
  /** Connections that the file may be spread over; one unless given. */
  readonly connections?: number;
  /** Whether the file takes so many round trips that its first and last ones hardly count. */
  readonly isLong?: boolean;
}

const FULL = {
  bytes: 512 * MIB,
  long: 2048 * MIB,
  rounds: 3,
  paths: [
    { roundTrip: 0 },
    { roundTrip: 10 },
    { roundTrip: 50 },
    { roundTrip: 100 },
    { roundTrip: 50, rate: GIGABIT },
    { roundTrip: 200, rate: GIGABIT, isLong: true },
    { roundTrip: 200, rate: GIGABIT, connections: 2, isLong: true },
    { roundTrip: 200, rate: GIGABIT, connections: 2 },
    { roundTrip: 200, rate: GIGABIT, connections: 3 },
    { roundTrip: 200, rate: GIGABIT, connections: 4 },
  ] as PathOf[],
};
const QUICK: typeof FULL = {
  bytes: 96 * MIB,
  long: 96 * MIB,
  rounds: 1,
  paths: [{ roundTrip: 0 }, { roundTrip: 50 }],
};
/** The round trips at which peers are measured, with the bytes of the file. */
const BESIDE_PEERS = { full: [10, 50, 100], quick: [50], bytes: 128 * MIB };
/** From this round trip on, one channel is so slow that it is measured only once for all rows. */
const SLOW_MS = 50;

interface Put {
  /** MB/s of the whole file. */
  readonly whole: number;
  /** MB/s of its second half. */
  readonly steady: number;
}

/**
 * `put` of one large file to an sshd with default settings, over one channel and over as many as
 * needed, alternately, on several paths. The SHA-256 of both ends is compared.
 */
export async function stripes(report: Report, { quick }: BenchOptions): Promise<void> {
  const { bytes, long, rounds, paths } = quick ? QUICK : FULL;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const large = await make(`${folder}/large`, bytes);
  const rows: string[][] = [];
  const ours: DistancePoint[] = [];
  const slow = new Map<string, Put[]>();
  const isLarge = quick ? () => true : ({ isLong = false }: PathOf) => !isLong;
  for (const path of paths) {
    const { roundTrip, rate, connections } = path;
    const file = isLarge(path) ? large : await make(`${folder}/long`, long);
    const link = `${roundTrip}.${rate}`;
    const puts: Record<"one" | "auto", Put[]> = { one: slow.get(link) ?? [], auto: [] };
    for (let round = 0; round < rounds; round++) {
      if (roundTrip < SLOW_MS || puts.one.length === 0) {
        puts.one.push(await put(sshd, path, 1, large));
      }
      puts.auto.push(await put(sshd, path, "auto", file));
    }
    if (roundTrip >= SLOW_MS) slow.set(link, puts.one);
    const [one, auto] = [of(puts.one), of(puts.auto)];
    const name = [
      roundTrip,
      ...rate === undefined ? [] : ["gigabit"],
      ...connections === undefined ? [] : [connections],
      ...roundTrip > SLOW_MS && rate !== undefined && isLarge(path) ? ["short"] : [],
    ].join(".");
    report.data(`stripes.${name}`, puts);
    report.figure(`stripes.${name}`, auto.whole);
    report.figure(`stripes.gain.${name}`, auto.whole / one.whole);
    if (rate !== undefined) {
      report.figure(`stripes.share.${name}`, auto.steady * 1e6 / rate);
      report.figure(`stripes.whole.${name}`, auto.whole * 1e6 / rate);
    } else if (roundTrip > 0) ours.push({ roundTrip, rate: auto.whole });
    rows.push([
      [
        `${roundTrip} ms`,
        ...rate === undefined ? [] : ["1 Gbit/s"],
        ...connections === undefined ? [] : [`connections: ${connections}`],
        ...isLarge(path) ? [] : [`${long / MIB} MiB`],
      ].join(", "),
      ...[one.whole, auto.whole, auto.steady].map((value) => value.toFixed(0)),
      `${(auto.whole / one.whole).toFixed(2)}x`,
    ]);
  }
  report.table(
    `put of one file of ${bytes / MIB} MiB to sshd, MB/s, medians of pairs`,
    ["round trip", "one channel", "channels as needed", "its second half", ""],
    rows,
  );
  await Deno.remove(`${folder}/long`).catch(() => {}); // not in a quick run
  const theirs = await peers(report, sshd, folder, quick);
  report.data("distance", { "@denossh/ssh": ours, ...theirs });
}

/** Measures the peers at several round trips, one run each; MB/s by name. */
async function peers(
  report: Report,
  server: Sshd,
  folder: string,
  quick: boolean,
): Promise<Record<string, DistancePoint[]>> {
  const { peers: [, ...others], missing } = await findSftpPeers();
  for (const line of missing) report.note(`Missing: ${line}`);
  const bytes = quick ? QUICK.bytes : BESIDE_PEERS.bytes;
  await make(`${folder}/large`, bytes);
  const roundTrips = BESIDE_PEERS[quick ? "quick" : "full"];
  const found: Record<string, DistancePoint[]> = {};
  const rows = new Map(others.map(({ name }) => [name, [name]]));
  for (const roundTrip of roundTrips) {
    await using path = await startPath(server.port, roundTrip);
    for (const peer of others) {
      try {
        const { "put large": times } = await peer.measure(
          { server, port: path.port, folder },
          ["put large"],
        ) as Record<"put large", SftpTimes>;
        const rate = bytes / times.ms / 1000;
        (found[peer.name] ??= []).push({ roundTrip, rate });
        rows.get(peer.name)!.push(rate.toFixed(0));
      } catch (error) {
        report.note(`${peer.name} failed: ${error instanceof Error ? error.message : error}`);
        rows.get(peer.name)!.push("–");
      }
    }
  }
  report.table(
    `put of one file of ${bytes / MIB} MiB to sshd by the round trip, MB/s`,
    ["", ...roundTrips.map((roundTrip) => `${roundTrip} ms`)],
    [...rows.values()],
  );
  return found;
}

/** Puts the file on a new connection, which has no estimate of the path. */
async function put(
  server: Sshd,
  { roundTrip, rate, connections = 1 }: PathOf,
  channels: 1 | "auto",
  file: MadeFile,
): Promise<Put> {
  const target = sshdTarget(server);
  const copy = `${file.path}.copy`;
  await using path = roundTrip === 0 ? null : await startPath(target.port, roundTrip, rate);
  await using host = await login({ ...target, port: path?.port ?? target.port }, {
    connections,
  });
  await using sftp = await host.sftp();
  const { size } = await Deno.stat(file.path);
  let half: { at: number; bytes: number } | null = null;
  const onProgress = ({ transferred }: { transferred: number }) => {
    if (transferred >= size / 2) half ??= { at: performance.now(), bytes: transferred };
  };
  const ms = await timed(() => sftp.put(file.path, copy, { channels, onProgress }));
  const end = performance.now();
  if (await sha256(copy) !== file.digest) throw new Error("The copy is not the same");
  await Deno.remove(copy);
  const { at, bytes } = half!;
  return { whole: size / ms / 1000, steady: (size - bytes) / (end - at) / 1000 };
}

function of(puts: readonly Put[]): Put {
  return {
    whole: median(puts.map(({ whole }) => whole)),
    steady: median(puts.map(({ steady }) => steady)),
  };
}

/** A file, and its SHA-256. */
interface MadeFile {
  readonly path: string;
  readonly digest: string;
}

/** Writes a file in which no block is like another. */
async function make(path: string, bytes: number): Promise<MadeFile> {
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const number = new DataView(block.buffer);
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  for (let at = 0; at < bytes; at += block.length) {
    number.setFloat64(0, at);
    await file.write(block);
  }
  return { path, digest: await sha256(path) };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}
