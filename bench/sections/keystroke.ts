import { startSshd } from "../../tests/interop/harness/sshd.ts";
import type { Client, Process } from "../../mod.ts";
import { reading, writing } from "../flow.ts";
import { login, sshdTarget } from "../lab.ts";
import { median, percentile } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const BULK = { idle: null, down: "cat /dev/zero", up: "cat > /dev/null" } as const;

/** Measures the echo of keys from `cat` while bulk data flows on another channel. */
export async function keystroke(report: Report, { quick }: BenchOptions): Promise<void> {
  const keys = quick ? 100 : 1000;
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using host = await login(sshdTarget(sshd));
  const rows: string[][] = [];
  const medians: number[] = [];
  for (const [name, command] of Object.entries(BULK)) {
    const { times, rate } = await type(host, command, name, keys);
    report.data(`keystroke.${name}`, times);
    if (command !== null) medians.push(median(times));
    rows.push([
      name,
      median(times).toFixed(2),
      percentile(times, 0.95).toFixed(2),
      Math.max(...times).toFixed(2),
      command === null ? "-" : rate.toFixed(0),
    ]);
  }
  report.figure("keystroke.median", Math.max(...medians));
  report.table(
    `Echo of ${keys} keys from sshd, ms, while bulk data flows on the same connection`,
    ["bulk", "median", "p95", "worst", "bulk MB/s"],
    rows,
  );
}

async function type(
  host: Client,
  command: string | null,
  direction: string,
  keys: number,
): Promise<{ times: number[]; rate: number }> {
  await using shell = await host.command("cat").spawn();
  await using bulk = command === null ? null : await host.command(command).spawn();
  const moved = { bytes: 0 };
  const flowing = bulk === null ? null : flow(bulk, direction, moved);
  const key = new Uint8Array([120]);
  const echo = new Uint8Array(16);
  const times: number[] = [];
  const began = performance.now();
  while (times.length < keys) {
    const pressed = performance.now();
    await shell.channel.writeAll(key);
    if (await shell.channel.read(echo) === null) throw new Error("The echo has ended");
    times.push(performance.now() - pressed);
    // A pause of varying length, so that keys do not synchronize with the bulk data.
    await new Promise((resolve) => setTimeout(resolve, 1 + times.length % 7));
  }
  const rate = moved.bytes / (performance.now() - began) / 1000;
  bulk?.channel.abort();
  await flowing;
  return { times, rate };
}

async function flow(bulk: Process, direction: string, moved: { bytes: number }): Promise<void> {
  const move = direction === "down" ? reading(bulk.channel) : writing(bulk.channel);
  try {
    for (let n; (n = await move()) > 0;) moved.bytes += n;
  } catch {
    // It is aborted when all keys are typed.
  }
}
