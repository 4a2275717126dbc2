import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { login, sshdTarget, startPath, timed } from "../lab.ts";
import { findSftpPeers, type SftpTimes } from "../peers/sftp_clients.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { memoryFolder } from "./sftp.ts";

const MIB = 1024 ** 2;
/** The rate limit of a connection, in bytes a second. */
const RATE = 20_000_000;
const ROUND_TRIP_MS = 20;
/** The number of connections that the mark is about. */
const MARKED = 4;

/**
 * One large file over a path that limits each TCP connection: ours over several connections, and the
 * peers.
 */
export async function capped(report: Report, { quick }: BenchOptions): Promise<void> {
  const bytes = (quick ? 64 : 512) * MIB;
  // One connection takes half a minute, so the start-up hardly counts.
  const few = bytes / 8;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const server = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  await Deno.writeFile(`${folder}/large`, new Uint8Array(bytes));
  const path = stack.use(await startPath(server.port, ROUND_TRIP_MS, RATE, "each"));
  const rows: string[][] = [];
  for (const connections of quick ? [MARKED] : [MARKED, 8, 1]) {
    const size = connections === 1 ? few : bytes;
    await Deno.truncate(`${folder}/large`, size);
    const rates: Record<"get" | "put", number[]> = { get: [], put: [] };
    for (let round = 0; round < (quick || connections === 1 ? 1 : 3); round++) {
      for (const verb of ["get", "put"] as const) {
        const target = { ...sshdTarget(server), port: path.port };
        await using host = await login(target, { connections });
        await using sftp = await host.sftp();
        const [from, to] = [`${folder}/large`, `${folder}/copy`];
        const ms = await timed(() => verb === "get" ? sftp.get(from, to) : sftp.put(from, to));
        rates[verb].push(size / ms / 1000);
        await Deno.remove(to);
      }
    }
    const [get, put] = [median(rates.get), median(rates.put)];
    rows.push([`@denossh/ssh, connections: ${connections}`, get.toFixed(0), put.toFixed(0)]);
    report.figure(`capped.get.${connections}`, get);
    report.figure(`capped.put.${connections}`, put);
  }
  const { peers: [, ...others], missing } = await findSftpPeers();
  for (const line of missing) report.note(`Missing: ${line}`);
  await Deno.truncate(`${folder}/large`, few);
  for (const peer of others) {
    try {
      const times = await peer.measure(
        { server, port: path.port, folder },
        ["get large", "put large"],
      ) as Record<"get large" | "put large", SftpTimes>;
      const rates = [times["get large"], times["put large"]].map(({ ms }) => few / ms / 1000);
      rows.push([peer.name, ...rates.map((rate) => rate.toFixed(0))]);
    } catch (error) {
      report.note(`${peer.name} failed: ${error instanceof Error ? error.message : error}`);
    }
  }
  report.table(
    `${bytes / MIB} MiB, or ${
      few / MIB
    } over one connection, at ${ROUND_TRIP_MS} ms where a connection ` +
      `carries ${RATE / 1e6} MB/s, in MB/s`,
    ["", "get", "put"],
    rows,
  );
}
