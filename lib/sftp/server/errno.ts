import { ProtocolError, SftpError } from "../../errors.ts";
import { isError } from "../../runtime/errors.ts";
import { SftpStatus, statusText } from "../protocol/status.ts";
import { plainMessage } from "../../error_messages.ts";

const { NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, OP_UNSUPPORTED } = SftpStatus;

/** By the name in errno.h: the status that OpenSSH sends, and a text without paths. */
const ERRNO: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ENOENT: [NO_SUCH_FILE, "No such file"],
  ENOTDIR: [NO_SUCH_FILE, "No such file"],
  ELOOP: [NO_SUCH_FILE, "Too many symbolic links"],
  EBADF: [NO_SUCH_FILE, "Not open for this"],
  EACCES: [PERMISSION_DENIED, "Permission denied"],
  EPERM: [PERMISSION_DENIED, "Permission denied"],
  EROFS: [PERMISSION_DENIED, "Read-only file system"],
  ENAMETOOLONG: [BAD_MESSAGE, "File name too long"],
  EINVAL: [BAD_MESSAGE, "Invalid argument"],
  ENOSYS: [OP_UNSUPPORTED, "Operation not supported"],
  EOPNOTSUPP: [OP_UNSUPPORTED, "Operation not supported"],
  EEXIST: [FAILURE, "File exists"],
  ENOTEMPTY: [FAILURE, "Directory not empty"],
  EISDIR: [FAILURE, "Is a directory"],
  EXDEV: [FAILURE, "Not on the same file system"],
  EMLINK: [FAILURE, "Too many links"],
  EBUSY: [FAILURE, "In use"],
  ETXTBSY: [FAILURE, "In use"],
  ENOSPC: [FAILURE, "No space left on device"],
  EDQUOT: [FAILURE, "Disk quota exceeded"],
  EFBIG: [FAILURE, "File too large"],
  EMFILE: [FAILURE, "Too many open files"],
  ENFILE: [FAILURE, "Too many open files"],
  EIO: [FAILURE, "Input/output error"],
};

/** The errno.h name of an error; null if it has none. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/**
 * The status and text to send for an error. Messages of system errors contain real paths, so only the
 * message of an `SftpError` is sent, which the backend chose.
 */
export function statusOf(error: unknown): { status: number; message: string } {
  if (error instanceof SftpError) return { status: error.status, message: plainMessage(error) };
  const code = errnoOf(error);
  if (code !== null && Object.hasOwn(ERRNO, code)) {
    const [status, message] = ERRNO[code]!;
    return { status, message };
  }
  const status = codeOf(error);
  return { status, message: statusText(status) };
}

function codeOf(error: unknown): number {
  if (error instanceof ProtocolError) return SftpStatus.BAD_MESSAGE;
  if (isError(error, "NotFound", "NotADirectory")) return SftpStatus.NO_SUCH_FILE;
  if (isError(error, "PermissionDenied", "NotCapable")) return SftpStatus.PERMISSION_DENIED;
  if (isError(error, "NotSupported")) return SftpStatus.OP_UNSUPPORTED;
  return SftpStatus.FAILURE;
}
