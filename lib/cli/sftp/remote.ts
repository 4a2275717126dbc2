/** Commands about the far side. */
import { printable, SftpError } from "../../errors.ts";
import type { SftpChanges } from "../../sftp/protocol/attributes.ts";
import { UsageError } from "../shared/flags.ts";
import { type CommandCall, print, remoteOf, type SftpCommand, textOf } from "./command.ts";
import { SftpCommandError } from "../shared/sftp_session.ts";

/** All that changes the far side but copies. */
export const REMOTE_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  cd: {
    usage: "cd [path]",
    help: "Change the remote directory",
    words: [0, 1],
    run: async (call) => {
      const { session } = call;
      const path = call.words.length === 0 ? session.home : remoteOf(call);
      const real = await session.client.realPath(path, session);
      if (!(await session.client.stat(real, session)).isDirectory) {
        throw new SftpCommandError(`Can't change directory: "${textOf(call)}" is not a directory`);
      }
      session.directory = real;
    },
  },
  chgrp: {
    usage: "chgrp [-h] gid path",
    help: "Change the group of remote files, by number; -h of links themselves",
    flags: "h",
    words: [2, 2],
    run: (call) => {
      const gid = id(call);
      return each(call, "group", async (path) => {
        const { uid } = await (call.has("h")
          ? call.session.client.lstat(path, call.session)
          : call.session.client.stat(path, call.session));
        if (uid === null) {
          throw new SftpCommandError("The server does not say who owns it");
        }
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
    help: "Change the owner of remote files, by number; -h of links themselves",
    flags: "h",
    words: [2, 2],
    run: (call) => {
      const uid = id(call);
      return each(call, "owner", async (path) => {
        const { gid } = await (call.has("h")
          ? call.session.client.lstat(path, call.session)
          : call.session.client.stat(path, call.session));
        if (gid === null) {
          throw new SftpCommandError("The server does not say which group has it");
        }
        return { uid, gid };
      });
    },
  },
  cp: {
    usage: "cp old new",
    help: "Copy a remote file, on the far side",
    words: [2, 2],
    run: (call) => call.session.client.copyFile(remoteOf(call), remoteOf(call, 1), call.session),
  },
  ln: {
    usage: "ln [-s] target link",
    help: "Give a remote file a second name; -s by a symbolic link",
    flags: "s",
    words: [2, 2],
    run: (call) =>
      call.has("s")
        ? call.session.client.symlink(textOf(call), remoteOf(call, 1), call.session)
        : call.session.client.link(remoteOf(call), remoteOf(call, 1), call.session),
  },
  mkdir: {
    usage: "mkdir path",
    help: "Make a remote directory",
    words: [1, 1],
    run: (call) => call.session.client.mkdir(remoteOf(call), { ...call.session, mode: 0o777 }),
  },
  pwd: {
    usage: "pwd",
    help: "Show the remote directory",
    words: [0, 0],
    run: ({ session }) => print(`Remote working directory: ${printable(session.directory)}\n`),
  },
  rename: {
    usage: "rename [-l] old new",
    help: "Rename a remote file; -l without taking the place of another",
    flags: "l",
    words: [2, 2],
    run: (call) =>
      call.session.client.rename(remoteOf(call), remoteOf(call, 1), {
        signal: call.session.signal,
        overwrite: !call.has("l"),
      }),
  },
  rm: {
    usage: "rm path",
    help: "Remove remote files",
    words: [1, 1],
    run: async ({ session, words }) => {
      const paths = await session.matching(words[0]!);
      await session.all(paths, async (path) => {
        if (!session.options.quiet) await print(`Removing ${printable(path)}\n`);
        if ((await session.client.lstat(path, session)).isDirectory) {
          throw new SftpCommandError(`Cannot remove "${printable(path)}": it is a directory`);
        }
        await session.client.remove(path, session);
      });
    },
  },
  rmdir: {
    usage: "rmdir path",
    help: "Remove an empty remote directory",
    words: [1, 1],
    run: async (call) => {
      const { session } = call;
      if (!(await session.client.lstat(remoteOf(call), session)).isDirectory) {
        throw new SftpCommandError(`Cannot remove "${textOf(call)}": it is not a directory`);
      }
      await session.client.remove(remoteOf(call), session);
    },
  },
  symlink: {
    usage: "symlink target link",
    help: "Make a symbolic link",
    words: [2, 2],
    run: (call) => call.session.client.symlink(textOf(call), remoteOf(call, 1), call.session),
  },
};

function id(call: CommandCall): number {
  const text = textOf(call);
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffff_ffff) return Number(text);
  throw new UsageError(`"${text}" is no number of a user or group`);
}

/** Changes attributes of all that the second word stands for. */
async function each(
  call: CommandCall,
  what: string,
  changesOf: (path: string) => Promise<SftpChanges>,
): Promise<void> {
  const { session } = call;
  const paths = await session.matching(call.words[1]!);
  await session.all(paths, async (path) => {
    if (!session.options.quiet) await print(`Changing ${what} on ${printable(path)}\n`);
    try {
      const changes = await changesOf(path);
      if (call.has("h")) await session.client.lsetStat(path, changes, session);
      else await session.client.setStat(path, changes, session);
    } catch (error) {
      if (!(error instanceof SftpError)) throw error;
      throw new SftpCommandError(`Couldn't change ${what}: ${error.message}`);
    }
  });
}
