/** Helpers for permission bits, look-ups and the size of file systems. */
import { isError } from "../../runtime/errors.ts";
import type { PosixFiles } from "../../runtime/files.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import { refuse, SftpStatus } from "../protocol/status.ts";

/** The permission bits that clients may set: in a jail, not setuid and setgid. */
export type ModePolicy = "any" | "no setuid";

/** The longest name on common systems, in bytes. */
const MAX_NAME_LENGTH = 255;

/**
 * Checks the permission bits that a client asks for.
 *
 * @throws {SftpError} If clients may not set them
 */
export function allowedMode(mode: number, allowed: ModePolicy): number {
  if (allowed === "any") return mode & 0o7777;
  if (mode & 0o6000) refuse("Setuid and setgid are not allowed", SftpStatus.PERMISSION_DENIED);
  return mode & 0o1777;
}

/** The result of a look-up; null if the file does not exist. */
export function nullIfMissing<T>(lookUp: () => T): T | null {
  try {
    return lookUp();
  } catch (cause) {
    if (isError(cause, "NotFound")) return null;
    throw cause;
  }
}

/** The size and free space of the file system of a path; Node does not report flags and the longest name. */
export function fileSystemAt(fs: PosixFiles, path: string): SftpFileSystem {
  const { bsize, blocks, bfree, bavail, files, ffree, type } = fs.statfsSync(path);
  return {
    blockSize: bsize,
    fragmentSize: bsize,
    blocks,
    freeBlocks: bfree,
    availableBlocks: bavail,
    files,
    freeFiles: ffree,
    availableFiles: ffree,
    id: BigInt(type),
    readOnly: false,
    noSetuid: false,
    maxNameLength: MAX_NAME_LENGTH,
  };
}
