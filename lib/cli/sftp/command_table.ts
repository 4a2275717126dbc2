import { printable } from "../../errors.ts";
import { parseFlags, UsageError } from "../shared/flags.ts";
import type { CommandCall, SftpCommand } from "./command.ts";
import { print } from "../shared/log.ts";
import { COPY_COMMANDS } from "./copy_commands.ts";
import { LIST_COMMANDS } from "./list_commands.ts";
import { LOCAL_COMMANDS, runLocal } from "./local_commands.ts";
import { REMOTE_COMMANDS } from "./remote_commands.ts";
import type { SftpShell } from "./shell.ts";
import { splitWords, type Word } from "../shared/split_words.ts";

const OWN_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  help: { usage: "help", help: "Show this", words: [0, 0], run: help },
  progress: {
    usage: "progress",
    help: "Switch the progress meter on or off",
    words: [0, 0],
    run: ({ shell }) => {
      shell.progress = !shell.progress;
      return print(`Progress meter ${shell.progress ? "enabled" : "disabled"}\n`);
    },
  },
  version: {
    usage: "version",
    help: "Show the protocol's version",
    words: [0, 0],
    run: ({ shell }) => print(`SFTP protocol version ${shell.client.version}\n`),
  },
};

const COMMANDS: Readonly<Record<string, SftpCommand>> = {
  ...COPY_COMMANDS,
  ...LIST_COMMANDS,
  ...LOCAL_COMMANDS,
  ...REMOTE_COMMANDS,
  ...OWN_COMMANDS,
};

const ALIASES: Readonly<Record<string, string>> = {
  "?": "help",
  chdir: "cd",
  copy: "cp",
  dir: "ls",
  lchdir: "lcd",
  mget: "get",
  mput: "put",
};
const END_COMMANDS = ["bye", "exit", "quit"];

/**
 * Runs one line.
 *
 * @returns False if the line ends the session
 * @throws {UsageError | SftpCommandError | SftpError} If the command fails
 */
export async function runLine(shell: SftpShell, line: string): Promise<boolean> {
  const trimmed = line.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return true;
  if (trimmed.startsWith("!")) {
    await runLocal(trimmed.slice(1).trim());
    return true;
  }
  const [first, ...words] = splitWords(trimmed);
  const typed = first!.text.toLowerCase();
  if (END_COMMANDS.includes(typed)) return false;
  const name = Object.hasOwn(ALIASES, typed) ? ALIASES[typed]! : typed;
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageError("Invalid command.");
  await COMMANDS[name]!.run(callOf(shell, COMMANDS[name]!, words));
  return true;
}

function callOf(shell: SftpShell, command: SftpCommand, words: readonly Word[]): CommandCall {
  const { flags: letters, words: [least, most] } = command;
  const { flags, rest } = letters === undefined
    ? { flags: [], rest: words }
    : parseFlags(words.map((word) => word.text), { letters });
  if (rest.length < least || rest.length > most) throw new UsageError(`usage: ${command.usage}`);
  return {
    shell,
    words: words.slice(words.length - rest.length),
    has: (name) => flags.some((flag) => flag.name === name),
  };
}

async function help(): Promise<void> {
  const rows = Object.values(COMMANDS).map(({ usage, help }) => [usage, help]);
  rows.push(["!command", "Run a local command"], ["quit, exit, bye", "End"]);
  rows.sort(([a], [b]) => a! < b! ? -1 : 1);
  const width = Math.max(...rows.map(([usage]) => usage!.length));
  await print(
    rows.map(([usage, help]) => `${usage!.padEnd(width)}  ${printable(help!)}\n`).join(""),
  );
}
