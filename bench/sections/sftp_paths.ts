import { startSshd } from "../../tests/interop/sshd.ts";
import { login, sshdTarget, startPath, timed } from "../lab.ts";
import type { BenchOptions, Report } from "../report.ts";

const MIB = 1024 ** 2;
const SMALL = { files: 100, bytes: 4096 };
const TREE = { folders: 50, filesEach: 4, bytes: 4096 };

/** Transfers through paths with a round trip: one large file, many small ones, and a tree. */
export async function sftpPaths(report: Report, { quick }: BenchOptions): Promise<void> {
  const roundTrips = quick ? [0, 50] : [0, 20, 50, 100];
  const bytes = (quick ? 64 : 256) * MIB;
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "denossh-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  await plant(folder, bytes);
  const rows: string[][] = [];
  for (const roundTrip of roundTrips) {
    await using path = await startPath(sshd.port, roundTrip);
    await using host = await login({ ...sshdTarget(sshd), port: path.port });
    await using client = await host.sftp();
    for (const way of ["get", "put"] as const) {
      const cells: string[] = [];
      for (const what of ["large", "small", "tree"]) {
        const copy = `${folder}/copy`;
        // Once before, of what is large: windows grow to the path in the first seconds.
        if (what === "large") await client[way](`${folder}/${what}`, copy);
        const ms = await timed(() => client[way](`${folder}/${what}`, copy, { recursive: true }));
        await Deno.remove(copy, { recursive: true });
        const value = what === "large" ? bytes / ms / 1000 : ms;
        cells.push(value.toFixed(0));
        report.figure(`sftp.${way}.${what}.${roundTrip}`, value);
      }
      rows.push([`${roundTrip}`, way, ...cells]);
    }
  }
  const { folders, filesEach } = TREE;
  report.table(
    "SFTP at sshd through a path with a round trip",
    [
      "round trip ms",
      "",
      `${bytes / MIB} MiB, MB/s`,
      `${SMALL.files} x 4 KiB, ms`,
      `${folders} folders of ${filesEach}, ms`,
    ],
    rows,
  );
  report.data("sftp.paths", rows);
}

async function plant(folder: string, bytes: number): Promise<void> {
  await Deno.writeFile(`${folder}/large`, new Uint8Array(bytes));
  await Deno.mkdir(`${folder}/small`);
  for (let i = 0; i < SMALL.files; i++) {
    await Deno.writeFile(`${folder}/small/${i}`, new Uint8Array(SMALL.bytes));
  }
  for (let i = 0; i < TREE.folders; i++) {
    await Deno.mkdir(`${folder}/tree/${i % 7}/${i}`, { recursive: true });
    for (let j = 0; j < TREE.filesEach; j++) {
      await Deno.writeFile(`${folder}/tree/${i % 7}/${i}/${j}`, new Uint8Array(TREE.bytes));
    }
  }
}
