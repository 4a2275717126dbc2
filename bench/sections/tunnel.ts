import { freePort } from "../../tests/support/free_port.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { Program } from "../../tests/support/program.ts";
import { type Sshd, startSshd } from "../../tests/interop/harness/sshd.ts";
import { denoProgram, startPort, timed } from "../lab.ts";
import type { Direction, Measurement } from "../peers/measure.ts";
import { CLIENT_HEADER, clientRows, median, pairedShare } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const OURS = "@denossh/ssh -L";
const THEIRS = "OpenSSH ssh -L";
const CLI = new URL("../../lib/cli/main.ts", import.meta.url).pathname;
const SOURCE = new URL("../tcp_source.ts", import.meta.url).pathname;
const MIB = 1024 ** 2;
/** Short connections open in parallel. */
const PARALLEL = 20;

/**
 * Through `-L`: one connection, down and up, then many short ones; ours and OpenSSH's client
 * alternately.
 */
export async function tunnel(report: Report, { quick }: BenchOptions): Promise<void> {
  const rounds = quick ? 2 : 5;
  const bytes = (quick ? 128 : 1024) * MIB;
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using source = await startPort(SOURCE);
  const ssh = await findPeer("ssh");
  if (ssh === null) report.note("Missing: OpenSSH ssh: not installed");
  await using stack = new AsyncDisposableStack();
  const ends = new Map<string, { port: number; pid: number }>();
  for (
    const [name, start] of [
      ...ssh === null ? [] : [[THEIRS, (args: string[]) => new Program(ssh, { args })] as const],
      [OURS, (args: string[]) => denoProgram(CLI, ["ssh", ...args])] as const,
    ]
  ) {
    const port = freePort();
    const program = stack.use(start(tunnelLine(sshd, port, source.port)));
    await reachable(port);
    ends.set(name, { port, pid: program.pid });
  }
  for (const direction of ["down", "up"] as const) {
    const rows = new Map<string, Measurement[]>([...ends.keys()].map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, end] of ends) {
        rows.get(name)!.push(await through(end, direction, bytes));
      }
    }
    report.table(
      `One connection through a tunnel, ${direction}, chacha20, ${bytes / MIB} MiB`,
      CLIENT_HEADER,
      clientRows(rows),
    );
    report.data(`tunnel.${direction}`, Object.fromEntries(rows));
    if (direction === "down" && ssh !== null) {
      report.figure("tunnel", pairedShare(rows.get(OURS)!, rows.get(THEIRS)!));
    }
  }
  const count = quick ? 200 : 1000;
  const short = new Map<string, Short[]>([...ends.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, end] of ends) short.get(name)!.push(await shortOnes(end, count));
  }
  report.table(
    `Connections of 100 bytes through a tunnel, ${PARALLEL} at once`,
    ["client", "ms each", "CPU µs each"],
    [...short].map(([name, runs]) => [
      name,
      median(runs.map(({ ms }) => ms)).toFixed(2),
      median(runs.map(({ cpuMicros }) => cpuMicros)).toFixed(0),
    ]),
  );
  report.data("tunnel.short", Object.fromEntries(short));
}

/** The cost of a short connection. */
interface Short {
  readonly ms: number;
  readonly cpuMicros: number;
}

async function shortOnes(
  { port, pid }: { port: number; pid: number },
  count: number,
): Promise<Short> {
  let left = count;
  const work = async () => {
    while (left-- > 0) await through({ port, pid }, "down", 100);
  };
  const cpu = cpuSeconds(pid);
  const ms = await timed(() => Promise.all(Array.from({ length: PARALLEL }, work)));
  return { ms: ms / count, cpuMicros: (cpuSeconds(pid) - cpu) * 1e6 / count };
}

function tunnelLine(sshd: Sshd, from: number, to: number): string[] {
  const forward = `127.0.0.1:${from}:127.0.0.1:${to}`;
  const flags = configFlags(sshd, { Ciphers: "chacha20-poly1305@openssh.com" });
  return ["-N", "-L", forward, ...flags, `${sshd.user}@${sshd.hostname}`];
}

/** Waits until something listens. */
async function reachable(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused) || tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function through(
  { port, pid }: { port: number; pid: number },
  direction: Direction,
  bytes: number,
): Promise<Measurement> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, direction === "down" ? BigInt(bytes) : 0n);
  const cpu = cpuSeconds(pid);
  const began = performance.now();
  await conn.write(head);
  const moved = direction === "down" ? await receive(conn) : await send(conn, bytes);
  const seconds = (performance.now() - began) / 1000;
  if (moved !== bytes) throw new Error(`${moved} of ${bytes} bytes came through`);
  return { bytes, seconds, cpuSeconds: cpuSeconds(pid) - cpu };
}

async function receive(conn: Deno.Conn): Promise<number> {
  let bytes = 0;
  const into = new Uint8Array(256 * 1024);
  for (let n; (n = await conn.read(into)) !== null;) bytes += n;
  return bytes;
}

async function send(conn: Deno.Conn, bytes: number): Promise<number> {
  const zeros = new Uint8Array(256 * 1024);
  for (let left = bytes; left > 0;) {
    left -= await conn.write(zeros.subarray(0, Math.min(left, zeros.length)));
  }
  await conn.closeWrite();
  const answer = new Uint8Array(8);
  for (let n = 0; n < 8;) n += await conn.read(answer.subarray(n)) ?? 8;
  return Number(new DataView(answer.buffer).getBigUint64(0));
}

/** CPU time of a process, user and system; 0 without /proc. */
function cpuSeconds(pid: number): number {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100; // Linux counts in USER_HZ
  } catch {
    return 0;
  }
}
