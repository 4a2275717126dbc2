/** Transfers of files, folders and patterns from one side to the other. */
import { SFTP_FILES_AT_ONCE, SFTP_UNKNOWN_HANDLES } from "../../defaults.ts";
import { Crew } from "./task_pool.ts";
import { type Shared, transferFile } from "./file_transfer.ts";
import { FolderTransfer, unchanged } from "./folder_transfer.ts";
import { glob } from "./glob.ts";
import { bytesSource, streamSource } from "./local_source.ts";
import { streamTarget } from "./stream_target.ts";
import { join, parent } from "../protocol/paths.ts";
import { Progress, type TransferResult } from "./progress.ts";
import type { Remote } from "../remote/remote_file_system.ts";
import { RemoteSide } from "./remote_store.ts";
import type { Side, SideOptions, Source } from "./file_store.ts";
import { sftpError, SftpStatus } from "../protocol/status.ts";
import { Throttle } from "./throttle.ts";
import { SftpTransferError } from "./transfer_error.ts";
import { inFlightOf, type SftpTransferOptions } from "./transfer_options.ts";

/** Fetches a file, a folder, or what a pattern stands for. */
export async function get(
  remote: Remote,
  path: string,
  local: string | WritableStream<Uint8Array>,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  const job = new Job(options, [remote]);
  if (typeof local === "string") {
    return await job.run(job.remote(remote), path, await job.local(), local);
  }
  const target = streamTarget(local);
  return await job.single(async () => {
    try {
      if (options.recursive || options.glob) throw new TypeError("A folder needs a local path");
      const info = await remote.stat(path, job.side.limits);
      const source = await job.remote(remote).source(path, info);
      await transferFile(path, source, () => Promise.resolve(target), job.shared);
    } catch (cause) {
      // Whatever fails, the stream hears of it: somebody may be waiting at its other end.
      await target.discard(cause).catch(() => {});
      throw cause;
    }
  });
}

/** Stores a file, a folder, what a pattern stands for, bytes or a stream. */
export async function put(
  remote: Remote,
  local: string | Uint8Array | ReadableStream<Uint8Array>,
  path: string,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  const job = new Job(options, [remote]);
  if (typeof local === "string") {
    return await job.run(await job.local(), local, job.remote(remote), path);
  }
  if (options.recursive || options.glob) throw new TypeError("A folder needs a local path");
  const source = local instanceof Uint8Array ? bytesSource(local) : streamSource(local);
  return await job.single(() => job.file(path, source, job.remote(remote), path));
}

/** Copies from one server to another, or on one, through us. */
export async function copy(
  remote: Remote,
  path: string,
  other: Remote,
  target: string,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  const job = new Job(options, [remote, other]);
  if (remote === other && options.recursive) await notInto(remote, path, target, options);
  return await job.run(job.remote(remote), path, job.remote(other), target);
}

/** A folder that was copied into itself would have no end. */
async function notInto(
  remote: Remote,
  path: string,
  target: string,
  options: SftpTransferOptions,
): Promise<void> {
  const [from, into] = await Promise.all([
    remote.realPath(path, options),
    remote.realPath(parent(target) ?? ".", options),
  ]);
  if (into !== from && !into.startsWith(join(from, ""))) return;
  const call = { operation: "copy", path };
  throw sftpError(SftpStatus.FAILURE, call, "a folder cannot be copied into itself");
}

/** One transfer: what its files share. */
class Job {
  readonly side: SideOptions;
  readonly shared: Shared;
  readonly #progress: Progress;
  readonly #crew: Crew;

  constructor(options: SftpTransferOptions, links: readonly Remote[]) {
    const inFlight = inFlightOf(options);
    const { rateLimit, timeout } = options;
    const handles = links.map(({ limits }) =>
      Math.floor(limits.openHandles / 2) || SFTP_UNKNOWN_HANDLES
    );
    this.#crew = new Crew(Math.min(SFTP_FILES_AT_ONCE, ...handles), inFlight, options.signal);
    const { signal } = this.#crew;
    this.side = { options, limits: { signal, timeout }, inFlight };
    this.#progress = new Progress(options.onProgress);
    this.shared = {
      options,
      signal,
      progress: this.#progress,
      inFlight,
      throttle: rateLimit === undefined ? null : new Throttle(rateLimit, signal),
      over: () => links.some(({ link }) => link.cause !== null),
    };
  }

  /** Loaded when it is wanted: what it needs of the platform takes long to load. */
  async local(): Promise<Side> {
    const { LocalSide } = await import("./local_store.ts");
    return new LocalSide(this.side);
  }

  remote(remote: Remote): Side {
    return new RemoteSide(remote, this.side);
  }

  /** Moves one thing by name. */
  async run(from: Side, path: string, to: Side, target: string): Promise<TransferResult> {
    this.shared.signal?.throwIfAborted();
    const { glob: pattern = false } = this.shared.options;
    if (!pattern) return await this.single(() => this.#one(from, path, to, target));
    const found = await Array.fromAsync(glob(from, path));
    if (found.length === 0) {
      throw sftpError(SftpStatus.NO_SUCH_FILE, { operation: "transfer", path }, "nothing matches");
    }
    await new FolderTransfer(from, to, this.shared, this.#crew).some(found, target);
    return this.#result();
  }

  /** Runs what moves one file. */
  async single(run: () => Promise<void>): Promise<TransferResult> {
    await this.#crew.work(run);
    return this.#result();
  }

  async #one(from: Side, path: string, to: Side, target: string): Promise<void> {
    const { recursive = false } = this.shared.options;
    const info = await from.stat(path);
    if (info === null) {
      throw sftpError(SftpStatus.NO_SUCH_FILE, { operation: "transfer", path });
    }
    if (recursive && info.isDirectory) {
      return await new FolderTransfer(from, to, this.shared, this.#crew).run(path, target, info);
    }
    if (await unchanged(to, target, info, this.shared)) return;
    await this.file(path, await from.source(path, info), to, target);
  }

  async file(name: string, source: Source, to: Side, path: string): Promise<void> {
    const request = { path, name, info: source.info, inside: false };
    await transferFile(name, source, () => to.target(request), this.shared);
  }

  #result(): TransferResult {
    const result = this.#progress.result();
    if (result.failures.length === 0 || this.shared.options.partial) return result;
    throw new SftpTransferError(result);
  }
}
