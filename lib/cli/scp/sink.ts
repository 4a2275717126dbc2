/** The receiving half of the scp protocol, which does not trust the source. */
import { printable } from "../../errors.ts";
import type { OpenFile } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { writeAll } from "../../runtime/write_all.ts";
import { nameProblem } from "../../sftp/protocol/paths.ts";
import { Throttle } from "../../sftp/transfer/throttle.ts";
import { messageOf } from "../shared/failure.ts";
import { type ScpCopyOptions, ScpError, type ScpProtocol } from "./scp_protocol.ts";

/** The deepest nesting of folders that a source may send. */
const MAX_DEPTH = 256;

/** Options of a sink. */
export interface SinkOptions extends ScpCopyOptions {
  /** The target must be a folder. */
  readonly intoFolder: boolean;
  /** Whether a name was requested; names inside a requested folder are not checked. */
  readonly expected: (name: string) => boolean;
}

interface Announcement {
  readonly folder: boolean;
  readonly mode: number;
  readonly size: number;
  readonly name: string;
}

interface Times {
  readonly mtime: number;
  readonly atime: number;
}

/**
 * Receives files and folders from a source, and checks their names (CVE-2018-20685, CVE-2019-6111).
 *
 * @throws {ScpError} If the source gives up, breaks the protocol, or sends other files than requested
 */
export async function receiveAll(
  target: string,
  scp: ScpProtocol,
  options: SinkOptions,
): Promise<void> {
  if (options.intoFolder && !await isFolder(target)) {
    await scp.complain(`${target}: Not a directory`);
    throw new ScpError(`${target}: Not a directory`);
  }
  try {
    await receive(target, scp, options, 0);
  } catch (error) {
    if (error instanceof ScpError) await scp.complain(error.message).catch(() => {});
    throw error;
  }
}

async function receive(
  target: string,
  scp: ScpProtocol,
  options: SinkOptions,
  depth: number,
): Promise<void> {
  if (depth > MAX_DEPTH) throw new ScpError("folders are nested too deeply");
  await scp.acknowledge();
  let times: Times | null = null;
  for (let text; (text = await scp.line()) !== null;) {
    options.signal.throwIfAborted();
    if (text.startsWith("\x01")) {
      options.failed(printable(text.slice(1)));
      continue;
    }
    if (text.startsWith("\x02")) throw new ScpError(printable(text.slice(1)));
    if (text === "E") {
      if (depth === 0) throw new ScpError("protocol error: unexpected end of a folder");
      return await scp.acknowledge();
    }
    if (text.startsWith("T")) {
      times = timesOf(text);
      await scp.acknowledge();
      continue;
    }
    const what = announcementOf(text);
    const problem = nameProblem(what.name);
    if (problem !== null) {
      throw new ScpError(`unexpected filename: ${printable(what.name)}: ${problem}`);
    }
    if (depth === 0 && !options.expected(what.name)) {
      throw new ScpError(`filename does not match request: ${printable(what.name)}`);
    }
    const path = await isFolder(target)
      ? `${target.replace(/(?<=.)\/+$/, "")}/${what.name}`
      : target;
    if (what.folder) await receiveFolder(path, what, times, scp, options, depth);
    else await receiveFile(path, what, times, scp, options);
    times = null;
  }
  if (depth > 0) throw new ScpError("the source ended inside a folder");
}

async function receiveFolder(
  path: string,
  { mode }: Announcement,
  times: Times | null,
  scp: ScpProtocol,
  options: SinkOptions,
  depth: number,
): Promise<void> {
  if (!options.recursive) throw new ScpError("received a folder without -r");
  const known = await isFolder(path);
  if (!known) await runtime.files.mkdir(path, { mode: mode | 0o700 });
  await receive(path, scp, options, depth + 1);
  if (options.preserve && times) await runtime.files.utime(path, times.atime, times.mtime);
  if (options.preserve || (!known && mode !== (mode | 0o700))) {
    await runtime.files.chmod(path, mode & 0o777);
  }
}

async function receiveFile(
  path: string,
  { name, mode, size }: Announcement,
  times: Times | null,
  scp: ScpProtocol,
  options: SinkOptions,
): Promise<void> {
  let file: OpenFile | null = null;
  let failure: string | null = null;
  const fail = (error: unknown): void => {
    failure ??= `${path}: ${messageOf(error)}`;
  };
  try {
    file = await runtime.files.open(path, { write: true, create: true, mode: mode & 0o777 });
  } catch (error) {
    options.failed(`${path}: ${messageOf(error)}`);
    return await scp.complain(`${path}: ${messageOf(error)}`); // the source skips the file
  }
  try {
    await scp.acknowledge();
    let at = 0;
    const throttle = options.rate === null ? null : new Throttle(options.rate, options.signal);
    await scp.bytes(size, async (piece) => {
      at += piece.length;
      await throttle?.pass(piece.length);
      options.onProgress?.(name, at, size);
      if (failure === null) await writeAll(file!, piece).catch(fail);
    });
    if (failure === null) await truncated(file, size).catch(fail);
    const said = await scp.reply();
    if (said !== null) options.failed(said);
    if (options.preserve) {
      await runtime.files.chmod(path, mode & 0o777).catch(fail);
      if (times) await file.utime(times.atime, times.mtime).catch(fail);
    }
  } finally {
    file.close();
  }
  if (failure === null) return await scp.acknowledge();
  options.failed(failure);
  await scp.complain(failure);
}

/** Truncates a file to its new size, except a device. */
async function truncated(file: OpenFile, size: number): Promise<void> {
  if ((await file.stat()).isFile) await file.truncate(size);
}

/** `C0644 123 name` or `D0755 0 name`. */
function announcementOf(text: string): Announcement {
  const [, kind, mode, size, name] = /^([CD])([0-7]{3,4}) (\d{1,16}) (.*)$/s.exec(text) ?? [];
  if (kind === undefined) throw new ScpError(`protocol error: ${printable(text, 80)}`);
  const bytes = Number(size);
  if (!Number.isSafeInteger(bytes)) throw new ScpError("size out of range");
  return { folder: kind === "D", mode: parseInt(mode!, 8), size: bytes, name: name! };
}

/** `T1700000000 0 1700000000 0`: seconds and microseconds of the modification and of the access. */
function timesOf(text: string): Times {
  const [, mtime, atime] = /^T(\d{1,12}) \d{1,6} (\d{1,12}) \d{1,6}$/.exec(text) ?? [];
  if (mtime === undefined) throw new ScpError("protocol error: malformed times");
  return { mtime: Number(mtime), atime: Number(atime) };
}

async function isFolder(path: string): Promise<boolean> {
  return await runtime.files.stat(path).then((info) => info.isDirectory, () => false);
}
