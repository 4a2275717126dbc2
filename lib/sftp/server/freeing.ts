/**
 * Operations that free the blocks of a file. They take about 50 ms for a gigabyte, so they run in another
 * thread if the file is large.
 */
import type { PosixFiles } from "../../runtime/files.ts";

/** The most bytes freed in this thread, which takes a few milliseconds. */
const QUICK_BYTES = 64 * 1024 * 1024;

/** Changes the length of an open file. */
export async function truncate(fs: PosixFiles, fd: number, size: number): Promise<void> {
  if (fs.fstatSync(fd).size - size <= QUICK_BYTES) fs.ftruncateSync(fd, size);
  else await settled((done) => fs.ftruncate(fd, size, done));
}

/** Removes a name; `info` has the attributes of its file. */
export async function unlink(fs: PosixFiles, path: string, info: Deno.FileInfo): Promise<void> {
  if (info.size <= QUICK_BYTES) fs.unlinkSync(path);
  else await settled((done) => fs.unlink(path, done));
}

/** Renames; `replaced` has the attributes of the file that is replaced. */
export async function rename(
  fs: PosixFiles,
  from: string,
  to: string,
  replaced: Deno.FileInfo | null,
): Promise<void> {
  if (!replaced || replaced.size <= QUICK_BYTES) fs.renameSync(from, to);
  else await settled((done) => fs.rename(from, to, done));
}

/** Converts a Node callback to a promise. */
export function settled<T>(
  start: (done: (error: Error | null, value?: T) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  start((error, value) => error ? reject(error) : resolve(value as T));
  return promise;
}
