import type { Client } from "../../mod.ts";
import { login, startOwnServer, type Target, timed } from "../lab.ts";
import type { BenchOptions, Report } from "../report.ts";

const MIB = 1024 ** 2;

/** Many clients in parallel in this process, with our server in another one. */
export async function connections(report: Report, { quick }: BenchOptions): Promise<void> {
  const bytes = (quick ? 128 : 1024) * MIB;
  await using own = await startOwnServer();
  await tryMany(own.target(), 1, MIB); // warms up both ends
  const rows: string[][] = [];
  for (const count of quick ? [1, 10, 100] : [1, 10, 100, 500]) {
    const { logins, failures, rate } = await tryMany(own.target(), count, bytes);
    rows.push([`${count}`, logins.toFixed(0), `${failures.length}`, rate.toFixed(0)]);
    report.figure(`connections.logins${count}`, logins);
    report.figure(`connections.failures${count}`, failures.length);
    for (const why of new Set(failures)) report.note(`Failed to log in: ${why}`);
  }
  report.table(
    `Connections at once to our server, then ${bytes / MIB} MiB in all`,
    ["connections", "logins/s", "failures", "MB/s in all"],
    rows,
  );
}

async function tryMany(
  target: Target,
  count: number,
  bytes: number,
): Promise<{ logins: number; failures: string[]; rate: number }> {
  const hosts: Client[] = [];
  const failures: string[] = [];
  const attempt = async () => {
    try {
      hosts.push(await login(target));
    } catch (error) {
      failures.push(`${error}`);
    }
  };
  const loginMs = await timed(() => Promise.all(Array.from({ length: count }, attempt)));
  const each = Math.floor(bytes / count);
  const ms = await timed(() => Promise.all(hosts.map((host) => download(host, each))));
  await Promise.all(hosts.map((host) => host.close()));
  return {
    logins: hosts.length / loginMs * 1000,
    failures,
    rate: each * hosts.length / ms / 1000,
  };
}

async function download(host: Client, bytes: number): Promise<void> {
  await using process = await host.command(`source ${bytes}`).spawn();
  let received = 0;
  for (let chunk; (chunk = await process.channel.readChunk()) !== null;) received += chunk.length;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
}
