import { must } from "../../tests/support/run.ts";
import { CHANNEL_WINDOW } from "../../lib/defaults.ts";
import { sizeText, startOwnServer } from "../lab.ts";
import type { MemoryFigures } from "../memory_client.ts";
import type { BenchOptions, Report } from "../report.ts";

const CLIENT = new URL("../memory_client.ts", import.meta.url).pathname;
const MIB = 1024 ** 2;

/** RSS of our client with a reader that does not read and after much data, and CPU per GiB. */
export async function memory(report: Report, { quick }: BenchOptions): Promise<void> {
  const bytes = (quick ? 256 : 1024) * MIB;
  await using own = await startOwnServer();
  const run = async (way: "chunks" | "stream" | "buffer") => {
    const args = ["run", "-A", "--no-check", CLIENT, JSON.stringify(own.target()), `${bytes}`, way];
    const { text } = await must(Deno.execPath(), args, { timeout: 300_000 });
    return JSON.parse(text) as MemoryFigures;
  };
  const [got, streamed, buffered] = [await run("chunks"), await run("stream"), await run("buffer")];
  const row = (name: string, figure: (of: MemoryFigures) => number) => [
    name,
    ...[got, streamed, buffered].map((of) => (figure(of) / 1e6).toFixed(0)),
  ];
  report.table("Memory of our client (a process that does nothing else), MB of RSS", [
    "the reader takes",
    "chunks",
    "a stream's data into its own buffer",
    "read()'s data into its own buffer",
  ], [
    row("logged in", ({ idle }) => idle),
    row("with a paused reader", ({ paused }) => paused),
    row("peak until then", ({ pausedPeak }) => pausedPeak),
    row(`after ${sizeText(bytes / 4)}`, ({ quarter }) => quarter),
    row(`after ${sizeText(bytes)}`, ({ end }) => end),
    row("peak of all", ({ peak }) => peak),
  ]);
  const perGib = got.cpuSeconds * 1024 * MIB / bytes;
  report.note(`A paused reader holds ${got.held} bytes; its window is ${CHANNEL_WINDOW}`);
  report.note(`CPU of the client: ${perGib.toFixed(2)} s for each GiB down, chacha20`);
  report.data("memory", { chunks: got, stream: streamed, buffer: buffered });
  report.figure("memory.paused", got.held / CHANNEL_WINDOW);
  report.figure("memory.pausedPeak", got.pausedPeak / 1e6);
  report.figure("memory.peak", got.peak / 1e6);
  report.figure("memory.peakStream", streamed.peak / 1e6);
  report.figure("memory.peakBuffer", buffered.peak / 1e6);
  report.figure("memory.growth", (got.end - got.quarter) / 1e6);
}
