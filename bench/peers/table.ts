import type { Measurement } from "./measure.ts";

/** Rows of text under a header, in columns: the first to the left, the others to the right. */
export function alignTable(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const table = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0))
  );
  const lines = table.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  );
  return [`\n${title}`, ...lines].join("\n");
}

/** The header of {@linkcode clientRows}. */
export const CLIENT_HEADER: readonly string[] = [
  "client",
  "MB/s",
  "CPU ns/B",
  "share of the first",
];

/** The clients' medians; the others are compared with the first client. */
export function clientRows(rows: ReadonlyMap<string, readonly Measurement[]>): string[][] {
  const [reference] = rows.values();
  return [...rows].map(([name, runs]) => [
    name,
    median(runs.map(megabytesPerSecond)).toFixed(0),
    cpuPerByte(runs).toFixed(2),
    pairedShare(runs, reference!).toFixed(2),
  ]);
}

/** The median of the ratios within each round, in which both ran under the same load. */
export function pairedShare(
  runs: readonly Measurement[],
  reference: readonly Measurement[],
): number {
  return median(
    runs.map((run, i) => megabytesPerSecond(run) / megabytesPerSecond(reference[i]!)),
  );
}

/** The median of the client's CPU time in nanoseconds per byte. */
export function cpuPerByte(runs: readonly Measurement[]): number {
  return median(runs.map(({ cpuSeconds, bytes }) => cpuSeconds * 1e9 / bytes));
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/** The value that a share of the values, from 0 to 1, do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

/** Millions of bytes a second, connecting included. */
export function megabytesPerSecond({ bytes, seconds }: Measurement): number {
  return bytes / seconds / 1e6;
}
