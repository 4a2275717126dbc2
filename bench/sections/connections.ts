import { startServe } from "../../tests/cli/world.ts";
import { type KeyFile, keyStore } from "../../tests/support/keys.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import type { Client } from "../../mod.ts";
import { inTurns, login, startOwnServer, type Target, timed } from "../lab.ts";
import { median } from "../peers/table.ts";
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
  await processes(report, quick);
}

/** Connections at once to `serve`, which shares them between its processes. */
const AT_ONCE = 40;

/**
 * Logins with one and with two processes of `serve`, in turns. The clients run on the same cores, and an
 * ordinary login costs them more than the server. Signing with an RSA host key of 4096 bits makes the
 * server's part the larger one.
 */
async function processes(report: Report, quick: boolean): Promise<void> {
  const hostKey = await keyFile4096();
  const flags = ["--exec", "-o", "MaxStartups=200"];
  await using one = await startServe([...flags, "--parallel", "1"], hostKey);
  await using two = await startServe([...flags, "--parallel", "2"], hostKey);
  const logIn = async (target: Target) => {
    await using _host = await login(target);
  };
  const many = (target: Target) => () =>
    Promise.all(Array.from({ length: AT_ONCE }, () => logIn(target)));
  for (const target of [one, two]) await many(target)(); // warms up both ends
  const times = await inTurns(quick ? 3 : 9, { one: many(one), two: many(two) });
  const gain = median(times.one!.map((ms, at) => ms / times.two![at]!));
  report.table(
    `${AT_ONCE} logins at once to serve, RSA host key of 4096 bits, medians`,
    ["processes", "logins/s"],
    [times.one!, times.two!].map((values, at) => [
      `${at + 1}`,
      (AT_ONCE / median(values) * 1000).toFixed(0),
    ]),
  );
  report.figure("connections.parallel2", gain);
}

async function keyFile4096(): Promise<KeyFile> {
  const store = keyStore(async (_kind, comment, path) => {
    using key = await generateKey("rsa", { bits: 4096, comment });
    await Deno.writeTextFile(path, key.export(), { mode: 0o600 });
    await Deno.writeTextFile(`${path}.pub`, `${key.publicKey}\n`);
  });
  return await store("rsa", "host of 4096 bits");
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
