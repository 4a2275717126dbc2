import { join as joinLocal } from "node:path";
import { SFTP_IN_FLIGHT } from "../defaults.ts";
import type { SftpFileInfo } from "./attributes.ts";
import { Crew } from "./crew.ts";
import { deviceTarget, fileTarget, streamTarget, type Target } from "./local_target.ts";
import { join, nameProblem } from "./paths.ts";
import { Progress, type TransferResult } from "./progress.ts";
import { MAX_LISTED, type Remote } from "./remote.ts";
import { sftpError, SftpStatus } from "./status.ts";
import { fetchFile, type SftpTransferOptions } from "./transfer.ts";

/** Fetches a file, or a folder with everything in it. */
export async function get(
  remote: Remote,
  path: string,
  local: string | WritableStream<Uint8Array>,
  options: SftpTransferOptions,
): Promise<TransferResult> {
  const { signal, recursive = false, onProgress, preserve = false } = options;
  const progress = new Progress(onProgress);
  if (typeof local !== "string") {
    if (recursive) throw new TypeError("A folder needs a local path");
    await getStream(remote, path, streamTarget(local), progress, signal);
    return progress.result();
  }
  const info = await remote.stat(path, { signal });
  if (recursive && info.isDirectory) {
    const crew = new Crew(SFTP_IN_FLIGHT, signal);
    await new FolderGet(remote, options, progress, crew).run(path, local, info);
  } else {
    const target = async () =>
      await isDevice(local)
        ? await deviceTarget(local)
        : await fileTarget(local, modeOf(info, options), { preserve });
    await fetchFile(remote, path, info, target, progress, signal);
  }
  return progress.result();
}

/** Whatever fails, the stream hears of it: somebody may be waiting at its other end. */
async function getStream(
  remote: Remote,
  path: string,
  target: Target,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const info = await remote.stat(path, { signal });
    await fetchFile(remote, path, info, () => Promise.resolve(target), progress, signal);
  } catch (cause) {
    await target.discard(cause).catch(() => {});
    throw cause;
  }
}

/**
 * A folder on its way here. Nothing that the server says is trusted: names are single steps, links
 * are neither followed nor made, and no local link is walked through.
 */
class FolderGet {
  readonly #remote: Remote;
  readonly #options: SftpTransferOptions;
  readonly #progress: Progress;
  readonly #crew: Crew;
  readonly #made: { local: string; info: SftpFileInfo }[] = [];

  constructor(remote: Remote, options: SftpTransferOptions, progress: Progress, crew: Crew) {
    this.#remote = remote;
    this.#options = options;
    this.#progress = progress;
    this.#crew = crew;
  }

  async run(path: string, local: string, info: SftpFileInfo): Promise<void> {
    await this.#crew.work(async () => {
      await Deno.mkdir(local, { recursive: true });
      await this.#folder(path, local, info);
    });
    // Children first: making them touched the folder's own times, and its mode may forbid it.
    if (!this.#options.preserve) return;
    for (const { local, info } of this.#made.reverse()) {
      if (info.mode !== null && Deno.build.os !== "windows") {
        await Deno.chmod(local, info.mode & 0o777);
      }
      if (info.mtime !== null) await Deno.utime(local, info.atime ?? info.mtime, info.mtime);
    }
  }

  async #folder(path: string, local: string, info: SftpFileInfo): Promise<void> {
    this.#made.push({ local, info });
    const names = new Set<string>();
    const folders: { name: string; info: SftpFileInfo }[] = [];
    for await (const { name, info } of this.#remote.list(path, this.#crew)) {
      const problem = names.has(name) ? "it is listed twice" : nameProblem(name);
      if (problem !== null) {
        const call = { operation: "get", path };
        throw sftpError(SftpStatus.BAD_MESSAGE, call, `cannot use the name "${name}": ${problem}`);
      }
      if (names.add(name).size > MAX_LISTED) {
        throw sftpError(SftpStatus.FAILURE, { operation: "get", path }, "it has no end");
      }
      if (info.isDirectory) folders.push({ name, info });
      else if (info.isFile) await this.#file(join(path, name), joinLocal(local, name), info);
      else this.#progress.skipped.push(join(path, name));
    }
    for (const { name, info } of folders) {
      const inside = joinLocal(local, name);
      await makeFolder(inside, info);
      await this.#folder(join(path, name), inside, info);
    }
  }

  async #file(path: string, local: string, info: SftpFileInfo): Promise<void> {
    const { preserve = false } = this.#options;
    const target = () => fileTarget(local, modeOf(info, this.#options), { preserve });
    await this.#crew.start(async (grow) => {
      await grow(info.size);
      await fetchFile(this.#remote, path, info, target, this.#progress, this.#crew.signal);
    });
  }
}

function modeOf(info: SftpFileInfo, { mode }: SftpTransferOptions): number {
  return mode ?? (info.mode === null ? 0o666 : info.mode & 0o777);
}

async function makeFolder(local: string, info: SftpFileInfo): Promise<void> {
  const mode = info.mode === null ? 0o777 : (info.mode & 0o777) | 0o700;
  try {
    await Deno.mkdir(local, { mode });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    if (!(await Deno.lstat(local)).isDirectory) throw cause;
  }
}

async function isDevice(local: string): Promise<boolean> {
  try {
    const info = await Deno.stat(local);
    if (info.isDirectory) throw new Deno.errors.IsADirectory(`"${local}" is a directory`);
    return !info.isFile;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}
