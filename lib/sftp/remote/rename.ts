import { SftpError } from "../../errors.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { hiddenBeside } from "../protocol/paths.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { callOf, SftpStatus } from "../protocol/status.ts";

/**
 * Renames a file and replaces one that has the new name: in one step if the server has
 * posix-rename@openssh.com. Otherwise, since RENAME does not replace (filexfer-02 §6.5), the old file is
 * moved aside first, and back if the renaming fails. Errors name `about`, if `from` means nothing to the
 * user.
 */
export async function replace(
  remote: RemoteFileSystem,
  from: string,
  to: string,
  options: SftpOptions,
  about: string = from,
): Promise<void> {
  const call = callOf("rename", about, options);
  if (remote.can(EXTENSION.POSIX_RENAME)) {
    return await remote.extension(EXTENSION.POSIX_RENAME, msg.TwoPaths.encode({ from, to }), call);
  }
  try {
    await remote.command(msg.Rename, { from, to }, call);
  } catch (cause) {
    if (!(cause instanceof SftpError) || cause.status !== SftpStatus.FAILURE) throw cause;
    const [source, inTheWay] = await Promise.all([
      remote.lstatOrNull(from, options),
      remote.lstatOrNull(to, options),
    ]);
    if (source === null || inTheWay === null || inTheWay.isDirectory) throw cause;
    const aside = hiddenBeside(to, "old");
    await remote.command(msg.Rename, { from: to, to: aside }, call);
    try {
      await remote.command(msg.Rename, { from, to }, call);
    } catch (cause) {
      // Without the user's signal: an abort must not leave the file under a hidden name.
      await remote.command(msg.Rename, { from: aside, to }, { operation: "rename", path: aside });
      throw cause;
    }
    await remote.command(msg.Remove, { path: aside }, { operation: "remove", path: aside });
  }
}
