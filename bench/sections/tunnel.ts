import { freePort } from "../../tests/support/free_port.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { Program } from "../../tests/support/program.ts";
import { type Sshd, startSshd } from "../../tests/interop/harness/sshd.ts";
import { denoProgram, startPort, timed } from "../lab.ts";
import type { Direction, Measurement } from "../peers/measure.ts";
import { CLIENT_HEADER, clientRows, median, pairedShare } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const OURS = "@denossh/ssh";
const THEIRS = "OpenSSH ssh";
const CLI = new URL("../../lib/cli/main.ts", import.meta.url).pathname;
const SOURCE = new URL("../tcp_source.ts", import.meta.url).pathname;
const MIB = 1024 ** 2;
/** Short connections open in parallel. */
const PARALLEL = 20;

/** The option of `ssh` that opens the tunnel: a port here, a SOCKS proxy here, a port at the server. */
type Kind = "-L" | "-D" | "-R";

/** A client's end of a tunnel. */
interface End {
  /** Connects through the tunnel to the source. */
  connect(): Promise<Deno.Conn>;
  /** The client's process. */
  readonly pid: number;
}

/**
 * Through `-L`, `-D` and `-R`: one connection, down and up as its opener sees it; then many short ones through
 * `-L`. Ours and OpenSSH's client alternately.
 */
export async function tunnel(report: Report, { quick }: BenchOptions): Promise<void> {
  const rounds = quick ? 2 : 5;
  const bytes = (quick ? 128 : 1024) * MIB;
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using source = await startPort(SOURCE);
  const ssh = await findPeer("ssh");
  if (ssh === null) report.note("Missing: OpenSSH ssh: not installed");
  for (const kind of ["-L", "-D", "-R"] as const) {
    await using stack = new AsyncDisposableStack();
    const ends = new Map<string, End>();
    for (
      const [name, start] of [
        ...ssh === null ? [] : [[THEIRS, (args: string[]) => new Program(ssh, { args })] as const],
        [OURS, (args: string[]) => denoProgram(CLI, ["ssh", ...args])] as const,
      ]
    ) {
      const port = freePort();
      const { pid } = stack.use(start(tunnelLine(kind, sshd, port, source.port)));
      await reachable(port);
      const connect = kind === "-D"
        ? () => throughSocks(port, source.port)
        : () => Deno.connect({ hostname: "127.0.0.1", port });
      ends.set(name, { connect, pid });
    }
    for (const direction of ["down", "up"] as const) {
      const rows = new Map<string, Measurement[]>([...ends.keys()].map((name) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [name, end] of ends) {
          rows.get(name)!.push(await through(end, direction, bytes));
        }
      }
      report.table(
        `One connection through a tunnel, ${kind}, ${direction}, chacha20, ${bytes / MIB} MiB`,
        CLIENT_HEADER,
        clientRows(rows),
      );
      const name = `tunnel.${kind.slice(1)}.${direction}`;
      report.data(name, Object.fromEntries(rows));
      if (ssh !== null) report.figure(name, pairedShare(rows.get(OURS)!, rows.get(THEIRS)!));
    }
    if (kind === "-L") await shortConnections(report, ends, rounds, quick ? 200 : 1000);
  }
}

async function shortConnections(
  report: Report,
  ends: ReadonlyMap<string, End>,
  rounds: number,
  count: number,
): Promise<void> {
  const short = new Map<string, Short[]>([...ends.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, end] of ends) short.get(name)!.push(await shortOnes(end, count));
  }
  report.table(
    `Connections of 100 bytes through a tunnel, -L, ${PARALLEL} at once`,
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

async function shortOnes(end: End, count: number): Promise<Short> {
  let left = count;
  const work = async () => {
    while (left-- > 0) await through(end, "down", 100);
  };
  const cpu = cpuSeconds(end.pid);
  const ms = await timed(() => Promise.all(Array.from({ length: PARALLEL }, work)));
  return { ms: ms / count, cpuMicros: (cpuSeconds(end.pid) - cpu) * 1e6 / count };
}

function tunnelLine(kind: Kind, sshd: Sshd, from: number, to: number): string[] {
  const forward = `127.0.0.1:${from}${kind === "-D" ? "" : `:127.0.0.1:${to}`}`;
  const flags = configFlags(sshd, { Ciphers: "chacha20-poly1305@openssh.com" });
  return ["-N", kind, forward, ...flags, `${sshd.user}@${sshd.hostname}`];
}

/** Connects to a port of this machine through a SOCKS 5 proxy (RFC 1928). */
async function throughSocks(proxy: number, port: number): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxy });
  await conn.write(Uint8Array.of(5, 1, 0));
  await readAll(conn, new Uint8Array(2));
  await conn.write(Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff));
  const answer = await readAll(conn, new Uint8Array(10));
  if (answer[1] !== 0) throw new Error(`The SOCKS proxy refused with ${answer[1]}`);
  return conn;
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
  { connect, pid }: End,
  direction: Direction,
  bytes: number,
): Promise<Measurement> {
  using conn = await connect();
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
  const answer = await readAll(conn, new Uint8Array(8));
  return Number(new DataView(answer.buffer).getBigUint64(0));
}

/** Fills the buffer. */
async function readAll(conn: Deno.Conn, into: Uint8Array<ArrayBuffer>): Promise<typeof into> {
  for (let n = 0; n < into.length;) {
    const got = await conn.read(into.subarray(n));
    if (got === null) throw new Error("The connection ended early");
    n += got;
  }
  return into;
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
