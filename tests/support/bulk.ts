/** Sends a large transfer of any size through a tunnel in little memory; both ends compute its SHA-256. */
import { createHash } from "node:crypto";
import { LONG, noise } from "./random.ts";

/** MiB that the tunnels' large transfers move each way. */
export const TUNNEL_MIB: number = 64 * LONG;

/** Sends this many MiB and EOF, reads the echo, and returns both digests. */
export async function bulkEcho(
  conn: Deno.Conn,
  mebibytes: number,
): Promise<{ sent: string; received: string; bytes: number }> {
  const [sent, { digest: received, bytes }] = await Promise.all([
    sendNoise(conn, mebibytes),
    digestOf(conn),
  ]);
  return { sent, received, bytes };
}

async function sendNoise(conn: Deno.Conn, mebibytes: number): Promise<string> {
  const hash = createHash("sha256");
  const block = noise(1024 * 1024);
  const numbers = new DataView(block.buffer);
  for (let i = 0; i < mebibytes; i++) {
    numbers.setUint32(0, i); // all blocks differ, so a lost or repeated one is detected
    hash.update(block);
    for (let at = 0; at < block.length;) at += await conn.write(block.subarray(at));
  }
  await conn.closeWrite();
  return hash.digest("hex");
}

async function digestOf(conn: Deno.Conn): Promise<{ digest: string; bytes: number }> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(256 * 1024);
  let bytes = 0;
  for (let n; (n = await conn.read(buffer)) !== null; bytes += n) {
    hash.update(buffer.subarray(0, n));
  }
  return { digest: hash.digest("hex"), bytes };
}
