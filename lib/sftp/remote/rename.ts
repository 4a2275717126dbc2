import type { SftpError } from "../../errors.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { hiddenBeside } from "../protocol/paths.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { callOf, isRefusal, nullIfRefused, SftpStatus } from "../protocol/status.ts";

/**
 * Renames a file and replaces an existing one: in one step if the server has posix-rename@openssh.com.
 * Otherwise, because RENAME does not replace (filexfer-02 §6.5), moves the old file aside first, and back
 * if the renaming fails. Errors name `about` instead of `from`, if the user does not know that path.
 */
export async function replace(
  remote: RemoteFileSystem,
  from: string,
  to: string,
  options: SftpOptions,
  about: string = from,
): Promise<void> {
  const call = callOf("rename", about, options);
  let refused: SftpError | null = null; // report the first refusal
  if (remote.can(EXTENSION.POSIX_RENAME)) {
    try {
      const data = msg.TwoPaths.encode({ from, to });
      return await remote.extension(EXTENSION.POSIX_RENAME, data, call);
    } catch (cause) {
      // Some servers refuse it although they announce it: denied by configuration, or not implemented.
      const { OP_UNSUPPORTED, PERMISSION_DENIED } = SftpStatus;
      if (!isRefusal(cause) || ![OP_UNSUPPORTED, PERMISSION_DENIED].includes(cause.status as 3)) {
        throw cause;
      }
      refused = cause;
    }
  }
  try {
    await remote.command(msg.Rename, { from, to }, call);
  } catch (cause) {
    // Servers use various statuses for an existing name.
    if (!isRefusal(cause)) throw cause;
    refused ??= cause;
    const [source, inTheWay] = await Promise.all([
      nullIfRefused(remote.lstat(from, options)),
      nullIfRefused(remote.lstat(to, options)),
    ]);
    if (source === null || inTheWay === null || inTheWay.isDirectory) throw refused;
    const aside = hiddenBeside(to, "old");
    try {
      await remote.command(msg.Rename, { from: to, to: aside }, call);
    } catch (again) {
      throw isRefusal(again) ? refused : again;
    }
    try {
      await remote.command(msg.Rename, { from, to }, call);
    } catch (cause) {
      // Without the user's signal: an abort must not leave the file under a hidden name.
      await remote.command(msg.Rename, { from: aside, to }, { operation: "rename", path: to });
      throw cause;
    }
    await remote.command(msg.Remove, { path: aside }, { operation: "remove", path: to });
  }
}
