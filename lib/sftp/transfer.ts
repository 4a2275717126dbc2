import type { SftpFileInfo } from "./attributes.ts";
import { cancellable } from "./cancel.ts";
import type { Source } from "./local_source.ts";
import type { Target } from "./local_target.ts";
import type { SftpOptions } from "./options.ts";
import type { Progress, TransferProgress } from "./progress.ts";
import { ReadAhead } from "./read_ahead.ts";
import type { Remote } from "./remote.ts";
import type { RemoteFile } from "./remote_file.ts";
import { sftpError, SftpStatus } from "./status.ts";
import { WriteBehind } from "./write_behind.ts";

/**
 * How to transfer files.
 *
 * @example
 * ```ts
 * import type { SftpTransferOptions } from "@denossh/ssh/sftp";
 *
 * const options: SftpTransferOptions = {
 *   recursive: true,
 *   preserve: true,
 *   onProgress: ({ transferred, total }) => console.log(`${transferred} of ${total}`),
 * };
 * ```
 */
export interface SftpTransferOptions extends SftpOptions {
  /** Transfer a folder with everything in it; symbolic links are left out, not followed. */
  readonly recursive?: boolean;
  /** Keep modification times, access times and permission bits. */
  readonly preserve?: boolean;
  /** Permission bits of the files written, instead of the source's. */
  readonly mode?: number;
  /** Hears how far the transfer is, ten times a second at most and at the end of each file. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** Copies one remote file, of which `info` is known, to a target made for it. */
export async function fetchFile(
  remote: Remote,
  path: string,
  info: SftpFileInfo,
  makeTarget: () => Promise<Target>,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = { operation: "get", path };
  // Opening a pipe would wait for ever.
  if (!info.isFile && info.mode !== null) {
    const what = info.isDirectory ? "it is a directory" : "it is not a regular file";
    throw sftpError(SftpStatus.FAILURE, call, what);
  }
  progress.expect(info.size);
  const file = await remote.file(path, { read: true, signal });
  await closing(file, async () => {
    const target = await makeTarget();
    try {
      const ahead = new ReadAhead(file, { size: info.size, signal });
      for (let block; (block = await ahead.next()) !== null;) {
        await cancellable(target.write(block), { signal });
        progress.advance(path, block.length);
        ahead.release(block);
      }
      await target.commit(info);
    } catch (cause) {
      await target.discard(cause).catch(() => {}); // the first failure is the one to tell
      throw cause;
    }
  });
  progress.finish(path);
}

/** Copies a source to one remote file; `name` stands for the source in reports. */
export async function storeFile(
  remote: Remote,
  path: string,
  name: string,
  source: Source,
  progress: Progress,
  { signal, preserve = false, mode }: SftpTransferOptions,
): Promise<void> {
  const { size, info } = source;
  progress.expect(size ?? 0);
  const bits = mode ?? (info === null || info.mode === null ? undefined : info.mode & 0o777);
  const options = { write: true, create: true, truncate: true, signal };
  const file = await remote.file(path, bits === undefined ? options : { ...options, mode: bits });
  await closing(file, async () => {
    const behind = new WriteBehind(file, { signal });
    let sent = 0;
    for (;;) {
      // One byte more than expected, so that the end shows in the same read.
      const block = behind.block(size === null ? undefined : Math.max(size + 1 - sent, 1));
      const count = await cancellable(source.fill(block), { signal });
      if (count > 0) await behind.write(block.subarray(0, count));
      sent += count;
      progress.advance(name, count);
      if (count < block.length) break;
    }
    await behind.finish();
    if (size !== null && sent < size) {
      const call = { operation: "put", path };
      throw sftpError(SftpStatus.EOF, call, `the source ends at ${sent} of ${size} bytes`);
    }
    if (preserve && info?.mtime) {
      const times = { atime: info.atime ?? info.mtime, mtime: info.mtime };
      await file.setStat({ ...times, ...(bits === undefined ? {} : { mode: bits }) }, { signal });
    }
  });
  progress.finish(name);
}

/** Uses a file and closes it; what the server says at the close counts, unless there is worse. */
async function closing(file: RemoteFile, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (cause) {
    file.close().catch(() => {}); // not awaited: who cancels a transfer has waited enough
    throw cause;
  }
  await file.close();
}
