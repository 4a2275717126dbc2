/** Transfers of files, folders and patterns from one store to another. */
import { SFTP_FILES_AT_ONCE, SFTP_UNKNOWN_HANDLES } from "../../defaults.ts";
import { TaskPool } from "./task_pool.ts";
import { type TransferContext, transferFile } from "./file_transfer.ts";
import { FolderTransfer } from "./folder_transfer.ts";
import { unchanged } from "./unchanged.ts";
import { glob } from "./glob.ts";
import { removeOldParts } from "./old_parts.ts";
import { dataSource, type SftpData, streamTarget } from "./streams.ts";
import { localPath } from "../../runtime/local_path.ts";
import { shown } from "../../option_checks.ts";
import { baseName, join, parent } from "../protocol/paths.ts";
import { Progress, type TransferResult } from "./progress.ts";
import { FurtherSessions } from "../remote/further_sessions.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import { RemoteStore } from "./remote_store.ts";
import { type FileStore, type TransferSource, unwritten } from "./file_store.ts";
import { nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";
import { Throttle } from "./throttle.ts";
import { SftpTransferError } from "./transfer_error.ts";
import {
  checkChannels,
  checkTransferOptions,
  inFlightOf,
  type SftpTransferOptions,
} from "./transfer_options.ts";

/** Fetches a file, a folder, or the matches of a pattern. */
export async function get(
  remote: RemoteFileSystem,
  path: string,
  local: string | URL | WritableStream<Uint8Array>,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  checkPath("get()", "the path of the file there", path);
  const transfer = new Transfer(options, [remote]);
  if (isPath(local)) {
    const target = localPath(local);
    const source = transfer.remote(remote, "source");
    return await transfer.run(source, path, await transfer.local(), target);
  }
  if (typeof local?.getWriter !== "function") {
    throw new TypeError(`get() needs a local path, a file URL or a stream, not ${shown(local)}`);
  }
  // A dry run leaves the stream to the caller.
  const target = options.dryRun ? null : streamTarget(local);
  return await transfer.single(async () => {
    try {
      if (options.recursive || options.glob) throw new TypeError(ONE_FILE);
      const info = await remote.stat(path, transfer.context.limits);
      const source = await transfer.remote(remote, "source").source(path, info);
      await transferFile(path, source, () => Promise.resolve(target!), transfer.context);
    } catch (cause) {
      // Every failure aborts the stream, because its other end may be waiting.
      await target?.discard(cause).catch(() => {});
      throw cause;
    }
  });
}

/** Stores a file, a folder, the matches of a pattern, bytes or a stream. */
export async function put(
  remote: RemoteFileSystem,
  local: string | URL | SftpData,
  path: string,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  checkPath("put()", "the path of the copy there", path);
  const transfer = new Transfer(options, [remote]);
  if (isPath(local)) {
    const source = localPath(local);
    const target = transfer.remote(remote, "target");
    return await transfer.run(await transfer.local(), source, target, path);
  }
  if (options.recursive || options.glob) throw new TypeError(ONE_FILE);
  const source = dataSource(local);
  return await transfer.single(() =>
    transfer.file(path, source, transfer.remote(remote, "target"), path)
  );
}

function checkPath(call: string, what: string, path: unknown): void {
  if (typeof path !== "string") throw new TypeError(`${call} needs ${what}, not ${shown(path)}`);
}

/** Why options about folders fail with bytes or a stream. */
const ONE_FILE = "recursive and glob need a local path: bytes and streams are one file";

function isPath(local: unknown): local is string | URL {
  return typeof local === "string" || local instanceof URL;
}

/** Copies from one server to another, or on one, through this client. */
export async function copy(
  remote: RemoteFileSystem,
  path: string,
  other: RemoteFileSystem | null,
  target: string,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  checkPath("copy()", "the path of the file there", path);
  if (other === null) {
    throw new TypeError(
      "copy() needs { sftp, path }: the SftpClient of the other server and the path of the copy; " +
        "on one server, use copyFile()",
    );
  }
  checkPath("copy()", "the path of the copy", target);
  const transfer = new Transfer(options, [remote, other]);
  const source = transfer.remote(remote, "source");
  const check = remote !== other
    ? undefined
    : (path: string, target: string) => notOntoItself(remote, path, target, options);
  return await transfer.run(source, path, transfer.remote(other, "target"), target, check);
}

/** Checks that a copy on one server does not overwrite, remove or endlessly repeat its source. */
type CopyCheck = (path: string, target: string) => Promise<void>;

async function notOntoItself(
  remote: RemoteFileSystem,
  path: string,
  target: string,
  options: SftpTransferOptions,
): Promise<void> {
  if (await nullIfRefused(remote.stat(path, options)) === null) return; // the transfer says why
  const [from, to] = await Promise.all([
    remote.realPath(path, options),
    realTarget(remote, target, options),
  ]);
  const isInside = (path: string, folder: string) => path.startsWith(join(folder, ""));
  const reason = from === to
    ? "it cannot be copied onto itself: choose another target"
    : options.recursive && isInside(to, from)
    ? "a folder cannot be copied into itself"
    : options.delete && isInside(from, to)
    ? "it is inside the target folder, from which delete would remove it"
    : null;
  if (reason === null) return;
  throw sftpError(SftpStatus.FAILURE, { operation: "copy", path }, reason);
}

/** The real path of a copy. Some servers have none of what does not exist, so its folder's is used for that. */
async function realTarget(
  remote: RemoteFileSystem,
  target: string,
  options: SftpTransferOptions,
): Promise<string> {
  const exists = await nullIfRefused(remote.stat(target, options)) !== null;
  if (exists) return await remote.realPath(target, options);
  return join(await remote.realPath(parent(target) ?? ".", options), baseName(target));
}

/** One transfer of a file, a folder or the matches of a pattern. */
class Transfer {
  readonly context: TransferContext;
  readonly #progress: Progress;
  readonly #pool: TaskPool;
  readonly #further: FurtherSessions[] = [];

  constructor(options: SftpTransferOptions, remotes: readonly RemoteFileSystem[]) {
    checkTransferOptions(options);
    const inFlight = inFlightOf(options);
    checkChannels(options);
    const { rateLimit, timeout, onProgress, onFile, filter } = options;
    const handles = remotes.map(({ limits }) =>
      Math.floor(limits.openHandles / 2) || SFTP_UNKNOWN_HANDLES
    );
    this.#pool = new TaskPool(Math.min(SFTP_FILES_AT_ONCE, ...handles), inFlight, options.signal);
    const { signal } = this.#pool;
    this.#progress = new Progress(
      onProgress && ((progress) => this.#call(() => onProgress(progress))),
      onFile && ((file) => this.#call(() => onFile(file))),
    );
    this.context = {
      options: filter === undefined ? options : { ...options, filter: this.#ending(filter) },
      limits: { signal, timeout },
      inFlight,
      signal,
      progress: this.#progress,
      throttle: rateLimit === undefined ? null : new Throttle(rateLimit, signal),
      warn: (path, message) => void this.#progress.warnings.push({ path, message }),
      lost: () => this.#further.reduce((sum, { lost }) => sum + lost, 0),
      over: () => remotes.some(({ session }) => session.cause !== null),
    };
  }

  /** Calls a function of the caller: its error ends the transfer, even if it is of a kind that files have. */
  #call(run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#pool.fail(cause);
      throw cause;
    }
  }

  /** A filter whose error ends the transfer in the same way. */
  #ending(filter: NonNullable<SftpTransferOptions["filter"]>): typeof filter {
    return async (entry) => {
      try {
        return await filter(entry);
      } catch (cause) {
        this.#pool.fail(cause);
        throw cause;
      }
    };
  }

  /** The files of this machine; loaded on demand, because loading takes long. */
  async local(): Promise<FileStore> {
    const { LocalStore } = await import("./local_store.ts");
    return new LocalStore(this.context);
  }

  remote(remote: RemoteFileSystem, role: "source" | "target"): FileStore {
    const { channels = "auto", onNote } = this.context.options;
    const further = new FurtherSessions(remote, { channels, role }, onNote);
    this.#further.push(further);
    return new RemoteStore(remote, this.context, further);
  }

  /**
   * Transfers a path or a pattern.
   *
   * @param check Called before anything is transferred, for each match of a pattern
   */
  async run(
    from: FileStore,
    path: string,
    to: FileStore,
    target: string,
    check?: CopyCheck,
  ): Promise<TransferResult> {
    try {
      const { dryRun = false } = this.context.options;
      return await this.#run(from, path, dryRun ? unwritten(to) : to, target, check);
    } finally {
      this.#close();
    }
  }

  async #run(
    from: FileStore,
    path: string,
    to: FileStore,
    target: string,
    check: CopyCheck | undefined,
  ): Promise<TransferResult> {
    this.context.signal.throwIfAborted();
    const { glob: pattern = false } = this.context.options;
    if (!pattern) {
      await check?.(path, target);
      let folder = target;
      await this.#pool.work(async () => void (folder = await this.#one(from, path, to, target)));
      return await this.#swept(to, folder);
    }
    const found = await Array.fromAsync(glob(from, path));
    if (found.length === 0) {
      const call = { operation: "transfer", path, here: from.trusted };
      throw sftpError(SftpStatus.NO_SUCH_FILE, call, "nothing matches");
    }
    await this.#pool.work(async () => {
      if (check === undefined) return;
      for (const { path, name } of found) {
        await this.#pool.start(() => check(path, to.join(target, name)));
      }
    });
    await new FolderTransfer(from, to, this.context, this.#pool).some(found, target);
    return await this.#swept(to, target);
  }

  /** Runs the transfer of one file. */
  async single(run: () => Promise<void>): Promise<TransferResult> {
    try {
      await this.#pool.work(run);
      return this.#result();
    } finally {
      this.#close();
    }
  }

  #close(): void {
    for (const further of this.#further) further.close();
  }

  /** Transfers a file or folder; resolves to the folder that was written to. */
  async #one(from: FileStore, path: string, to: FileStore, target: string): Promise<string> {
    const { recursive = false } = this.context.options;
    const info = await from.stat(path);
    if (info === null) {
      throw sftpError(SftpStatus.NO_SUCH_FILE, {
        operation: "transfer",
        path,
        here: from.trusted,
      });
    }
    if (recursive && info.isDirectory) {
      await new FolderTransfer(from, to, this.context, this.#pool).run(path, target, info);
      return target;
    }
    if (await unchanged(from, path, to, target, info, this.context)) {
      this.#progress.same(path);
    } else {
      await this.file(path, await from.source(path, info), to, target);
    }
    return to.folderOf(target);
  }

  async file(name: string, source: TransferSource, to: FileStore, path: string): Promise<void> {
    const request = { path, name, info: source.info, size: source.size, inside: false };
    await transferFile(name, source, () => to.target(request), this.context);
  }

  async #swept(to: FileStore, folder: string): Promise<TransferResult> {
    const result = this.#result();
    if (this.context.options.resume) await removeOldParts(to, folder);
    return result;
  }

  #result(): TransferResult {
    const result = this.#progress.result();
    if (result.failures.length === 0 || this.context.options.partial) return result;
    throw new SftpTransferError(result);
  }
}
