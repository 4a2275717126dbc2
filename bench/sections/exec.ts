import type { Direction, Measurement } from "../peers/measure.ts";
import {
  CLIENT_HEADER,
  clientRows,
  cpuPerByte,
  median,
  megabytesPerSecond,
  pairedShare,
} from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS, compareClients } from "../throughput.ts";

const MIB = 1024 ** 2;
const OURS = "@denossh/ssh";

type Rows = ReadonlyMap<string, readonly Measurement[]>;

/** `exec` of whole clients against sshd, run alternately, including start-up and connect. */
export async function exec(report: Report, { quick }: BenchOptions): Promise<void> {
  const options = {
    bytes: (quick ? 128 : 1024) * MIB,
    rounds: quick ? 1 : 5,
    ciphers: CIPHERS,
    clients: [],
    // With the other cipher only downloads have marks.
    ...(quick && {
      directions: (cipher: string): Direction[] =>
        cipher.startsWith("chacha20") ? ["down", "up"] : ["down"],
    }),
  };
  const found = new Map<string, Rows>();
  const missing = (text: string) => report.note(`Missing: ${text}`);
  for await (const { cipher, direction, rows, steady } of compareClients(options, missing)) {
    const title = `exec ${direction}, ${cipher}, ${options.bytes / MIB} MiB`;
    report.table(`${title}, start-up included`, CLIENT_HEADER, clientRows(rows));
    report.table(`${title}, without start-up`, CLIENT_HEADER, clientRows(steady));
    const short = cipher.split("-")[0]!;
    found.set(`${direction}.${short}.steady`, steady);
    found.set(`${direction}.${short}`, rows);
    report.data(`exec.${direction}.${short}`, Object.fromEntries(rows));
  }
  for (const direction of ["down", "up"]) {
    const rows = found.get(`${direction}.chacha20`);
    if (!rows?.has(OURS)) continue;
    share(report, `exec.${direction}.chacha20.openssh`, rows, "OpenSSH ssh");
    report.figure(`exec.${direction}.chacha20.cpu`, cpuPerByte(rows.get(OURS)!));
    const steady = found.get(`${direction}.chacha20.steady`)!;
    share(report, `exec.${direction}.chacha20.steady.openssh`, steady, "OpenSSH ssh");
    const openssh = steady.get("OpenSSH ssh");
    if (openssh === undefined) continue;
    report.figure(
      `exec.${direction}.chacha20.steady.cpu`,
      cpuPerByte(steady.get(OURS)!) / cpuPerByte(openssh),
    );
  }
  const [chacha, aes] = [found.get("down.chacha20"), found.get("down.aes128")];
  if (chacha) share(report, "exec.down.ssh2node", chacha, "npm:ssh2 on Node");
  if (aes) {
    share(report, "exec.down.aes128.openssh", aes, "OpenSSH ssh");
    share(report, "exec.down.aes128.ssh2deno", aes, "npm:ssh2 on Deno");
  }
  if (chacha && aes) ssh2OnDeno(report, chacha, aes);
}

/** Our rate relative to a client, compared within each round. */
function share(report: Report, figure: string, rows: Rows, client: string): void {
  const ours = rows.get(OURS);
  const [, theirs] = [...rows].find(([name]) => name.startsWith(client)) ?? [];
  if (ours && theirs) report.figure(figure, pairedShare(ours, theirs));
}

/** Our default, chacha20, compared with its default, aes128-gcm, and with the faster of its two. */
function ssh2OnDeno(report: Report, chacha: Rows, aes: Rows): void {
  const rate = (rows: Rows, client: string) => {
    const runs = rows.get(client);
    return runs && median(runs.map(megabytesPerSecond));
  };
  const ours = rate(chacha, OURS);
  const theirs = [rate(aes, "npm:ssh2 on Deno"), rate(chacha, "npm:ssh2 on Deno")];
  if (!ours || !theirs[0] || !theirs[1]) return;
  report.figure("exec.down.ssh2deno.default", ours / theirs[0]);
  report.figure("exec.down.ssh2deno.best", ours / Math.max(theirs[0], theirs[1]));
}
