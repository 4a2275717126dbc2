/** Finds the reason for a refusal without one: version 3 has a single status for most failures. */
import { printable, SftpError } from "../../errors.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { parent } from "../protocol/paths.ts";
import { nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { plainMessage } from "../../error_messages.ts";

/** With less free space a file system counts as full: it may have a few blocks left. */
const FULL_BYTES = 256 * 1024;

/** Refusals whose text gives no reason. */
const WORDLESS = /: (failure|general failure|error|SSH_FX_FAILURE)[.!]?$/i;

/** The path to look at, and limits. */
export interface ExplainOptions extends SftpOptions {
  /** The path that the operation changes; the one of the error unless given. */
  readonly changed?: string | undefined;
  /** Whether the operation fails if something is there already. */
  readonly isNew?: boolean | undefined;
}

/**
 * Awaits an answer. If the server refused without a reason, the error has the reason that {@linkcode
 * explain} finds.
 */
export async function explained<T>(
  remote: RemoteFileSystem,
  answer: Promise<T>,
  options: ExplainOptions,
): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw await explain(remote, cause, options);
  }
}

/** Adds a reason to an error that has none, if looking at the path finds one. */
export async function explain(
  remote: RemoteFileSystem,
  error: unknown,
  options: ExplainOptions,
): Promise<unknown> {
  if (!(error instanceof SftpError) || error.status !== SftpStatus.FAILURE) return error;
  const { operation, path } = error;
  if (path === null || !WORDLESS.test(plainMessage(error))) return error;
  // A failure here must not replace the first one.
  const reason = await reasonOf(remote, operation, path, options).catch(() => null);
  return reason === null ? error : sftpError(error.status, { operation, path }, reason, error);
}

async function reasonOf(
  remote: RemoteFileSystem,
  operation: string,
  path: string,
  { changed = path, isNew = false, ...options }: ExplainOptions,
): Promise<string | null> {
  const there = await nullIfRefused(remote.lstat(changed, options));
  const it = changed === path ? "it" : `"${printable(changed)}"`;
  if (there !== null && isNew) return `${it} exists already`;
  if (there?.isDirectory) {
    if (operation === "open" || operation === "write") return `${it} is a directory`;
    const isEmpty = (await remote.all(changed, options)).length === 0;
    if (!isEmpty) return `${it} is a directory that is not empty`;
  }
  const place = there === null ? parent(changed) ?? "." : changed;
  const system = await fileSystem(remote, place, options);
  if (system?.readOnly) return "the file system is read-only";
  return operation !== "remove" && system !== null && isFull(system) ? "no space is left" : null;
}

function isFull(
  { availableBlocks, fragmentSize, blocks, files, availableFiles }: SftpFileSystem,
): boolean {
  // Some file systems do not count blocks or files and report 0.
  const noBlocks = blocks > 0 && availableBlocks * fragmentSize < FULL_BYTES;
  return noBlocks || (files > 0 && availableFiles === 0);
}

async function fileSystem(
  remote: RemoteFileSystem,
  path: string,
  options: SftpOptions,
): Promise<SftpFileSystem | null> {
  if (!remote.can(EXTENSION.STATVFS)) return null;
  return await nullIfRefused(remote.statvfs(path, options));
}
