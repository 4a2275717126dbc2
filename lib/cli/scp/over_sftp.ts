/** Copies over SFTP, the default of `scp`. */
import { printable } from "../../errors.ts";
import { joinLocal } from "../../runtime/local_path.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { SftpClient } from "../../sftp/client.ts";
import { join, nameProblem } from "../../sftp/protocol/paths.ts";
import type { TransferProgress, TransferResult } from "../../sftp/transfer/progress.ts";
import type { SftpTransferOptions } from "../../sftp/transfer/transfer_options.ts";
import type { Operand, RemoteOperand } from "../shared/operands.ts";
import { messageOf } from "../shared/failure.ts";
import { ProgressMeter } from "../shared/progress_meter.ts";
import type { RemoteHosts, ScpJob } from "./job.ts";
import { transferLimits } from "../shared/copy_flags.ts";
import { expandGlob } from "../../patterns.ts";
import { allListed } from "../../sftp/remote/listed.ts";

/** A path of one client. */
interface RemotePath {
  readonly client: SftpClient;
  readonly path: string;
}

/**
 * Copies one source; at least one end is on another machine.
 *
 * @returns Whether all of it was copied
 */
export async function copyOverSftp(
  job: ScpJob,
  hosts: RemoteHosts,
  source: Operand,
  target: Operand,
  many: boolean,
): Promise<boolean> {
  if ("local" in source) {
    if ("local" in target) throw new TypeError("Both are local");
    return await each(job, [source.local], async (path) => {
      await upload(job, path, await remotePathOf(hosts, target), many);
    });
  }
  const from = await remotePathOf(hosts, source);
  const paths = await matching(from);
  const several = many || paths.length > 1;
  return await each(job, paths, async (path) => {
    if ("local" in target) return await download(job, { ...from, path }, target.local, several);
    await across(job, { ...from, path }, await remotePathOf(hosts, target), several);
  });
}

