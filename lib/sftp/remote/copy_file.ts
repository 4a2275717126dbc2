import { COPY_DATA_BYTES } from "../../defaults.ts";
import { SftpError } from "../../errors.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { ReadAhead } from "./read_ahead.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import type { RemoteFile } from "./remote_file.ts";
import { callOf, nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";
import { WriteBehind } from "./write_behind.ts";

/**
 * Copies a file on the server with its permission bits: by the server itself if it has copy-data, otherwise
 * through this client.
 */
export async function copyFile(
  remote: RemoteFileSystem,
  from: string,
  to: string,
  options: SftpOptions,
): Promise<void> {
  const call = callOf("copyFile", from, options);
  const source = await remote.file(from, { ...options, read: true });
  try {
    const info = await nullIfRefused(source.stat(options));
    if (info?.isDirectory) throw sftpError(SftpStatus.FAILURE, call, "it is a directory");
    const size = info?.size ?? 0;
    const bits = info === null || info.mode === null ? undefined : info.mode & 0o777;
    // Not truncated first: it may be the same file under another name.
    const open = { ...options, write: true, create: true };
    const withBits = bits === undefined ? open : { ...open, mode: bits };
    const { file: target } = await remote.fileWithMode(to, withBits);
    try {
      const before = await target.size(options);
      const length = await copyContent(remote, source, target, size, options);
      // Set the size only if it is wrong (the server may not report sizes), because paramiko's server
      // empties a file before it sets one.
      const longer = before > length || size !== length;
      if (longer) await target.setStat({ size: length }, options);
      // If the server refuses, the content was copied nevertheless; OpenSSH's copy does not set the mode
      // either.
      if (bits !== undefined) await nullIfRefused(target.setStat({ mode: bits }, options));
    } catch (cause) {
      target.close().catch(() => {}); // report the first failure
      throw cause;
    }
    await target.close(options);
  } finally {
    source.close().catch(() => {});
  }
}

/** Copies the content; resolves to its length. */
export async function copyContent(
  remote: RemoteFileSystem,
  source: RemoteFile,
  target: RemoteFile,
  size: number,
  options: SftpOptions,
): Promise<number> {
  if (remote.can(EXTENSION.COPY_DATA) && size > 0) {
    try {
      // In pieces, so that each is answered before the time-out.
      for (let at = 0; at < size; at += COPY_DATA_BYTES) {
        const length = Math.min(COPY_DATA_BYTES, size - at);
        await copyPiece(remote, source, target, at, length, options);
      }
      return size;
    } catch (cause) {
      // A server may refuse, for example if both handles are of one file: read and write instead. That
      // fails, too, if the disk failed or the session is over.
      if (!(cause instanceof SftpError)) throw cause;
    }
  }
  return await throughClient(source, target, size, options);
}

async function copyPiece(
  remote: RemoteFileSystem,
  source: RemoteFile,
  target: RemoteFile,
  at: number,
  length: number,
  options: SftpOptions,
): Promise<void> {
  const { handle: from } = source;
  const { handle: to } = target;
  const data = () =>
    msg.CopyData.encode({
      from: from.handle,
      fromOffset: at,
      length,
      to: to.handle,
      toOffset: at,
    });
  const call = callOf("copyFile", source.path, options);
  await remote.session.extended(EXTENSION.COPY_DATA, data, msg.Status, call, to);
}

async function throughClient(
  source: RemoteFile,
  target: RemoteFile,
  size: number,
  options: SftpOptions,
): Promise<number> {
  const ahead = new ReadAhead(source, { ...options, size });
  const behind = new WriteBehind(target, options);
  let length = 0;
  for (let block; (block = await ahead.next()) !== null;) {
    const done = block;
    await behind.write(block, () => ahead.release(done));
    length += block.length;
  }
  await behind.finish();
  return length;
}
