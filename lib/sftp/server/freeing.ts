/**
 * What frees the blocks of a file takes as long as there are many: about 50 ms for a gigabyte. For large
 * files it runs in another thread.
 */
import type { PosixFiles } from "../../runtime/files.ts";

/** Bytes that are freed at once, in a few milliseconds. */
const QUICK_BYTES = 64 * 1024 * 1024;

/** Changes the length of an open file. */
export async function truncate(fs: PosixFiles, fd: number, size: number): Promise<void> {
  if (fs.fstatSync(fd).size - size <= QUICK_BYTES) fs.ftruncateSync(fd, size);
  else await settled((done) => fs.ftruncate(fd, size, done));
}

/** Removes a name; `info` is what is known of its file. */
export async function unlink(fs: PosixFiles, path: string, info: Deno.FileInfo): Promise<void> {
  if (info.size <= QUICK_BYTES) fs.unlinkSync(path);
  else await settled((done) => fs.unlink(path, done));
}

/** Renames; `replaced` is what is known of the file whose name is taken. */
export async function rename(
  fs: PosixFiles,
  from: string,
  to: string,
  replaced: Deno.FileInfo | null,
): Promise<void> {
  if (!replaced || replaced.size <= QUICK_BYTES) fs.renameSync(from, to);
  else await settled((done) => fs.rename(from, to, done));
}

/** The result of a Node callback as a promise. */
export function settled<T>(
  start: (done: (error: Error | null, value?: T) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  start((error, value) => error ? reject(error) : resolve(value as T));
  return promise;
}
