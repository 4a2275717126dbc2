/**
 * SFTP version 3 with OpenSSH's extensions: a client in the shape of Deno's file functions, and a
 * server over a local folder or a backend of your own.
 *
 * ```ts
 * import {
 *   localFiles,
 *   serveSftp,
 *   SftpClient,
 *   streamChannel,
 * } from "@denossh/ssh/sftp";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const root = await mkdtemp(`${tmpdir()}/files-`);
 * const server = serveSftp(
 *   streamChannel(up.readable, down.writable),
 *   localFiles({ root }),
 * );
 *
 * const sftp = await SftpClient.open(
 *   streamChannel(down.readable, up.writable),
 * );
 * const { bytes } = await sftp.put(
 *   new TextEncoder().encode("hello"),
 *   "/hello.txt",
 * );
 * assertEquals(bytes, 5);
 * assertEquals(await readFile(`${root}/hello.txt`, "utf8"), "hello");
 *
 * await sftp.close();
 * await server;
 * await rm(root, { recursive: true });
 * ```
 *
 * - {@linkcode SftpClient} is what `host.sftp()` returns; {@linkcode SftpTransferOptions} has the options of
 *   `put`, `get` and `copy`.
 * - {@linkcode serveSftp} serves a backend: {@linkcode localFiles}, or an {@linkcode SftpBackend} of your own.
 *
 * Both run on any two-way byte stream, an {@linkcode SftpChannel}.
 *
 * @module
 */
export type { FileTraffic, SftpRequestReport } from "./server/audit.ts";
export type { SftpChanges, SftpFileInfo } from "./protocol/attributes.ts";
export type {
  SftpBackend,
  SftpBackendEntry,
  SftpBackendFile,
  SftpBackendOpen,
} from "./server/backend.ts";
export { type SftpChannel, type SftpChannelState, streamChannel } from "./protocol/channel.ts";
export { SftpClient } from "./client.ts";
export type { SftpNames } from "./remote/accounts.ts";
export type { SftpDirEntry, SftpWalkEntry, SftpWalkOptions } from "./remote/dir_entry.ts";
export type { SftpFileSystem } from "./protocol/file_system.ts";
export { SftpFile } from "./remote/sftp_file.ts";
export type { SftpQuota } from "./server/quota.ts";
export { localFiles, type LocalFilesOptions } from "./server/local_files.ts";
export type { SftpOpenOptions, SftpOptions, SftpWriteOptions } from "./protocol/options.ts";
export type {
  TransferFailure,
  TransferProgress,
  TransferredFile,
  TransferResult,
  TransferWarning,
} from "./transfer/progress.ts";
export { serveSftp, type ServeSftpOptions, type SftpService } from "./server/server.ts";
export { SftpStatus } from "./protocol/status.ts";
export type { SftpData } from "./transfer/streams.ts";
export type { SftpFilterEntry } from "./transfer/selection.ts";
export { SftpTransferError } from "./transfer/transfer_error.ts";
export type { SftpHash, SftpTransferOptions } from "./transfer/transfer_options.ts";
export { SftpError, SshError, type SshErrorCode } from "../errors.ts";
