/** Commands that change remote files. */
import { printable, SftpError } from "../../errors.ts";
import type { SftpChanges, SftpFileInfo } from "../../sftp/protocol/attributes.ts";
import { UsageError } from "../shared/flags.ts";
import { type CommandCall, remoteOf, type SftpCommand, textOf } from "./command.ts";
import { print } from "../shared/log.ts";
import { SftpCommandError } from "./shell.ts";
import { plainMessage } from "../../error_messages.ts";

export const REMOTE_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  cd: {
    usage: "cd [path]",
    help: "Change the remote directory",
    words: [0, 1],
    run: async (call) => {
      const { shell } = call;
      const path = call.words.length === 0 ? shell.home : remoteOf(call);
      const real = await shell.client.realPath(path, shell);
      if (!(await shell.client.stat(real, shell)).isDirectory) {
        throw new SftpCommandError(`Can't change directory: "${textOf(call)}" is not a directory`);
      }
      shell.directory = real;
    },
  },
  chgrp: {
    usage: "chgrp [-h] gid path",
    help: "Change the group of remote files, by number; -h of the links themselves",
    flags: "h",
    words: [2, 2],
    run: (call) => {
      const gid = id(call);
      return each(call, "group", async (path) => {
        const { uid } = await infoOf(call, path);
        if (uid === null) throw new SftpCommandError("The server does not report the owner");
        return { uid, gid };
      });
    },
  },
  chmod: {
    usage: "chmod [-h] mode path",
    help: "Change the permissions of remote files; the mode is octal",
    flags: "h",
    words: [2, 2],
    run: (call) => {
      if (!/^[0-7]{1,4}$/.test(textOf(call))) throw new UsageError(`Bad mode "${textOf(call)}"`);
      const mode = parseInt(textOf(call), 8);
      return each(call, "mode", () => Promise.resolve({ mode }));
    },
  },
  chown: {
    usage: "chown [-h] uid path",
    help: "Change the owner of remote files, by number; -h of the links themselves",
    flags: "h",
    words: [2, 2],
    run: (call) => {
      const uid = id(call);
      return each(call, "owner", async (path) => {
        const { gid } = await infoOf(call, path);
        if (gid === null) throw new SftpCommandError("The server does not report the group");
        return { uid, gid };
      });
    },
  },
  cp: {
    usage: "cp old new",
    help: "Copy a remote file on the server",
    words: [2, 2],
    run: (call) => call.shell.client.copyFile(remoteOf(call), remoteOf(call, 1), call.shell),
  },
  ln: {
    usage: "ln [-s] target link",
    help: "Make a hard link to a remote file; -s a symbolic link",
    flags: "s",
    words: [2, 2],
    run: (call) =>
      call.has("s")
        ? call.shell.client.symlink(textOf(call), remoteOf(call, 1), call.shell)
        : call.shell.client.link(remoteOf(call), remoteOf(call, 1), call.shell),
  },
  mkdir: {
    usage: "mkdir path",
    help: "Make a remote directory",
    words: [1, 1],
    run: (call) =>
      call.shell.client.mkdir(remoteOf(call), { signal: call.shell.signal, mode: 0o777 }),
  },
  pwd: {
    usage: "pwd",
    help: "Show the remote directory",
    words: [0, 0],
    run: ({ shell }) => print(`Remote working directory: ${printable(shell.directory)}\n`),
  },
  rename: {
    usage: "rename [-l] old new",
    help: "Rename a remote file; -l without replacing another one",
    flags: "l",
    words: [2, 2],
    run: (call) =>
      call.shell.client.rename(remoteOf(call), remoteOf(call, 1), {
        signal: call.shell.signal,
        overwrite: !call.has("l"),
      }),
  },
  rm: {
    usage: "rm path",
    help: "Remove remote files",
    words: [1, 1],
    run: async ({ shell, words }) => {
      const paths = await shell.matching(words[0]!);
      await shell.all(paths, async (path) => {
        if (!shell.options.quiet) await print(`Removing ${printable(path)}\n`);
        if ((await shell.client.lstat(path, shell)).isDirectory) {
          throw new SftpCommandError(`Cannot remove "${printable(path)}": it is a directory`);
        }
        await shell.client.remove(path, { signal: shell.signal });
      });
    },
  },
  rmdir: {
    usage: "rmdir path",
    help: "Remove an empty remote directory",
    words: [1, 1],
    run: async (call) => {
      const { shell } = call;
      if (!(await shell.client.lstat(remoteOf(call), shell)).isDirectory) {
        throw new SftpCommandError(`Cannot remove "${textOf(call)}": it is not a directory`);
      }
      await shell.client.remove(remoteOf(call), { signal: shell.signal });
    },
  },
  symlink: {
    usage: "symlink target link",
    help: "Make a symbolic link",
    words: [2, 2],
    run: (call) => call.shell.client.symlink(textOf(call), remoteOf(call, 1), call.shell),
  },
};

function id(call: CommandCall): number {
  const text = textOf(call);
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffff_ffff) return Number(text);
  throw new UsageError(`"${text}" is not the number of a user or group`);
}

/** The attributes of a file; of the link itself with -h. */
function infoOf({ shell, has }: CommandCall, path: string): Promise<SftpFileInfo> {
  return has("h") ? shell.client.lstat(path, shell) : shell.client.stat(path, shell);
}

/** Changes attributes of all matches of the second word. */
async function each(
  call: CommandCall,
  what: string,
  changesOf: (path: string) => Promise<SftpChanges>,
): Promise<void> {
  const { shell } = call;
  const paths = await shell.matching(call.words[1]!);
  await shell.all(paths, async (path) => {
    if (!shell.options.quiet) await print(`Changing ${what} on ${printable(path)}\n`);
    try {
      const changes = await changesOf(path);
      if (call.has("h")) await shell.client.lsetStat(path, changes, shell);
      else await shell.client.setStat(path, changes, shell);
    } catch (error) {
      if (!(error instanceof SftpError)) throw error;
      throw new SftpCommandError(`Couldn't change ${what}: ${plainMessage(error)}`);
    }
  });
}
