/** `get`, `put` and `mirror`. */
import { printable } from "../../errors.ts";
import { expandGlob, type GlobFiles } from "../../patterns.ts";
import { isError } from "../../runtime/errors.ts";
import { joinLocal, localPath } from "../../runtime/local_path.ts";
import { runtime } from "../../runtime/runtime.ts";
import { join, nameProblem } from "../../sftp/protocol/paths.ts";
import { nullIfRefused } from "../../sftp/protocol/status.ts";
import type {
  TransferProgress,
  TransferredFile,
  TransferResult,
  TransferWarning,
} from "../../sftp/transfer/progress.ts";
import type { SftpTransferOptions } from "../../sftp/transfer/transfer_options.ts";
import { messageOf } from "../shared/failure.ts";
import { ProgressMeter } from "../shared/progress_meter.ts";
import { type CommandCall, remoteOf, type SftpCommand, textOf } from "./command.ts";
import { transferLimits } from "../shared/copy_flags.ts";
import { type CopyOptions, SftpCommandError, type SftpShell } from "./shell.ts";
import type { Word } from "../shared/split_words.ts";

/**
 * `get` and `put`; `reget` and `reput`, which always resume; and `mirror`, which OpenSSH's sftp does not
 * have.
 */
export const COPY_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  get: copyCommand(
    "get [-afpR] remote [local]",
    "Fetch files; -R folders, -p times and modes, -a resumes, -f flushes to the disk",
    get,
  ),
  put: copyCommand(
    "put [-afpR] local [remote]",
    "Store files; -R folders, -p times and modes, -a resumes, -f flushes to the disk",
    put,
  ),
  reget: copyCommand("reget [-fpR] remote [local]", "Resume fetching files", get, { resume: true }),
  reput: copyCommand("reput [-fpR] local [remote]", "Resume storing files", put, { resume: true }),
  mirror: {
    usage: "mirror [-cdnR] source target [exclude...]",
    help: "Make a local folder equal to a remote one; with -R a remote one equal to a local one; " +
      "-d deletes, -c compares contents, -n only tells",
    flags: "cdnR",
    words: [2, 100],
    run: mirror,
  },
};

function copyCommand(
  usage: string,
  help: string,
  copy: typeof get,
  always: Partial<CopyOptions> = {},
): SftpCommand {
  return {
    usage,
    help,
    flags: "afpPrR",
    words: [1, 2],
    run: (call) =>
      copy(call.shell, call.words[0]!, targetOf(call), { ...copying(call), ...always }),
  };
}

function targetOf(call: CommandCall): string | null {
  return call.words.length > 1 ? textOf(call, 1) : null;
}

function copying({ shell, has }: CommandCall): CopyOptions {
  const { recursive, preserve, resume, sync } = shell.options;
  return {
    recursive: recursive || has("r") || has("R"),
    preserve: preserve || has("p") || has("P"),
    resume: resume || has("a"),
    sync: sync || has("f"),
  };
}

/** `get`: fetches the matches of a word. */
export async function get(
  shell: SftpShell,
  source: Word,
  target: string | null,
  options: CopyOptions,
): Promise<void> {
  const sources = await shell.matching(source);
  const into = target === null || (await localInfo(target))?.isDirectory === true;
  checkTarget(sources, into, target);
  await shell.all(sources, async (remote) => {
    if (!options.recursive && (await shell.stat(remote))?.isDirectory) {
      throw new SftpCommandError(`Cannot download "${printable(remote)}": not a regular file`);
    }
    const name = remote.split("/").findLast((step) => step !== "") ?? "";
    const local = into ? joinLocal(target ?? ".", safeName(name)) : target!;
    const verb = options.resume ? "Resuming" : "Fetching";
    await copy(
      shell,
      `${verb} ${printable(remote)} to ${local}`,
      name,
      options,
      (transfer) => shell.client.get(remote, local, transfer),
    );
  });
}

/** `put`: stores the matches of a word. */
export async function put(
  shell: SftpShell,
  source: Word,
  target: string | null,
  options: CopyOptions,
): Promise<void> {
  const matches = expandGlob(source.pattern, LOCAL_FILES);
  const sources = await Array.fromAsync(matches, ({ path }) => path);
  if (sources.length === 0) throw new SftpCommandError(`File "${source.text}" not found.`);
  const there = target === null ? shell.directory : shell.remote(target);
  const into = target === null || (await nullIfRefused(shell.stat(there)))?.isDirectory === true;
  checkTarget(sources, into, target);
  await shell.all(sources, async (local) => {
    if (!options.recursive && (await localInfo(local))?.isDirectory) {
      throw new SftpCommandError(`Cannot upload "${local}": not a regular file`);
    }
    const name = runtime.paths.basename(local);
    const remote = into ? join(there, name) : there;
    const place = await placeOf(shell, local, remote, options);
    const verb = options.resume ? "Resuming upload of" : "Uploading";
    await copy(
      shell,
      `${verb} ${local} to ${printable(remote)}`,
      name,
      options,
      (transfer) => shell.client.put(local, remote, { ...transfer, ...place }),
    );
  });
}

/**
 * How a put writes: in place as in sftp(1), which needs write permission only for the file. A large new
 * file is written under a hidden name until it is complete, because a part written over several channels
 * has holes; a later put continues it.
 */
