import { printable } from "../errors.ts";
import { parseFlags, UsageError } from "./flags.ts";
import { get, put } from "./sftp_copy.ts";
import { listing } from "./sftp_list.ts";
import { SftpCommandError, type SftpSession } from "./sftp_session.ts";
import { splitWords, type Word } from "./sftp_words.ts";

/** What a command has been given. */
interface Call {
  readonly session: SftpSession;
  /** The words that are no flags. */
  readonly words: readonly Word[];
  /** Whether a flag was given, by its letter. */
  has(letter: string): boolean;
}

interface Command {
  readonly usage: string;
  readonly help: string;
  /** Letters of the flags it takes. */
  readonly flags?: string;
  /** How many words it takes. */
  readonly words: readonly [least: number, most: number];
  readonly run: (call: Call) => Promise<void>;
}

const text = (call: Call, index = 0): string => call.words[index]!.text;
const remote = (call: Call, index = 0): string => call.session.remote(text(call, index));

const COMMANDS: Readonly<Record<string, Command>> = {
  cd: {
    usage: "cd [path]",
    help: "Change the remote directory",
    words: [0, 1],
    run: async (call) => {
      const { session } = call;
      const path = call.words.length === 0 ? session.home : remote(call);
      const real = await session.client.realPath(path, session);
      if (!(await session.client.stat(real, session)).isDirectory) {
        throw new SftpCommandError(`Can't change directory: "${text(call)}" is not a directory`);
      }
      session.directory = real;
    },
  },
  chmod: {
    usage: "chmod mode path",
    help: "Change the permissions of remote files; the mode is octal",
    words: [2, 2],
    run: async (call) => {
      if (!/^[0-7]{1,4}$/.test(text(call))) throw new UsageError(`Bad mode "${text(call)}"`);
      const mode = parseInt(text(call), 8);
      for (const path of await call.session.matching(call.words[1]!)) {
        await call.session.client.chmod(path, mode, call.session);
      }
    },
  },
  get: {
    usage: "get [-pr] remote [local]",
    help: "Fetch files; -r folders, -p times and modes",
    flags: "pPrR",
    words: [1, 2],
    run: (call) => get(call.session, call.words[0]!, call.words[1]?.text ?? null, copying(call)),
  },
  help: { usage: "help", help: "Show this", words: [0, 0], run: help },
  lcd: {
    usage: "lcd path",
    help: "Change the local directory",
    words: [1, 1],
    run: (call) => Promise.resolve(Deno.chdir(text(call))),
  },
  lls: {
    usage: "lls [flags] [path]",
    help: "List a local directory",
    words: [0, Infinity],
    run: ({ words }) => local("ls", words.map((word) => word.text)),
  },
  lmkdir: {
    usage: "lmkdir path",
    help: "Make a local directory",
    words: [1, 1],
    run: (call) => Deno.mkdir(text(call)),
  },
  ln: {
    usage: "ln [-s] target link",
    help: "Give a remote file a second name; -s by a symbolic link",
    flags: "s",
    words: [2, 2],
    run: (call) =>
      call.has("s")
        ? call.session.client.symlink(text(call), remote(call, 1), call.session)
        : call.session.client.link(remote(call), remote(call, 1), call.session),
  },
  lpwd: {
    usage: "lpwd",
    help: "Show the local directory",
    words: [0, 0],
    run: () => print(`Local working directory: ${Deno.cwd()}\n`),
  },
  ls: {
    usage: "ls [-1al] [path]",
    help: "List remote files; -l with everything, -a hidden ones too, -1 one a line",
    flags: "1al",
    words: [0, 1],
    run: async (call) => {
      const options = { long: call.has("l"), all: call.has("a"), single: call.has("1") };
      await print(await listing(call.session, call.words[0] ?? null, options));
    },
  },
  mkdir: {
    usage: "mkdir path",
    help: "Make a remote directory",
    words: [1, 1],
    run: (call) => call.session.client.mkdir(remote(call), call.session),
  },
  put: {
    usage: "put [-pr] local [remote]",
    help: "Store files; -r folders, -p times and modes",
    flags: "pPrR",
    words: [1, 2],
    run: (call) => put(call.session, call.words[0]!, call.words[1]?.text ?? null, copying(call)),
  },
  pwd: {
    usage: "pwd",
    help: "Show the remote directory",
    words: [0, 0],
    run: ({ session }) => print(`Remote working directory: ${printable(session.directory)}\n`),
  },
  rename: {
    usage: "rename old new",
    help: "Rename a remote file",
    words: [2, 2],
    run: (call) => call.session.client.rename(remote(call), remote(call, 1), call.session),
  },
  rm: {
    usage: "rm path",
    help: "Remove remote files",
    words: [1, 1],
    run: async ({ session, words }) => {
      for (const path of await session.matching(words[0]!)) {
        if ((await session.client.lstat(path, session)).isDirectory) {
          throw new SftpCommandError(`Cannot remove "${printable(path)}": it is a directory`);
        }
        if (!session.options.quiet) await print(`Removing ${printable(path)}\n`);
        await session.client.remove(path, session);
      }
    },
  },
  rmdir: {
    usage: "rmdir path",
    help: "Remove an empty remote directory",
    words: [1, 1],
    run: async (call) => {
      const { session } = call;
      if (!(await session.client.lstat(remote(call), session)).isDirectory) {
        throw new SftpCommandError(`Cannot remove "${text(call)}": it is not a directory`);
      }
      await session.client.remove(remote(call), session);
    },
  },
  symlink: {
    usage: "symlink target link",
    help: "Make a symbolic link",
    words: [2, 2],
    run: (call) => call.session.client.symlink(text(call), remote(call, 1), call.session),
  },
  version: {
    usage: "version",
    help: "Show the protocol's version",
    words: [0, 0],
    run: ({ session }) => print(`SFTP protocol version ${session.client.version}\n`),
  },
};

