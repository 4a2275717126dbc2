import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { must } from "../../tests/support/run.ts";
import { inTurns } from "../lab.ts";
import { findClients } from "../peers/clients.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS } from "../throughput.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;

/** Cold start: the runtime, the import of the module, and a client's first byte. */
export async function startup(report: Report, { quick }: BenchOptions): Promise<void> {
  const rounds = quick ? 2 : 15;
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  const { clients, missing } = await findClients();
  missing.forEach((text) => report.note(`Missing: ${text}`));
  const deno = (code: string) => () => must(Deno.execPath(), ["eval", "--no-check", code]);
  const ways: Record<string, () => Promise<unknown>> = {
    "deno: nothing": deno("0"),
    "deno: import of the module": deno(`await import(${JSON.stringify(MOD)})`),
  };
  const ended: { status: Promise<unknown> }[] = [];
  for (const client of clients) {
    // paramiko lacks chacha20, and the cipher does not matter for the first byte.
    const line = client.commandLine(sshd, CIPHERS[1]!, "echo first");
    ways[`${client.name}: first byte`] = async () => {
      ended.push(await firstByte(line));
    };
  }
  await ways["deno: import of the module"]!(); // fills Deno's compilation cache
  const times = await inTurns(rounds, ways);
  await Promise.all(ended.map(({ status }) => status));
  report.table(
    "Start-up of a process until …, ms, medians; a first byte includes connecting to sshd",
    ["", "ms"],
    Object.entries(times).map(([name, values]) => [name, median(values).toFixed(0)]),
  );
  report.data("startup", times);
}

/**
 * Measures a client until its first byte of output; returns the promise of its exit, which is not
 * measured.
 */
async function firstByte(
  [program, ...args]: readonly string[],
): Promise<{ status: Promise<unknown> }> {
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  await reader.cancel();
  if (done) throw new Error(`${program} wrote nothing`);
  return { status: child.status };
}