async function placeOf(
  shell: SftpShell,
  local: string,
  remote: string,
  { resume, recursive }: CopyOptions,
): Promise<SftpTransferOptions> {
  if (resume || shell.options.channels !== null || shell.options.connections > 1) return {};
  const isLarge = !recursive && ((await localInfo(local))?.size ?? 0) >= LARGE_BYTES;
  const isNew = isLarge && await nullIfRefused(shell.stat(remote)) === null;
  return isNew ? { resume: true } : { atomic: false };
}

/** Smaller files are not spread over several channels. */
const LARGE_BYTES = 16 * 1024 * 1024;

/** `mirror`: makes a folder equal to another. */
async function mirror(call: CommandCall): Promise<void> {
  const { shell, has, words } = call;
  checkWords(words);
  const up = has("R");
  const [from, to] = up
    ? [textOf(call, 0), remoteOf(call, 1)]
    : [remoteOf(call, 0), textOf(call, 1)];
  const source = up ? await localInfo(localPath(from)) : await shell.stat(from);
  if (source && !source.isDirectory) {
    throw new SftpCommandError(`Cannot mirror "${printable(from)}": it is not a folder`);
  }
  const dryRun = has("n");
  const verbs = dryRun
    ? { sent: "Would send", deleted: "Would delete" }
    : { sent: "Sent", deleted: "Deleted" };
  const sync: SftpTransferOptions = {
    update: has("c") ? "checksum" : true,
    delete: has("d"),
    dryRun,
    exclude: words.slice(2).map(({ text }) => text),
  };
  const options = { recursive: true, preserve: true, resume: false, sync: shell.options.sync };
  const title = `Mirroring ${printable(from)} to ${printable(to)}`;
  await copy(
    shell,
    title,
    runtime.paths.basename(from),
    options,
    (transfer, print) => {
      const onFile = ({ path, action }: TransferredFile) => {
        if (action !== "sent" && action !== "deleted") return;
        if (shell.options.quiet && !dryRun) return;
        print(`${verbs[action]} ${printable(path, Infinity)}`);
      };
      const all = { ...transfer, ...sync, onFile };
      return up ? shell.client.put(from, to, all) : shell.client.get(from, to, all);
    },
  );
}

/** Refuses options after the source, which would be taken as the target or as a pattern. */
function checkWords(words: readonly Word[]): void {
  const late = words.slice(1).find(({ text }) => text.startsWith("-"));
  if (late === undefined) return;
  const text = printable(late.text);
  const name = late === words[1] ? `a folder of that name "./${text}"` : `a pattern "**/${text}"`;
  throw new SftpCommandError(`Cannot mirror with "${text}": put options first, and write ${name}`);
}

function checkTarget(sources: readonly string[], into: boolean, target: string | null): void {
  if (sources.length > 1 && !into) {
    throw new SftpCommandError(
      `Multiple paths match, but destination "${target}" is not a directory`,
    );
  }
}

/** Checks that a name from the server does not lead out of the folder. */
function safeName(name: string): string {
  const problem = nameProblem(name);
  if (problem === null) return name;
  throw new SftpCommandError(`Cannot use the name "${printable(name)}" here: ${problem}`);
}

/** Transfers with these options; `print` prints a line while the progress is shown. */
type Transfer = (
  options: SftpTransferOptions,
  print: (line: string) => void,
) => Promise<TransferResult>;

async function copy(
  shell: SftpShell,
  title: string,
  name: string,
  options: CopyOptions,
  transfer: Transfer,
): Promise<void> {
  const { quiet } = shell.options;
  if (!quiet) console.log(title);
  const { skipped, failures, warnings } = await withMeter(shell, name, options, transfer);
  // A batch prints no names, except of what is left out.
  const say = quiet ? console.error : console.log;
  for (const path of skipped) say(`Skipped ${printable(path, Infinity)}: not a regular file`);
  for (const warning of warnings) console.error(`Warning: ${warningText(warning)}`);
  if (failures.length > 0) {
    throw new SftpCommandError(failures.map(({ error }) => messageOf(error)).join("\n"));
  }
}

async function withMeter(
  shell: SftpShell,
  name: string,
  options: CopyOptions,
  transfer: Transfer,
): Promise<TransferResult> {
  using meter = shell.progress ? new ProgressMeter(name) : null;
  const { recursive, preserve, resume, sync } = options;
  const { onNote } = shell.options;
  const all = {
    recursive,
    preserve,
    resume,
    sync,
    ...transferLimits(shell.options),
    partial: true,
    signal: shell.signal,
    onProgress: (progress: TransferProgress) => meter?.update(progress),
    onNote: (note: string) => {
      meter?.clear();
      onNote?.(note);
    },
  };
  return await transfer(all, (line) => {
    meter?.clear();
    console.log(line);
  });
}

/** Most messages name the file; the path is put before others. */
function warningText({ path, message }: TransferWarning): string {
  return printable(message.includes(path) ? message : `${path}: ${message}`, Infinity);
}

const LOCAL_FILES: GlobFiles<Deno.DirEntry> = {
  list: async (folder) =>
    (await localInfo(folder))?.isDirectory
      ? await Array.fromAsync(runtime.files.readDir(folder))
      : [],
  exists: async (path) => await localInfo(path) !== null,
};

async function localInfo(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await runtime.files.stat(path);
  } catch (error) {
    if (isError(error, "NotFound", "NotADirectory")) return null;
    throw error;
  }
}