const ALIASES: Readonly<Record<string, string>> = { chdir: "cd", dir: "ls", "?": "help" };
const ENDINGS = ["bye", "exit", "quit"];

/**
 * Runs one line.
 *
 * @returns Whether the session goes on
 * @throws {UsageError | SftpCommandError | SftpError} If the command fails
 */
export async function runLine(session: SftpSession, line: string): Promise<boolean> {
  const trimmed = line.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return true;
  if (trimmed.startsWith("!")) {
    const shell = Deno.env.get("SHELL") ?? "/bin/sh";
    const command = trimmed.slice(1).trim();
    await local(shell, command === "" ? [] : ["-c", command]);
    return true;
  }
  const [first, ...words] = splitWords(trimmed);
  const typed = first!.text.toLowerCase();
  if (ENDINGS.includes(typed)) return false;
  const name = Object.hasOwn(ALIASES, typed) ? ALIASES[typed]! : typed;
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`Invalid command "${printable(typed)}"; "help" lists them`);
  }
  await COMMANDS[name]!.run(callOf(session, COMMANDS[name]!, words));
  return true;
}

function callOf(session: SftpSession, command: Command, words: readonly Word[]): Call {
  const { flags: letters, words: [least, most] } = command;
  const { flags, rest } = letters === undefined
    ? { flags: [], rest: words }
    : parseFlags(words.map((word) => word.text), { letters });
  if (rest.length < least || rest.length > most) throw new UsageError(`usage: ${command.usage}`);
  return {
    session,
    words: words.slice(words.length - rest.length),
    has: (name) => flags.some((flag) => flag.name === name),
  };
}

function copying({ session, has }: Call): { recursive: boolean; preserve: boolean } {
  const { recursive, preserve } = session.options;
  return {
    recursive: recursive || has("r") || has("R"),
    preserve: preserve || has("p") || has("P"),
  };
}

async function local(command: string, args: readonly string[]): Promise<void> {
  const { success, code } = await new Deno.Command(command, {
    args: [...args],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new SftpCommandError(`Local command failed with exit code ${code}`);
}

async function help(): Promise<void> {
  const lines = Object.values(COMMANDS).map(({ usage, help }) => `${usage.padEnd(26)} ${help}\n`);
  const more = [["!command", "Run a local command"], ["quit, exit, bye", "End"]]
    .map(([usage, help]) => `${usage!.padEnd(26)} ${help}\n`);
  await print([...lines, ...more].join(""));
}

async function print(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}
