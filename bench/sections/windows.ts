import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { type Flow, reading, watch, writing } from "../flow.ts";
import {
  login,
  type OwnServer,
  sizeText,
  sshdTarget,
  startOwnServer,
  startPath,
  type Target,
} from "../lab.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS } from "../throughput.ts";

/** A window in bytes, or one that grows with the path. */
export type Window = number | "auto";

/** One measurement: a direction, a window and a path. */
export interface WindowCell extends Flow {
  readonly cipher: string;
  readonly direction: "down" | "up";
  readonly window: Window;
  /** Milliseconds. */
  readonly roundTrip: number;
  /** MB/s that the window allows: window / round trip. */
  readonly line: number;
}

const KIB = 1024;
const FULL = {
  windows: [64 * KIB, 256 * KIB, 2048 * KIB, 16384 * KIB, "auto"] as Window[],
  roundTrips: [0, 10, 50, 100, 200],
  links: [100, 200],
  ciphers: CIPHERS,
  ms: 2500,
};
const QUICK: typeof FULL = {
  windows: [256 * KIB, 2048 * KIB, "auto"],
  roundTrips: [0, 50],
  links: [100],
  ciphers: CIPHERS.slice(0, 1),
  ms: 500,
};
/** The step for automatic windows. */
const AUTO_STEP = 64 * KIB;
/** The effect of a window shows only after some round trips. */
const ROUND_TRIPS = 10;
const GIGABIT = 125_000_000;

/**
 * `exec` through a path with a round trip, for each cipher and receive window: downloads from sshd
 * with our client's window, uploads to our server with the server's window; and the path without SSH.
 */
export async function windows(report: Report, { quick }: BenchOptions): Promise<void> {
  const plan = quick ? QUICK : FULL;
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using own = await startOwnServer(plan.windows.map(String));
  const cells: WindowCell[] = [];
  const tcp = new Map<number, number>();
  for (const roundTrip of plan.roundTrips) {
    const ms = Math.max(plan.ms, ROUND_TRIPS * roundTrip);
    tcp.set(roundTrip, await plainTcp(own, roundTrip, ms));
    for (const cipher of plan.ciphers) {
      for (const window of plan.windows) {
        for (const direction of ["down", "up"] as const) {
          const target = direction === "down" ? sshdTarget(sshd) : own.target(`${window}`);
          const flow = await measure(target, { cipher, direction, window, roundTrip, ms });
          const line = window === "auto" ? Infinity : window / roundTrip / 1000;
          cells.push({ ...flow, cipher, direction, window, roundTrip, line });
        }
      }
    }
  }
  for (const cipher of plan.ciphers) {
    const own = cells.filter((cell) => cell.cipher === cipher);
    for (const direction of ["down", "up"] as const) {
      print(report, { cipher, direction }, own, tcp, plan);
    }
  }
  report.data("windows", cells);
  const at50 = cells.find((c) =>
    c.cipher === CIPHERS[0] && c.direction === "down" && c.window === "auto" && c.roundTrip === 50
  );
  if (at50) report.figure("windows.down50", at50.whole);
  await links(report, own, plan);
}

interface Run {
  readonly cipher: string;
  readonly direction: "down" | "up";
  readonly window: Window;
  /** Milliseconds. */
  readonly roundTrip: number;
  /** Milliseconds to measure. */
  readonly ms: number;
  /** The rate limit of the path in bytes a second; unlimited unless given. */
  readonly rate?: number;
}

async function measure(
  target: Target,
  { cipher, direction, window, roundTrip, ms, rate }: Run,
): Promise<Flow> {
  await using path = await startPath(target.port, roundTrip, rate);
  await using host = await login({ ...target, port: path.port }, {
    algorithms: { cipher: [cipher] },
    ...(direction === "down" && window !== "auto" && { window }),
  });
  const own = target.identity === undefined;
  const command = direction === "up" ? "sink" : own ? "source" : "cat /dev/zero";
  await using process = await host.command(command).spawn();
  const move = direction === "down" ? reading(process.channel) : writing(process.channel);
  return await watch(move, ms, window === "auto" ? AUTO_STEP : window);
}

/** MB/s of the path itself, in the second half of the time. */
async function plainTcp(
  own: OwnServer,
  roundTrip: number,
  ms: number,
  rate?: number,
): Promise<number> {
  await using path = await startPath(own.tcp, roundTrip, rate);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: path.port });
  const buffer = new Uint8Array(256 * KIB);
  const { steady } = await watch(async () => await conn.read(buffer) ?? 0, ms, AUTO_STEP);
  return steady;
}

function print(
  report: Report,
  { cipher, direction }: { cipher: string; direction: "down" | "up" },
  cells: readonly WindowCell[],
  tcp: ReadonlyMap<number, number>,
  { windows, roundTrips }: typeof FULL,
): void {
  const peer = direction === "down" ? "from sshd" : "to our server";
  const rows = windows.map((window) => [
    window === "auto" ? "auto (from the first byte on)" : sizeText(window),
    ...roundTrips.map((roundTrip) => {
      const cell = cells.find((c) =>
        c.direction === direction && c.window === window && c.roundTrip === roundTrip
      )!;
      const beside = window === "auto" ? cell.whole : cell.line;
      return Number.isFinite(beside) ? `${text(cell.steady)} (${text(beside)})` : text(cell.steady);
    }),
  ]);
  const path = ["the path without SSH, down", ...roundTrips.map((rt) => text(tcp.get(rt)!))];
  report.table(
    `exec ${direction} ${peer}, ${cipher}, MB/s by window and round trip; in parentheses window / RTT`,
    ["window", ...roundTrips.map((rt) => `${rt} ms`)],
    [...rows, path],
  );
}

/** Measures whether windows grow to fill a distant link of 1 Gbit/s. */
async function links(report: Report, own: OwnServer, plan: typeof FULL): Promise<void> {
  const rows: string[][] = [];
  for (const roundTrip of plan.links) {
    // Filling the path takes ten round trips, even in a quick run.
    const ms = Math.max(plan.ms, 2 * ROUND_TRIPS * roundTrip);
    const tcp = await plainTcp(own, roundTrip, ms, GIGABIT);
    const run = { cipher: CIPHERS[0]!, direction: "down", window: "auto", roundTrip, ms } as const;
    const flow = await measure(own.target("auto"), { ...run, rate: GIGABIT });
    const share = flow.steady * 1e6 / GIGABIT;
    report.figure(`windows.link${roundTrip}`, share);
    const rates = [flow.steady, flow.whole, tcp].map(text);
    rows.push([`${roundTrip} ms`, ...rates, share.toFixed(2)]);
  }
  report.table(
    "exec down from our server over 1 Gbit/s (125 MB/s), window auto",
    ["round trip", "MB/s", "from the first byte on", "without SSH", "share of 125"],
    rows,
  );
}

function text(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2);
}
