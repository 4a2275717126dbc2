import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { startPath } from "../lab.ts";
import { findSftpPeers, type SftpTimes } from "../peers/sftp_clients.ts";
import { must } from "../../tests/support/run.ts";
import type { BenchOptions, Report } from "../report.ts";
import { memoryFolder } from "./sftp.ts";

const OURS = new URL("../many_files_client.ts", import.meta.url).pathname;
const ROUND_TRIP_MS = 50;
const FILE_BYTES = 4096;
/** Number of files for peers, sequential or parallel: more would take minutes. */
const FEW = 20;
const THOUSAND = 1000;

/** The output of our client. */
interface Told extends SftpTimes {
  /** Peak RSS until then, in bytes. */
  readonly peak: number;
}

/** Copies a folder of many small files over a long path: time beside the peers, and our memory. */
export async function manyFiles(report: Report, { quick }: BenchOptions): Promise<void> {
  const files = quick ? 1000 : 10_000;
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const server = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  for (const [name, count] of [["many", files], ["few", FEW], ["thousand", THOUSAND]] as const) {
    await Deno.mkdir(`${folder}/${name}`);
    const bytes = new Uint8Array(FILE_BYTES);
    for (let i = 0; i < count; i++) Deno.writeFileSync(`${folder}/${name}/${i}`, bytes);
  }
  const { port } = stack.use(await startPath(server.port, ROUND_TRIP_MS));
  const lane = { server, port, folder };
  const job = { port, user: server.user, identity: server.identity, folder };
  const hostKey = server.hostKeys.ed25519!.publicKey;
  const { text } = await must(Deno.execPath(), [
    ...["run", "-A", "--no-check", OURS],
    JSON.stringify({ ...job, hostKey }),
  ], { timeout: 300_000 });
  const ours = JSON.parse(text) as Record<string, Told>;
  const rows = [["@denossh/ssh", seconds(ours["put many"]!), seconds(ours["get many"]!)]];
  for (const verb of ["put", "get"] as const) {
    report.figure(`many.${verb}.thousand`, ours[`${verb} thousand`]!.ms);
  }
  report.figure("many.peak", Math.max(...Object.values(ours).map(({ peak }) => peak)) / 1e6);
  report.note(
    `Peak RSS of ours: ${
      ["put thousand", "get thousand", "put many", "get many"].map((action) =>
        `${action} ${(ours[action]!.peak / 1e6).toFixed(0)} MB`
      ).join(", ")
    }`,
  );
  const { peers: [, ...others], missing } = await findSftpPeers();
  for (const line of missing) report.note(`Missing: ${line}`);
  for (const peer of others) {
    try {
      const [what, asked] = peer.width === 1
        ? ["few", FEW] as const
        : ["thousand", THOUSAND] as const;
      const times = await peer.measure(lane, [`put ${what}`, `get ${what}`]);
      rows.push([
        peer.name,
        ...(["put", "get"] as const).map((verb) => {
          const { ms } = times[`${verb} ${what}`]!;
          return `~${(ms * files / asked / 1000).toFixed(1)}`;
        }),
      ]);
    } catch (error) {
      report.note(`${peer.name} failed: ${error instanceof Error ? error.message : error}`);
    }
  }
  report.table(
    `${files} files of ${FILE_BYTES} bytes over ${ROUND_TRIP_MS} ms, in seconds (~: reckoned from ${FEW}, or ${THOUSAND})`,
    ["", "put", "get"],
    rows,
  );
  report.data("many", { files, ours });
}

function seconds({ ms }: SftpTimes): string {
  return (ms / 1000).toFixed(1);
}
