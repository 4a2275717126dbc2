/**
 * Uploads a folder on several cores. A connection is encrypted by the thread that it is in, so each
 * worker, which runs this file, too, has one, and reads and sends its share of the files:
 *
 *     deno run --allow-net --allow-env --allow-read \
 *       examples/sftp_cores.ts deploy@example.com ./dist /srv/app
 */
import { connect } from "@denossh/ssh";

/** What one worker sends. */
interface Job {
  readonly target: string;
  readonly local: string;
  readonly remote: string;
  /** Files, by their paths below the local folder. */
  readonly paths: readonly string[];
}

if ("postMessage" in globalThis) { // in a worker
  const worker = globalThis as unknown as Pick<Worker, "onmessage" | "postMessage">;
  worker.onmessage = async ({ data }) => worker.postMessage(await upload(data));
} else {
  const [target, local, remote, count = `${navigator.hardwareConcurrency}`] = Deno.args;
  if (target === undefined || local === undefined || remote === undefined) {
    console.error("usage: sftp_cores.ts [user@]host[:port] local-folder remote-folder [workers]");
    Deno.exit(2);
  }
  const shares = (await sharesOf(local, Number(count))).filter((paths) => paths.length > 0);
  const bytes = await Promise.all(
    shares.map((paths) => inWorker({ target, local, remote, paths })),
  );
  console.log(`${bytes.length} workers sent ${bytes.reduce((a, b) => a + b, 0)} bytes`);
}

async function upload({ target, local, remote, paths }: Job): Promise<number> {
  await using host = await connect(target);
  await using sftp = await host.sftp();
  const mine = new Set(paths);
  const { bytes } = await sftp.put(local, remote, {
    recursive: true,
    preserve: true,
    filter: ({ path, isDirectory }) => isDirectory || mine.has(path),
  });
  return bytes;
}

async function inWorker(job: Job): Promise<number> {
  const worker = new Worker(import.meta.url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(job);
  return await promise.finally(() => worker.terminate());
}

/** Divides the files of a folder into shares of about the same size. */
async function sharesOf(folder: string, count: number): Promise<string[][]> {
  const shares = Array.from({ length: count }, () => ({ paths: [] as string[], bytes: 0 }));
  const bySize = (await sizesOf(folder)).toSorted(([, a], [, b]) => b - a);
  for (const [path, size] of bySize) {
    const least = shares.reduce((one, other) => other.bytes < one.bytes ? other : one);
    least.paths.push(path);
    least.bytes += size;
  }
  return shares.map(({ paths }) => paths);
}

/** The sizes of the files in a folder, by their paths below it. */
async function sizesOf(folder: string, below = ""): Promise<[string, number][]> {
  const sizes = await Array.fromAsync(Deno.readDir(folder), async ({ name, isDirectory }) => {
    const [path, inner] = [`${folder}/${name}`, `${below}${name}`];
    if (isDirectory) return await sizesOf(path, `${inner}/`);
    return [[inner, (await Deno.lstat(path)).size]] as [string, number][];
  });
  return sizes.flat();
}
