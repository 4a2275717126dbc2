import { escapeGlob } from "../../patterns.ts";
import type { OpenFile } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { messageOf } from "../shared/failure.ts";
import { readLines } from "./read_lines.ts";
import type { Log } from "../shared/log.ts";
import { runLine } from "./command_table.ts";
import { get } from "./copy_commands.ts";
import { isSessionLost, SftpCommandError, type SftpShell } from "./shell.ts";
import { InterruptedError } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";

/** The source of the commands. */
export interface CommandSource {
  /** The file to fetch, or the first directory; empty for the server's default. */
  readonly path: string;
  /** The local path of the fetched file. */
  readonly local: string | null;
  /** A file with commands, or `-`; null means standard input, where errors do not end the session. */
  readonly batch: string | null;
}

/**
 * Runs commands until there are no more.
 *
 * @returns False if a command of a batch failed and was not marked to ignore that
 * @throws {SshError} If the session has ended
 */
export async function runCommands(
  shell: SftpShell,
  { path, local, batch }: CommandSource,
  log: Log,
): Promise<boolean> {
  if (path !== "") {
    const start = shell.remote(path);
    if ((await shell.stat(start))?.isDirectory) {
      if (!shell.options.quiet && batch === null) log.info(`Changing to: ${path}`);
      shell.directory = await shell.client.realPath(start);
    } else {
      const word = { text: path, pattern: local === null ? path : escapeGlob(path) };
      return await attempt(shell, log, () => get(shell, word, local, shell.options));
    }
  }
  using input = batch === null || batch === "-"
    ? { file: runtime.terminal.stdin, [Symbol.dispose]() {} }
    : await openBatch(batch);
  const interactive = batch === null && runtime.terminal.stdin.isTerminal();
  const prompt = () => interactive && say("sftp> ");
  prompt();
  for await (const line of readLines(input.file)) {
    const { command, silent, tolerant } = modifiers(line, batch !== null);
    if (!interactive && !silent && command.trim() !== "") {
      say(`sftp> ${line}\n`);
    }
    let goesOn = true;
    const done = await attempt(shell, log, async () => {
      goesOn = await runLine(shell, command);
    });
    if (!goesOn) return true;
    if (!done && !tolerant) return false;
    prompt();
  }
  if (interactive) say("\n");
  return true;
}

/** sftp(1), -b: a dash before a command ignores its failure, an at sign does not print it. */
function modifiers(line: string, batch: boolean) {
  const [, signs, command] = /^\s*([-@]*)(.*)$/s.exec(line)!;
  return {
    command: command!,
    silent: signs!.includes("@"),
    tolerant: signs!.includes("-") || !batch,
  };
}

async function openBatch(path: string): Promise<{ file: OpenFile } & Disposable> {
  const file = await runtime.files.open(path);
  return { file, [Symbol.dispose]: () => file.close() };
}

/**
 * Runs a command; Ctrl-C ends the command, but not the session.
 *
 * @returns Whether it succeeded
 * @throws {SftpError} If the session has ended
 */
async function attempt(
  shell: SftpShell,
  log: Log,
  run: () => Promise<void>,
): Promise<boolean> {
  const interrupt = new AbortController();
  shell.signal = interrupt.signal;
  using _ = onSignals(["SIGINT"], () => interrupt.abort(new InterruptedError()));
  try {
    await run();
    return true;
  } catch (error) {
    if (isSessionLost(error)) throw error;
    for (const line of reasonsOf(error)) log.error(line);
    return false;
  }
}

/** One line for each file that failed. */
function reasonsOf(error: unknown): string[] {
  return error instanceof SftpCommandError ? error.message.split("\n") : [messageOf(error)];
}

function say(text: string): void {
  runtime.terminal.stdout.writeSync(new TextEncoder().encode(text));
}
