/**
 * Uploads a folder on several cores. A connection is encrypted by the thread that it is in, so each
 * worker has one, and reads and sends its share of the files:
 *
 *     deno run --allow-net --allow-env --allow-read \
 *       examples/sftp_cores.ts deploy@example.com ./dist /srv/app
 */
const [target, local, remote, count = `${navigator.hardwareConcurrency}`] = Deno.args;
if (target === undefined || local === undefined || remote === undefined) {
  console.error("usage: sftp_cores.ts [user@]host[:port] local-folder remote-folder [workers]");
  Deno.exit(2);
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

const shares = Array.from({ length: Number(count) }, () => ({ paths: [] as string[], bytes: 0 }));
for (const [path, size] of (await sizesOf(local)).toSorted(([, a], [, b]) => b - a)) {
  const least = shares.reduce((one, other) => other.bytes < one.bytes ? other : one);
  least.paths.push(path);
  least.bytes += size;
}
const sending = shares.filter(({ paths }) => paths.length > 0).map(async ({ paths }) => {
  const worker = new Worker(new URL("sftp_cores_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage({ target, local, remote, paths });
  return await promise.finally(() => worker.terminate());
});
const bytes = await Promise.all(sending);
console.log(`${bytes.length} workers sent ${bytes.reduce((a, b) => a + b, 0)} bytes`);
