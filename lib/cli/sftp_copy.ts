import { basename, join as joinLocal } from "node:path";
import { printable } from "../errors.ts";
import { join, nameProblem } from "../sftp/paths.ts";
import type { TransferProgress, TransferResult } from "../sftp/progress.ts";
import { ProgressLine } from "./progress.ts";
import { SftpCommandError, type SftpSession } from "./sftp_session.ts";
import { expandGlob, type Names, type Word } from "./sftp_words.ts";

/** With the bar and the figures this fills 80 columns. */
const LABEL_COLUMNS = 22;

/** How one command copies. */
export interface CopyOptions {
  readonly recursive: boolean;
  readonly preserve: boolean;
}

/** `get`: copies what a word stands for to here. */
export async function get(
  session: SftpSession,
  source: Word,
  target: string | null,
  options: CopyOptions,
): Promise<void> {
  const sources = await session.matching(source);
  const into = target === null || (await localInfo(target))?.isDirectory === true;
  checkTarget(sources, into, target);
  for (const remote of sources) {
    if (!options.recursive && (await session.stat(remote))?.isDirectory) {
      throw new SftpCommandError(`Cannot download "${printable(remote)}": not a regular file`);
    }
    const name = remote.split("/").findLast((step) => step !== "") ?? "";
    const local = into ? joinLocal(target ?? ".", safeName(name)) : target!;
    await copy(
      session,
      `Fetching ${printable(remote)} to ${local}`,
      name,
      (onProgress) =>
        session.client.get(remote, local, { ...options, onProgress, signal: session.signal }),
    );
  }
}

/** `put`: copies what a word stands for to the far side. */
export async function put(
  session: SftpSession,
  source: Word,
  target: string | null,
  options: CopyOptions,
): Promise<void> {
  const sources = await expandGlob(source.pattern, LOCAL_NAMES);
  if (sources.length === 0) throw new SftpCommandError(`File "${source.text}" not found.`);
  const place = target === null ? session.directory : session.remote(target);
  const into = target === null || (await session.stat(place))?.isDirectory === true;
  checkTarget(sources, into, target);
  for (const local of sources) {
    if (!options.recursive && (await localInfo(local))?.isDirectory) {
      throw new SftpCommandError(`Cannot upload "${local}": not a regular file`);
    }
    const name = basename(local);
    const remote = into ? join(place, name) : place;
    await copy(
      session,
      `Uploading ${local} to ${printable(remote)}`,
      name,
      (onProgress) =>
        session.client.put(local, remote, { ...options, onProgress, signal: session.signal }),
    );
  }
}

function checkTarget(sources: readonly string[], into: boolean, target: string | null): void {
  if (sources.length > 1 && !into) {
    throw new SftpCommandError(
      `Multiple paths match, but destination "${target}" is not a directory`,
    );
  }
}

/** A name that comes from the server must not lead anywhere but where we are. */
function safeName(name: string): string {
  const problem = nameProblem(name);
  if (problem === null) return name;
  throw new SftpCommandError(`Cannot use the name "${printable(name)}" here: ${problem}`);
}

async function copy(
  { options }: SftpSession,
  title: string,
  name: string,
  run: (onProgress: (progress: TransferProgress) => void) => Promise<TransferResult>,
): Promise<void> {
  if (options.quiet) return void await run(() => {});
  console.log(title);
  const line = new ProgressLine(printable(name).slice(0, LABEL_COLUMNS).padEnd(LABEL_COLUMNS));
  try {
    const { skipped } = await run((progress) => line.update(progress));
    for (const path of skipped) console.log(`Skipped ${printable(path)}: not a regular file`);
  } finally {
    line.keep();
  }
}

const LOCAL_NAMES: Names = {
  list: async (directory) => {
    const info = await localInfo(directory);
    if (!info?.isDirectory) return [];
    return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  },
  exists: async (path) => await localInfo(path) !== null,
};

async function localInfo(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}
