/** Home directories and names of the server's users. */
import * as msg from "../protocol/messages.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { join } from "../protocol/paths.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { callOf, sftpError, SftpStatus } from "../protocol/status.ts";

/** The most numbers in one request: they take 4 KiB, and their names fit into one message. */
const IDS_AT_ONCE = 1024;

/** Names by number. */
export interface SftpNames {
  /** The users that the server knows. */
  readonly users: ReadonlyMap<number, string>;
  /** The groups that the server knows. */
  readonly groups: ReadonlyMap<number, string>;
}

/** `~`, `~/x` and `~user/x` made absolute (OpenSSH PROTOCOL §4.9). */
export async function expandPath(
  remote: RemoteFileSystem,
  path: string,
  options: SftpOptions,
): Promise<string> {
  if (remote.can(EXTENSION.EXPAND_PATH)) {
    const data = msg.OnePath.encode({ path });
    return await remote.extendedName(EXTENSION.EXPAND_PATH, data, callOf("expand", path, options));
  }
  const [, user, rest] = /^(?:~([^/]*))?(.*)$/s.exec(path)!;
  if (user === undefined) return await remote.realPath(path, options);
  const home = await homeDirectory(remote, user, options);
  return rest === "" ? home : await remote.realPath(join(home, rest!.slice(1)), options);
}

/** The home directory of a user (OpenSSH PROTOCOL §4.11); an empty name means the user who is logged in. */
export async function homeDirectory(
  remote: RemoteFileSystem,
  user: string,
  options: SftpOptions,
): Promise<string> {
  const call = callOf("find the home of", user, options);
  // Sessions start in the home directory, unless the server is configured otherwise.
  if (user === "") {
    return await (remote.can(EXTENSION.EXPAND_PATH)
      ? expandPath(remote, "~", options)
      : remote.realPath(".", options));
  }
  const request = remote.can(EXTENSION.HOME_DIRECTORY)
    ? EXTENSION.HOME_DIRECTORY
    : EXTENSION.EXPAND_PATH;
  const path = request === EXTENSION.HOME_DIRECTORY ? user : `~${user}`;
  return await remote.extendedName(request, msg.OnePath.encode({ path }), call);
}

/** The names of users and groups (OpenSSH PROTOCOL §4.12); unknown ones are left out. */
export async function usersAndGroups(
  remote: RemoteFileSystem,
  uids: readonly number[],
  gids: readonly number[],
  options: SftpOptions,
): Promise<SftpNames> {
  const [users, groups] = [new Map<number, string>(), new Map<number, string>()];
  const call = callOf("look up users and groups", null, options);
  for (let at = 0; at < Math.max(uids.length, gids.length); at += IDS_AT_ONCE) {
    const ids = {
      users: uids.slice(at, at + IDS_AT_ONCE),
      groups: gids.slice(at, at + IDS_AT_ONCE),
    };
    const data = msg.Ids.encode(ids);
    const names = await remote.extendedReply(EXTENSION.USERS_GROUPS, data, msg.IdNames, call);
    for (const [kind, map] of [["users", users], ["groups", groups]] as const) {
      if (names[kind].length !== ids[kind].length) {
        throw sftpError(SftpStatus.BAD_MESSAGE, call, "the server sent another number of names");
      }
      for (const [index, name] of names[kind].entries()) {
        if (name !== "") map.set(ids[kind][index]!, name);
      }
    }
  }
  return { users, groups };
}
