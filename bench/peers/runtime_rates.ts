/**
 * Times `exec` down and an SFTP download with our module, on any runtime. Node runs this file by only
 * stripping types, hence no `await using`.
 */
import { connect, publicKey } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";

/** The job as JSON. */
export interface RateJob {
  readonly port: number;
  readonly user: string;
  /** The private key, as text. */
  readonly key: string;
  readonly hostKey: string;
  readonly cipher: string;
  readonly command: string;
  /** The command's output and the file's size, in bytes. */
  readonly bytes: number;
  /** The file on the server. */
  readonly file: string;
  /** The path of the local copy; without it the bytes are only counted. */
  readonly out?: string;
}

/** MB/s of each on an open connection, as JSON. */
export interface Rates {
  readonly exec: number;
  readonly get: number;
}

/** Transfers both, one after the other. */
export async function rates(job: RateJob): Promise<Rates> {
  const { port, user, key, hostKey, cipher, command, bytes, file, out } = job;
  const auth = [publicKey(importPrivateKey(key))];
  const algorithms = { cipher: [cipher] };
  const host = await connect({
    hostname: "127.0.0.1",
    port,
    user,
    auth,
    hostKeys: hostKey,
    algorithms,
  });
  const exec = await rate(bytes, async () => {
    let received = 0;
    const running = await host.command(command).spawn();
    for await (const chunk of running.stdout) received += chunk.length;
    return received;
  });
  const sftp = await host.sftp();
  const get = await rate(bytes, async () => {
    if (out !== undefined) return (await sftp.get(file, out)).bytes;
    let received = 0;
    await sftp.get(file, new WritableStream({ write: (chunk) => void (received += chunk.length) }));
    return received;
  });
  await host.close();
  return { exec, get };
}

async function rate(bytes: number, transfer: () => Promise<number>): Promise<number> {
  const began = performance.now();
  const received = await transfer();
  const ms = performance.now() - began;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  return bytes / ms / 1000;
}
