/**
 * Puts and gets a large file across several rekeys. With `DENOSSH_LONG=200` it has 10 GB, needs twice
 * that on the disk, and memory is measured and printed.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { loadKey, publicKey } from "@denossh/ssh";
import { LONG, noise } from "../../support/random.ts";
import { connectTo } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { must } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const MIB = 1024 * 1024;
const BYTES = 48 * LONG * MIB;
const REKEYS = 10;
/** From here on memory is measured: a smaller transfer before has warmed up the engine. */
const LARGE = 2048 * MIB;

/** Writes a file without equal blocks; returns its SHA-256. */
async function make(path: string): Promise<string> {
  const hash = createHash("sha256");
  const block = noise(MIB);
  const number = new DataView(block.buffer);
  using file = await Deno.open(path, { write: true, create: true });
  for (let i = 0; i < BYTES / MIB; i++) {
    number.setUint32(0, i);
    hash.update(block);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
  }
  return hash.digest("hex");
}

async function sha256sum(path: string): Promise<string> {
  return (await must("sha256sum", [path], { timeout: 600_000 })).text.slice(0, 64);
}

/** The peak memory of the process in each tenth of a transfer, in MiB. */
class Memory {
  readonly tenths: number[] = Array(10).fill(0);

  look({ transferred }: { transferred: number }): void {
    const tenth = Math.min(Math.floor(transferred / BYTES * 10), 9);
    const rss = Math.round(Deno.memoryUsage().rss / MIB);
    this.tenths[tenth] = Math.max(this.tenths[tenth]!, rss);
  }
}

await peerTest(
  ["sshd"],
  "a large file is unchanged after many rekeys in both directions",
  async () => {
    await using folder = await tempFolder();
    await using sshd = await startSshd({ hostKeys: ["ed25519"], config: { LogLevel: "DEBUG1" } });
    await using host = await connectTo(sshd, {
      auth: [publicKey(await loadKey(sshd.identity))],
      rekey: { bytes: BYTES / REKEYS },
    });
    await using sftp = await host.sftp();
    const digest = await make(folder.join("file"));
    const there = `${sshd.folder}/file`;
    const rekeys = () => sshd.log.match(/SSH2_MSG_NEWKEYS received/g)?.length ?? 0;
    for (const way of ["put", "get"] as const) {
      const [memory, before, started] = [new Memory(), rekeys(), performance.now()];
      const options = { onProgress: memory.look.bind(memory) };
      const target = way === "put" ? there : folder.join("back");
      const { bytes } = way === "put"
        ? await sftp.put(folder.join("file"), there, options)
        : await sftp.get(there, target, options);
      const seconds = (performance.now() - started) / 1000;
      assertEquals(bytes, BYTES);
      if (way === "put") await Deno.remove(folder.join("file"));
      assertEquals(await sha256sum(target), digest);
      const made = rekeys() - before;
      // Data in flight when a rekey starts, up to a window, still uses the old keys.
      assert(made >= REKEYS / 3, `${made} rekeys`);
      if (BYTES < LARGE) continue;
      const { tenths } = memory;
      console.log(
        `${way}: ${seconds.toFixed(1)} s, ${made} rekeys, RSS in MiB: ${tenths.join(" ")}`,
      );
      assert(Math.max(...tenths.slice(5)) < Math.max(...tenths.slice(0, 5)) + 32, "memory grows");
    }
  },
);
