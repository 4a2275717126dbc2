/** Commands for this machine. */
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { type SftpCommand, textOf } from "./command.ts";
import { print } from "../shared/log.ts";
import { SftpCommandError } from "./shell.ts";

/** `lcd`, `lls`, `lmkdir`, `lpwd` and `lumask`. */
export const LOCAL_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  lcd: {
    usage: "lcd [path]",
    help: "Change the local directory",
    words: [0, 1],
    run: (call) => {
      const folder = call.words.length === 0 ? runtime.env.get("HOME") ?? "/" : textOf(call);
      runtime.process.chdir(folder);
      return Promise.resolve();
    },
  },
  lls: {
    usage: "lls [flags] [path]",
    help: "List a local directory",
    words: [0, Infinity],
    run: ({ words }) => run("ls", words.map((word) => word.text)),
  },
  lmkdir: {
    usage: "lmkdir path",
    help: "Make a local directory",
    words: [1, 1],
    run: (call) => runtime.files.mkdir(textOf(call)),
  },
  lpwd: {
    usage: "lpwd",
    help: "Show the local directory",
    words: [0, 0],
    run: () => print(`Local working directory: ${runtime.process.cwd()}\n`),
  },
  lumask: {
    usage: "lumask umask",
    help: "Set the umask of new local files",
    words: [1, 1],
    run: (call) => {
      const text = textOf(call);
      if (!/^[0-7]{1,3}$/.test(text)) throw new UsageError(`Bad umask "${text}"`);
      runtime.process.umask(parseInt(text, 8));
      return print(`Local umask: ${text.padStart(3, "0")}\n`);
    },
  },
};

/** `!`: a local command, or a shell if there is none. */
export async function runLocal(command: string): Promise<void> {
  const shell = runtime.env.get("SHELL") ?? "/bin/sh";
  await run(shell, command === "" ? [] : ["-c", command]);
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, code } = await runtime.programs.output(command, {
    args: [...args],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  if (!success) throw new SftpCommandError(`Local command failed with exit code ${code}`);
}