/** Copies on this machine with `cp`, as `scp` does. */
export async function copyLocal(
  { recursive, preserve, log }: ScpJob,
  source: { readonly local: string },
  target: Operand,
  many: boolean,
): Promise<boolean> {
  if (!("local" in target)) throw new TypeError("The target is not local");
  if (many && !await localFolder(target.local)) {
    log.error(`scp: ${target.local}: Not a directory`);
    return false;
  }
  const flags = [...recursive ? ["-r"] : [], ...preserve ? ["-p"] : []];
  log.verbose(`Executing: cp ${flags.join(" ")} -- ${source.local} ${target.local}`);
  const { success } = await runtime.programs.output("cp", {
    args: [...flags, "--", source.local, target.local],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  return success;
}

async function remotePathOf(
  hosts: RemoteHosts,
  { target, path }: RemoteOperand,
): Promise<RemotePath> {
  const client = await hosts.client(target);
  if (path.startsWith("~")) return { client, path: await client.expandPath(path) };
  return { client, path: path === "" ? "." : path };
}

/** The paths that a source matches; the path itself if there are no matches. */
async function matching({ client, path }: RemotePath): Promise<string[]> {
  const matches = expandGlob(path, {
    // As in a shell, a folder that cannot be listed matches nothing.
    list: (folder) => allListed(folder, client.readDir(folder)).catch(() => []),
    exists: (path) => client.lstat(path).then(() => true, () => false),
  });
  const found = await Array.fromAsync(matches, ({ path }) => path);
  return found.length > 0 ? found : [path];
}

async function each(
  { log, signal }: ScpJob,
  paths: readonly string[],
  run: (path: string) => Promise<void>,
): Promise<boolean> {
  let done = true;
  for (const path of paths) {
    try {
      await run(path);
    } catch (error) {
      if (signal.aborted) throw error;
      log.error(`scp: ${messageOf(error)}`);
      done = false;
    }
  }
  return done;
}

async function upload(job: ScpJob, local: string, { client, path }: RemotePath, many: boolean) {
  const info = await runtime.files.stat(local);
  const folder = await isFolder(client, path);
  checkEnds(job, { path: local, ...info }, { path, isDirectory: folder }, many);
  const remote = folder
    ? join(path, runtime.paths.basename(await named(local)))
    : path.replace(/(?<=.)\/+$/, "");
  await copy(job, local, (options) => client.put(local, remote, options));
}

async function download(job: ScpJob, { client, path }: RemotePath, local: string, many: boolean) {
  const info = await client.stat(path);
  const folder = await localFolder(local);
  checkEnds(job, { path, ...info }, { path: local, isDirectory: folder }, many);
  const to = folder ? joinLocal(local, await nameOf(client, path)) : local;
  await copy(job, path, (options) => client.get(path, to, options));
}

/** Copies from one host to another through this one. */
async function across(job: ScpJob, from: RemotePath, to: RemotePath, many: boolean): Promise<void> {
  const info = await from.client.stat(from.path);
  const folder = await isFolder(to.client, to.path);
  checkEnds(job, { ...info, path: from.path }, { path: to.path, isDirectory: folder }, many);
  const path = folder ? join(to.path, await nameOf(from.client, from.path)) : to.path;
  const target = { sftp: to.client, path };
  await copy(job, from.path, (options) => from.client.copy(from.path, target, options));
}

/** The source or the target of a copy. */
interface CopyEnd {
  readonly path: string;
  readonly isDirectory: boolean;
}

/** Refuses a folder without -r, and a target that is not a folder for several files or for `name/`. */
function checkEnds(job: ScpJob, source: CopyEnd, target: CopyEnd, many: boolean): void {
  if (source.isDirectory && !job.recursive) {
    throw new Error(`${printable(source.path)}: not a regular file`);
  }
  const folderNeeded = many || (target.path.endsWith("/") && !source.isDirectory);
  if (folderNeeded && !target.isDirectory) {
    throw new Error(`${printable(target.path)}: Not a directory`);
  }
}

/** Copies, and then tells what failed. */
async function copy(
  job: ScpJob,
  path: string,
  run: (options: SftpTransferOptions) => Promise<TransferResult>,
): Promise<void> {
  const { failures, warnings } = await withMeter(job, path, run);
  const { log } = job;
  for (const { message } of warnings) log.error(`scp: warning: ${printable(message, Infinity)}`);
  for (const { error } of failures.slice(1)) log.error(`scp: ${messageOf(error)}`);
  if (failures.length > 0) throw failures[0]!.error;
}

async function withMeter(
  job: ScpJob,
  path: string,
  run: (options: SftpTransferOptions) => Promise<TransferResult>,
): Promise<TransferResult> {
  const { recursive, preserve, signal, log } = job;
  using meter = job.progress ? new ProgressMeter(runtime.paths.basename(path)) : null;
  const onProgress = (progress: TransferProgress) => meter?.update(progress);
  // As in scp, links are followed.
  const options = {
    recursive,
    preserve,
    links: "follow",
    partial: true,
    signal,
    onProgress,
    onNote: (note: string) => {
      meter?.clear();
      log.verbose(note);
    },
  } as const;
  return await run({ ...options, ...transferLimits(job) });
}

async function isFolder(client: SftpClient, path: string): Promise<boolean> {
  return await client.stat(path).then((info) => info.isDirectory, () => false);
}

async function localFolder(path: string): Promise<boolean> {
  return await runtime.files.stat(path).then((info) => info.isDirectory, () => false);
}

/** The path; `.` or `..` at its end is replaced by a name. */
async function named(local: string): Promise<string> {
  return /(?:^|\/)\.{1,2}\/*$/.test(local) ? await runtime.files.realPath(local) : local;
}

async function nameOf(client: SftpClient, path: string): Promise<string> {
  const whole = /(?:^|\/)\.{1,2}\/*$/.test(path) ? await client.realPath(path) : path;
  const name = whole.split("/").findLast((step) => step !== "") ?? "";
  const problem = nameProblem(name);
  if (problem !== null) {
    throw new Error(`"${printable(name)}" cannot be the name of a copy: ${problem}`);
  }
  return name;
}
