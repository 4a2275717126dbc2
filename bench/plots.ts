/**
 * Draws the plots in docs/plots/ from the results of a run. `deno task bench` draws those whose
 * sections it ran; run alone, this draws them from the JSON file of a run.
 *
 * ```sh
 * deno run --allow-read --allow-write --allow-run bench/plots.ts bench/results/….json
 * ```
 */
import { type BarPanel, drawBars, drawLines, type Series } from "./charts.ts";
import type { Measurement } from "./peers/measure.ts";
import { median, megabytesPerSecond } from "./peers/table.ts";
import type { SftpTimes } from "./peers/sftp_clients.ts";

const FOLDER = new URL("../docs/plots/", import.meta.url);
/** The small files that `sftp-peers` copies, and the round trip. */
const SMALL = { files: 1000, roundTrip: 50 };

/** The data that the sections kept, by name. */
export type Data = Readonly<Record<string, unknown>>;

/** A rate in MB/s over a round trip in milliseconds. */
export interface DistancePoint {
  readonly roundTrip: number;
  readonly rate: number;
}

/** Writes the plots that have data; returns their names. */
export async function drawPlots(data: Data): Promise<string[]> {
  const plots: Record<string, string | null> = {
    "throughput.svg": throughput(data),
    "distance.svg": distance(data),
    "small-files.svg": smallFiles(data),
  };
  const drawn = Object.entries(plots).filter(([, svg]) => svg !== null);
  if (drawn.length > 0) await Deno.mkdir(FOLDER, { recursive: true });
  for (const [name, svg] of drawn) await Deno.writeTextFile(new URL(name, FOLDER), svg!);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", FOLDER.pathname] }).output();
  return drawn.map(([name]) => name);
}

/** `exec` of each client with OpenSSH's default cipher, down and up. */
function throughput(data: Data): string | null {
  const panels = (["down", "up"] as const).flatMap((direction): BarPanel[] => {
    const rows = data[`exec.${direction}.chacha20`] as Record<string, Measurement[]> | undefined;
    if (rows === undefined) return [];
    const bars = Object.entries(rows).map(([name, runs]) => ({
      name,
      value: median(runs.map(megabytesPerSecond)),
    }));
    return [{ title: direction === "down" ? "Output of a command" : "Input of a command", bars }];
  });
  return panels.length < 2 ? null : drawBars({
    title: "Throughput on loopback, chacha20-poly1305, start-up included",
    unit: "MB/s",
    panels,
  });
}

/** `put` of one large file by the round trip. */
function distance(data: Data): string | null {
  const found = data["distance"] as Record<string, DistancePoint[]> | undefined;
  if (found === undefined) return null;
  const series = Object.entries(found).map(([name, points]): Series => ({
    name,
    points: points.map(({ roundTrip, rate }) => ({ x: roundTrip, y: rate })),
  }));
  return drawLines({
    title: "Upload of one large file to sshd, MB/s by round trip",
    unit: "ms",
    series,
  });
}

/** Small files a second over a long path, both ways. */
function smallFiles(data: Data): string | null {
  const prefix = `sftp.${SMALL.roundTrip}ms.`;
  const peers = Object.entries(data).filter(([name]) => name.startsWith(prefix));
  if (peers.length === 0) return null;
  const panels = (["put", "get"] as const).map((verb): BarPanel => ({
    title: verb,
    bars: peers.flatMap(([name, results]) => {
      const times = (results as Record<string, SftpTimes>)[`${verb} small`];
      const value = times && SMALL.files / times.ms * 1000;
      return value === undefined ? [] : [{ name: name.slice(prefix.length), value }];
    }),
  }));
  return drawBars({
    title: `Files of 4 KiB over ${SMALL.roundTrip} ms, a second`,
    unit: "",
    panels,
  });
}

if (import.meta.main) {
  const { data } = JSON.parse(await Deno.readTextFile(Deno.args[0]!)) as { data: Data };
  console.log((await drawPlots(data)).join("\n"));
}
