import type { Channel } from "../../mod.ts";
import { Exec } from "../../lib/wire/requests.ts";
import { login, startOwnServer, timed } from "../lab.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const COUNTS = [1, 10, 100, 1000];
const MIB = 1024 ** 2;

/** Total rate of parallel downloads over many channels of one connection. */
export async function channels(report: Report, { quick }: BenchOptions): Promise<void> {
  const bytes = (quick ? 128 : 1024) * MIB;
  const rounds = quick ? 3 : 5;
  await using own = await startOwnServer();
  await using host = await login(own.target());
  await download(await host.openSession(), bytes / 4); // warms up both ends
  const runs = COUNTS.map((count) => ({ count, open: [] as number[], rate: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { count, open, rate } of runs) {
      let opened: Channel[] = [];
      open.push(
        await timed(async () => {
          opened = await Promise.all(Array.from({ length: count }, () => host.openSession()));
        }),
      );
      const each = Math.floor(bytes / count);
      const ms = await timed(() => Promise.all(opened.map((channel) => download(channel, each))));
      rate.push(each * count / ms / 1000);
    }
  }
  // Compared within each round, under the same load.
  const shares = runs.map(({ rate }) => median(rate.map((n, i) => n / runs[0]!.rate[i]!)));
  report.table(
    `Channels of one connection, ${bytes / MIB} MiB in all from our server, medians of ${rounds}`,
    ["channels", "open, ms", "MB/s in all", "of one"],
    runs.map(({ count, open, rate }, i) => [
      `${count}`,
      median(open).toFixed(1),
      median(rate).toFixed(0),
      shares[i]!.toFixed(2),
    ]),
  );
  report.data("channels", runs);
  report.figure("channels.share1000", shares.at(-1)!);
  report.figure("channels.open1000", median(runs.at(-1)!.open) / 1000);
}

async function download(channel: Channel, bytes: number): Promise<void> {
  await channel.request("exec", Exec.encode({ command: `source ${bytes}` }));
  let received = 0;
  for (let chunk; (chunk = await channel.readChunk()) !== null;) received += chunk.length;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  await channel.close();
}
