import type { Measurement } from "./measure.ts";

/** A table of the clients' medians; the first client is the one that the others are compared with. */
export function formatTable(
  title: string,
  rows: ReadonlyMap<string, readonly Measurement[]>,
): string {
  const [reference] = rows.values();
  const lines = [...rows].map(([name, runs]) => [
    name,
    median(runs.map(megabytesPerSecond)).toFixed(0),
    median(runs.map(({ cpuSeconds, bytes }) => cpuSeconds * 1e9 / bytes)).toFixed(2),
    // Run by run of the same round: both had the same machine in the same minute.
    median(runs.map((run, i) => megabytesPerSecond(run) / megabytesPerSecond(reference![i]!)))
      .toFixed(2),
  ]);
  const table = [["client", "MB/s", "CPU ns/B", "share of the first"], ...lines];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const text = table.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ")
  );
  return [`\n${title}`, ...text].join("\n");
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

function megabytesPerSecond({ bytes, seconds }: Measurement): number {
  return bytes / seconds / 1e6;
}
