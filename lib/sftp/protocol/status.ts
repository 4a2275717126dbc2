import { printable, ProtocolError, SftpError } from "../../errors.ts";
import { plainMessage } from "../../error_messages.ts";

/**
 * The status codes of SFTP version 3, as `SftpError.status` holds them
 * (draft-ietf-secsh-filexfer-02 §7).
 *
 * @example
 * ```ts
 * import { SftpError, SftpStatus } from "@denossh/ssh/sftp";
 * import { assert } from "@std/assert";
 *
 * const error = new SftpError(2, "stat", "/missing", "No such file");
 * assert(error.status === SftpStatus.NO_SUCH_FILE);
 * ```
 */
export const SftpStatus: {
  /** Success. */
  readonly OK: 0;
  /** The end of the file or of the listing. */
  readonly EOF: 1;
  /** The path does not exist. */
  readonly NO_SUCH_FILE: 2;
  /** The user may not do this. */
  readonly PERMISSION_DENIED: 3;
  /** Any failure without a code, such as "file exists". */
  readonly FAILURE: 4;
  /** A malformed message or answer. */
  readonly BAD_MESSAGE: 5;
  /** There is no connection. */
  readonly NO_CONNECTION: 6;
  /** The connection was lost, or the answer did not arrive in time. */
  readonly CONNECTION_LOST: 7;
  /** The other side does not know this operation. */
  readonly OP_UNSUPPORTED: 8;
} = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  NO_CONNECTION: 6,
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
};

const TEXTS: readonly string[] = [
  "Success",
  "End of file",
  "No such file",
  "Permission denied",
  "Failure",
  "Bad message",
  "No connection",
  "Connection lost",
  "Operation not supported",
];

/** The text of a status code, for answers without one. */
export function statusText(status: number): string {
  return TEXTS[status] ?? `Status ${status}`;
}

/** An operation: its name and path for errors, and its limits. */
export interface Call {
  readonly operation: string;
  readonly path: string | null;
  /** Whether the path is on this machine instead of the server. */
  readonly here?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the answer; the session's time-out unless given. */
  readonly timeout?: number | undefined;
}

/** A call with the limits of the user's options. */
export function callOf(
  operation: string,
  path: string | null,
  { signal, timeout }: Pick<Call, "signal" | "timeout">,
): Call {
  return { operation, path, signal, timeout };
}

/** The error of one operation; `reason` may be text from the peer. */
export function sftpError(
  status: number,
  { operation, path, here = false }: Call,
  reason: string = statusText(status),
  cause?: unknown,
): SftpError {
  const about = path === null ? "" : ` "${printable(path)}"`;
  const side = here ? "on this machine" : "on the server";
  const message = `Cannot ${operation}${about} ${side}: ${printable(reason) || statusText(status)}`;
  return new SftpError(status, operation, path, message, cause === undefined ? {} : { cause });
}

/** The error of one operation whose answer is malformed. */
export function malformed(call: Call, cause: ProtocolError): SftpError {
  const reason = `the server's answer is malformed: ${plainMessage(cause)}`;
  return sftpError(SftpStatus.BAD_MESSAGE, call, reason, cause);
}

/** The error of a session that has ended, because the peer broke the protocol or disconnected. */
export function sessionError(status: number, reason: string, cause?: unknown): SftpError {
  const options = cause === undefined ? {} : { cause };
  return new SftpError(status, "session", null, `SFTP session is over: ${reason}`, options);
}

/** The error of a session that ended with `cause`. */
export function lost(cause: unknown): SftpError {
  if (cause instanceof SftpError) return cause;
  const status = cause instanceof ProtocolError
    ? SftpStatus.BAD_MESSAGE
    : SftpStatus.CONNECTION_LOST;
  const reason = plainMessage(cause);
  return sessionError(status, reason, cause);
}

/** The answer; null if the server refused because there is no such file. */
export async function nullIfNoSuchFile<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof SftpError && cause.status === SftpStatus.NO_SUCH_FILE) return null;
    throw cause;
  }
}

/** The answer; null if the server refused for any reason. */
export async function nullIfRefused<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (cause) {
    if (isRefusal(cause)) return null;
    throw cause;
  }
}

/** Whether an error is a server's refusal of one request, after which others may succeed. */
export function isRefusal(cause: unknown): cause is SftpError {
  return cause instanceof SftpError && cause.operation !== "session" &&
    cause.status !== SftpStatus.CONNECTION_LOST;
}

/** The refusal of a client's request, with the text that is sent to the client. */
export function refuse(reason: string, status: number = SftpStatus.FAILURE): never {
  throw new SftpError(status, "serve", null, reason);
}
