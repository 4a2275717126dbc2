import { createHash } from "node:crypto";
import type { Sshd } from "../../tests/interop/harness/sshd.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { login, sshdTarget, startPath, timed } from "../lab.ts";
import { findSftpPeers } from "../peers/sftp_clients.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { memoryFolder } from "./sftp.ts";

const MIB = 1024 ** 2;
const GIGABIT = 125_000_000;

/** A round trip in milliseconds, and bytes a second; 0 and none are loopback itself. */
interface PathOf {
  readonly roundTrip: number;
  readonly rate?: number;
}

const FULL = {
  bytes: 512 * MIB,
  rounds: 3,
  paths: [
    { roundTrip: 0 },
    { roundTrip: 10 },
    { roundTrip: 50 },
    { roundTrip: 100 },
    { roundTrip: 50, rate: GIGABIT },
    { roundTrip: 200, rate: GIGABIT },
  ] as PathOf[],
};
const QUICK: typeof FULL = {
  bytes: 96 * MIB,
  rounds: 1,
  paths: [{ roundTrip: 0 }, { roundTrip: 50 }],
};
/** The path that peers are measured on. */
const BESIDE_PEERS = 50;

interface Put {
  /** MB/s of the whole file. */
  readonly whole: number;
  /** MB/s of its second half. */
  readonly steady: number;
}

/**
 * `put` of one large file to an sshd with default settings, over one channel and over as many as it takes, in turns,
 * on several paths. SHA-256 of both ends is compared.
 */
export async function stripes(report: Report, { quick }: BenchOptions): Promise<void> {
  const { bytes, rounds, paths } = quick ? QUICK : FULL;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const digest = await make(`${folder}/large`, bytes);
  const rows: string[][] = [];
  for (const path of paths) {
    const puts: Record<"one" | "auto", Put[]> = { one: [], auto: [] };
    for (let round = 0; round < rounds; round++) {
      puts.one.push(await put(sshd, path, 1, folder, digest));
      puts.auto.push(await put(sshd, path, "auto", folder, digest));
    }
    const [one, auto] = [of(puts.one), of(puts.auto)];
    const { roundTrip, rate } = path;
    const name = rate === undefined ? `${roundTrip}` : `${roundTrip}.gigabit`;
    report.data(`stripes.${name}`, puts);
    report.figure(`stripes.${name}`, auto.whole);
    report.figure(`stripes.gain.${name}`, auto.whole / one.whole);
    if (rate !== undefined) report.figure(`stripes.share.${name}`, auto.steady * 1e6 / rate);
    rows.push([
      `${roundTrip} ms${rate === undefined ? "" : ", 1 Gbit/s"}`,
      ...[one.whole, auto.whole, auto.steady].map((value) => value.toFixed(0)),
      `${(auto.whole / one.whole).toFixed(2)}x`,
    ]);
  }
  report.table(
    `put of one file of ${bytes / MIB} MiB to sshd, MB/s, medians of pairs`,
    ["round trip", "one channel", "channels as needed", "its second half", ""],
    rows,
  );
  await peers(report, sshd, folder, bytes);
}

/** The others over the same path, one run each. */
async function peers(report: Report, server: Sshd, folder: string, bytes: number): Promise<void> {
  const { peers, missing } = await findSftpPeers();
  for (const line of missing) report.note(`Missing: ${line}`);
  await using path = await startPath(server.port, BESIDE_PEERS);
  const rows: string[][] = [];
  for (const peer of peers) {
    try {
      const { "put large": times } = await peer.measure(
        { server, port: path.port, folder },
        ["put large"],
      ) as Record<"put large", { ms: number; cpu: number }>;
      rows.push([
        peer.name,
        (bytes / times.ms / 1000).toFixed(0),
        (times.cpu * 1e6 / bytes).toFixed(2),
      ]);
    } catch (error) {
      report.note(`${peer.name} failed: ${error instanceof Error ? error.message : error}`);
    }
  }
  report.table(
    `put of one file of ${bytes / MIB} MiB at ${BESIDE_PEERS} ms to sshd: MB/s and CPU ns/B`,
    ["", "put", "CPU"],
    rows,
  );
}

/** Puts the file on a connection of its own, so that nothing is known of the path. */
async function put(
  server: Sshd,
  { roundTrip, rate }: PathOf,
  channels: 1 | "auto",
  folder: string,
  digest: string,
): Promise<Put> {
  const target = sshdTarget(server);
  await using path = roundTrip === 0 ? null : await startPath(target.port, roundTrip, rate);
  await using host = await login({ ...target, port: path?.port ?? target.port });
  await using sftp = await host.sftp();
  const { size } = await Deno.stat(`${folder}/large`);
  let half: { at: number; bytes: number } | null = null;
  const onProgress = ({ transferred }: { transferred: number }) => {
    if (transferred >= size / 2) half ??= { at: performance.now(), bytes: transferred };
  };
  const ms = await timed(() =>
    sftp.put(`${folder}/large`, `${folder}/copy`, { channels, onProgress })
  );
  const end = performance.now();
  if (await sha256(`${folder}/copy`) !== digest) throw new Error("The copy is not the same");
  await Deno.remove(`${folder}/copy`);
  const { at, bytes } = half!;
  return { whole: size / ms / 1000, steady: (size - bytes) / (end - at) / 1000 };
}

function of(puts: readonly Put[]): Put {
  return {
    whole: median(puts.map(({ whole }) => whole)),
    steady: median(puts.map(({ steady }) => steady)),
  };
}

/** Writes a file in which no block is like another; its SHA-256. */
async function make(path: string, bytes: number): Promise<string> {
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const number = new DataView(block.buffer);
  using file = await Deno.open(path, { write: true, create: true });
  for (let at = 0; at < bytes; at += block.length) {
    number.setFloat64(0, at);
    await file.write(block);
  }
  return await sha256(path);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}
