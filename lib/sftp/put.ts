import { join as joinLocal } from "node:path";
import { SFTP_IN_FLIGHT } from "../defaults.ts";
import { SftpError } from "../errors.ts";
import { Crew, type Grow } from "./crew.ts";
import { bytesSource, fileSource, type Source, streamSource } from "./local_source.ts";
import { join } from "./paths.ts";
import { Progress, type TransferResult } from "./progress.ts";
import type { Remote } from "./remote.ts";
import { SftpStatus } from "./status.ts";
import { type SftpTransferOptions, storeFile } from "./transfer.ts";

/** Stores a file, bytes, a stream, or a folder with everything in it. */
export async function put(
  remote: Remote,
  local: string | Uint8Array | ReadableStream<Uint8Array>,
  path: string,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  const { signal, recursive = false, onProgress } = options;
  if (recursive && typeof local !== "string") throw new TypeError("A folder needs a local path");
  const progress = new Progress(onProgress);
  if (recursive && typeof local === "string" && (await Deno.stat(local)).isDirectory) {
    const crew = new Crew(SFTP_IN_FLIGHT, signal);
    await new FolderPut(remote, options, progress, crew).run(local, path);
  } else {
    const source = typeof local === "string"
      ? await fileSource(local)
      : local instanceof Uint8Array
      ? bytesSource(local)
      : streamSource(local);
    const name = typeof local === "string" ? local : path;
    await store(remote, path, name, source, progress, options);
  }
  return progress.result();
}

async function store(
  remote: Remote,
  path: string,
  name: string,
  source: Source,
  progress: Progress,
  options: SftpTransferOptions,
  grow?: Grow,
): Promise<void> {
  try {
    await grow?.(source.size ?? 0);
    await storeFile(remote, path, name, source, progress, options);
  } finally {
    source.close();
  }
}

/** A folder on its way there. */
class FolderPut {
  readonly #remote: Remote;
  readonly #options: SftpTransferOptions;
  readonly #progress: Progress;
  readonly #crew: Crew;
  readonly #made: { path: string; info: Deno.FileInfo }[] = [];

  constructor(remote: Remote, options: SftpTransferOptions, progress: Progress, crew: Crew) {
    this.#remote = remote;
    this.#options = { ...options, signal: crew.signal };
    this.#progress = progress;
    this.#crew = crew;
  }

  async run(local: string, path: string): Promise<void> {
    await this.#crew.work(() => this.#folder(local, path));
    // Children first: making them touched the folder's own times, and its mode may forbid it.
    if (!this.#options.preserve) return;
    for (const { path, info: { mode, mtime, atime } } of this.#made.reverse()) {
      const times = mtime === null ? {} : { mtime, atime: atime ?? mtime };
      const bits = mode === null ? {} : { mode: mode & 0o777 };
      await this.#remote.setStat(path, { ...times, ...bits }, this.#options);
    }
  }

  async #folder(local: string, path: string): Promise<void> {
    const info = await Deno.stat(local);
    await makeFolder(this.#remote, path, info, this.#options);
    this.#made.push({ path, info });
    const folders: string[] = [];
    for await (const { name, isDirectory, isFile } of Deno.readDir(local)) {
      if (isDirectory) folders.push(name);
      else if (isFile) await this.#file(joinLocal(local, name), join(path, name));
      else this.#progress.skipped.push(joinLocal(local, name));
    }
    for (const name of folders) await this.#folder(joinLocal(local, name), join(path, name));
  }

  async #file(local: string, path: string): Promise<void> {
    await this.#crew.start(async (grow) => {
      const source = await fileSource(local);
      await store(this.#remote, path, local, source, this.#progress, this.#options, grow);
    });
  }
}

async function makeFolder(
  remote: Remote,
  path: string,
  info: Deno.FileInfo,
  options: SftpTransferOptions,
): Promise<void> {
  const mode = info.mode === null ? null : (info.mode & 0o777) | 0o700;
  try {
    await remote.mkdir(path, mode, options);
  } catch (cause) {
    // Version 3 has no status of its own for a folder that is there already.
    if (!(cause instanceof SftpError) || cause.status !== SftpStatus.FAILURE) throw cause;
    if (!(await remote.stat(path, options)).isDirectory) throw cause;
  }
}
