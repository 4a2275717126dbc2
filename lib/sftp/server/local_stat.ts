/** What local files and open ones share: permission bits, look-ups and figures of the file system. */
import { isError } from "../../runtime/errors.ts";
import type { PosixFiles } from "../../runtime/files.ts";
import type { SftpFileSystem } from "../protocol/file_system.ts";
import { refuse, SftpStatus } from "../protocol/status.ts";

/** Which permission bits clients may set: in a jail, not those that give rights to others. */
export type ModePolicy = "any" | "no setuid";

/** The bytes of the longest name on common systems. */
const MAX_NAME_LENGTH = 255;

/**
 * The permission bits that a client asks for.
 *
 * @throws {SftpError} If it may not have them
 */
export function allowedMode(mode: number, allowed: ModePolicy): number {
  if (allowed === "any") return mode & 0o7777;
  if (mode & 0o6000) refuse("Setuid and setgid are not allowed", SftpStatus.PERMISSION_DENIED);
  return mode & 0o1777;
}

/** The result of a look-up; null if there is no such file. */
export function nullIfMissing<T>(lookUp: () => T): T | null {
  try {
    return lookUp();
  } catch (cause) {
    if (isError(cause, "NotFound")) return null;
    throw cause;
  }
}

/** How full the file system is that a path is on; Node knows no flags and no longest name. */
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
