/** The sending half of the scp protocol. */
import { printable } from "../../errors.ts";
import type { OpenFile } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { Throttle } from "../../sftp/transfer/throttle.ts";
import { type ScpCopyOptions, ScpError, type ScpProtocol } from "./scp_protocol.ts";

/** Bytes to read and send at a time. */
const BLOCK_BYTES = 128 * 1024;

/**
 * Sends files and folders to a sink.
 *
 * @throws {ScpError} If the sink gives up, or breaks the protocol
 */
export async function sendAll(
  paths: readonly string[],
  scp: ScpProtocol,
  options: ScpCopyOptions,
): Promise<void> {
  const refusal = await scp.reply();
  if (refusal !== null) throw new ScpError(refusal);
  const throttle = options.rate === null ? null : new Throttle(options.rate, options.signal);
  for (const path of paths) await send(path, scp, { ...options, throttle });
}

/** The options and the state shared by all files. */
interface Sending extends ScpCopyOptions {
  readonly throttle: Throttle | null;
}

async function send(path: string, scp: ScpProtocol, options: Sending): Promise<void> {
  const { failed } = options;
  options.signal.throwIfAborted();
  let info: Deno.FileInfo;
  try {
    info = await runtime.files.stat(path);
  } catch {
    return await complain(scp, `${path}: No such file or directory`, failed);
  }
  if (info.isDirectory) {
    if (!options.recursive) return await complain(scp, `${path}: not a regular file`, failed);
    return await sendFolder(path, info, scp, options);
  }
  if (!info.isFile) return await complain(scp, `${path}: not a regular file`, failed);
  await sendFile(path, info, scp, options);
}

async function sendFile(
  path: string,
  info: Deno.FileInfo,
  scp: ScpProtocol,
  options: Sending,
): Promise<void> {
  let file: OpenFile;
  try {
    file = await runtime.files.open(path);
  } catch (error) {
    return await complain(scp, `${path}: ${(error as Error).name}`, options.failed);
  }
  using _ = file;
  const name = runtime.paths.basename(path);
  if (!await announce(scp, info, `C${modeOf(info)} ${info.size} ${sent(name)}`, options)) return;
  const block = new Uint8Array(BLOCK_BYTES);
  let short = false;
  for (let at = 0; at < info.size;) {
    options.signal.throwIfAborted();
    const most = Math.min(block.length, options.throttle?.piece ?? block.length);
    const piece = block.subarray(0, Math.min(most, info.size - at));
    const count: number | null = short ? null : await file.read(piece);
    // The sink expects the announced number of bytes; the error follows after them.
    short ||= count === null;
    if (short) piece.fill(0);
    const bytes = short ? piece : piece.subarray(0, count!);
    await options.throttle?.pass(bytes.length);
    await scp.send(bytes);
    at += bytes.length;
    options.onProgress?.(name, at, info.size);
  }
  if (short) await scp.complain(`${path}: the file became shorter while it was read`);
  else await scp.acknowledge();
  if (short) options.failed(`${path}: the file became shorter while it was read`);
  const refusal = await scp.reply();
  if (refusal !== null) options.failed(refusal);
}

async function sendFolder(
  path: string,
  info: Deno.FileInfo,
  scp: ScpProtocol,
  options: Sending,
): Promise<void> {
  if (
    !await announce(scp, info, `D${modeOf(info)} 0 ${sent(runtime.paths.basename(path))}`, options)
  ) return;
  const names = (await Array.fromAsync(runtime.files.readDir(path))).map(({ name }) => name).sort();
  for (const name of names) await send(`${path.replace(/\/+$/, "")}/${name}`, scp, options);
  await scp.say("E");
  const refusal = await scp.reply();
  if (refusal !== null) options.failed(refusal);
}

/** Sends the times if they are kept, then the announcement; false if the sink refuses. */
async function announce(
  scp: ScpProtocol,
  { mtime, atime }: Deno.FileInfo,
  what: string,
  { preserve, failed }: Sending,
): Promise<boolean> {
  const seconds = (date: Date | null) => Math.max(Math.floor((date?.getTime() ?? 0) / 1000), 0);
  const messages = preserve ? [`T${seconds(mtime)} 0 ${seconds(atime)} 0`, what] : [what];
  for (const message of messages) {
    await scp.say(message);
    const refusal = await scp.reply();
    if (refusal === null) continue;
    failed(refusal);
    return false;
  }
  return true;
}

async function complain(
  scp: ScpProtocol,
  message: string,
  failed: (message: string) => void,
): Promise<void> {
  failed(message);
  await scp.complain(message);
}

function modeOf(info: Deno.FileInfo): string {
  const mode = info.mode === null ? (info.isDirectory ? 0o755 : 0o644) : info.mode & 0o7777;
  return mode.toString(8).padStart(4, "0");
}

/** The name without control characters, because a line end would split the line. */
function sent(name: string): string {
  return printable(name);
}
