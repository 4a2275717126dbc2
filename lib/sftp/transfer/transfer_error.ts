import { SftpError } from "../../errors.ts";
import { isPlatformError } from "../../runtime/errors.ts";
import type { TransferResult } from "./progress.ts";
import { SftpStatus } from "../protocol/status.ts";
import { plainMessage } from "../../error_messages.ts";

/**
 * Some files could not be transferred; all others were. The cause is the first failure.
 *
 * @example
 * ```ts
 * import { type SftpClient, SftpTransferError } from "@denossh/ssh/sftp";
 *
 * async function deploy(sftp: SftpClient): Promise<void> {
 *   try {
 *     await sftp.put("./dist", "/srv/app", { recursive: true });
 *   } catch (error) {
 *     if (!(error instanceof SftpTransferError)) throw error;
 *     for (const { path, error: reason } of error.result.failures) {
 *       console.error(path, reason.message);
 *     }
 *   }
 * }
 * ```
 */
export class SftpTransferError extends SftpError {
  /** The result, failures included. */
  readonly result: TransferResult;

  /** Creates the error for a result with failures. */
  constructor(result: TransferResult) {
    const { failures, files, unchanged } = result;
    const { path, error } = failures[0]!;
    const known = error instanceof SftpError;
    const all = failures.length + files + unchanged;
    super(
      known ? error.status : SftpStatus.FAILURE,
      known ? error.operation : "transfer",
      known ? error.path : path,
      `${plainMessage(error)} (${failures.length} of ${all} failed)`,
      { cause: error },
    );
    this.result = result;
  }
}

/** Whether a failure concerns one file only, so that the others can still be transferred. */
export function isOfOneFile(cause: unknown): cause is Error {
  if (cause instanceof SftpError) return cause.status !== SftpStatus.CONNECTION_LOST;
  return isPlatformError(cause);
}
