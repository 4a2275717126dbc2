import type { Target } from "../client/options.ts";
import { parseTarget } from "../client/options.ts";
import { SftpError, SshError } from "../errors.ts";
import { SftpStatus } from "../sftp/status.ts";
import { describeFailure, messageOf } from "./failure.ts";
import { parseFlags, UsageError } from "./flags.ts";
import { lines } from "./lines.ts";
import { Log } from "./log.ts";
import { logIn, placeOf } from "./login.ts";
import { get } from "./sftp_copy.ts";
import { runLine } from "./sftp_commands.ts";
import { SftpSession, type SftpSessionOptions } from "./sftp_session.ts";
import { optionOfFlag, parseDestination, type SshOptions, sshOptions } from "./ssh_options.ts";
import { InterruptedError, onSignals } from "./terminal.ts";

/** What `sftp --help` prints. */
export const SFTP_HELP =
  `usage: sftp [-CNpqrv] [-b batchfile|-] [-c cipher] [-F none] [-i key] [-l user]
            [-m mac] [-o Key=Value] [-P port] [user@]host[:path]

Commands come from the terminal, from standard input or from a batch file; "help" lists them. A batch
ends at the first command that fails, unless a dash stands before it.
`;

const FAILURE = 255;
const BATCH_FAILURE = 1;
const INTERRUPTED = 130;
const LETTERS = "CNpqrvb:c:F:i:l:m:o:P:";

interface Job {
  readonly target: Target;
  /** What to fetch, or where to begin; null is where the server puts us. */
  readonly path: string | null;
  readonly options: SshOptions;
  readonly session: SftpSessionOptions;
  /** A file with commands, or `-`; null is standard input, where errors do not end it. */
  readonly batch: string | null;
}

/**
 * `sftp`: commands about files here and on another machine.
 *
 * @returns The exit code
 */
export async function sftp(args: readonly string[]): Promise<number> {
  let job: Job;
  try {
    job = parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`sftp: ${messageOf(error)}`);
    return BATCH_FAILURE;
  }
  const log = new Log(job.options.LogLevel);
  const place = placeOf(job.target, job.options);
  try {
    await using client = await logIn(place, job.options, log);
    await using files = await client.sftp();
    if (job.batch === null) log.info(`Connected to ${place.host}.`);
    return await converse(await SftpSession.start(files, job.session), job, log);
  } catch (error) {
    if (error instanceof InterruptedError) return INTERRUPTED;
    log.error(describeFailure(error, place));
    return FAILURE;
  }
}

function parse(args: readonly string[]): Job {
  const { flags, rest } = parseFlags(args, { letters: LETTERS });
  const [destination, ...more] = rest;
  if (destination === undefined) throw new UsageError("no host given; see sftp --help");
  if (more.length > 0) throw new UsageError(`unexpected argument "${more[0]}"`);
  const value = (name: string) => flags.findLast((flag) => flag.name === name)?.value ?? null;
  const has = (name: string) => value(name) !== null;
  const config = value("F");
  if (config !== null && config !== "none" && config !== "/dev/null") {
    throw new UsageError("configuration files are not read; -F none is fine");
  }
  const options = sshOptions([
    ...flags.flatMap(({ name, value }) => {
      const option = name === "P" ? { name: "Port", value } : optionOfFlag(name, value);
      return option === null ? [] : [option];
    }),
    // As sftp(1) has it: nobody is there to answer in a batch.
    ...has("b") ? [{ name: "BatchMode", value: "yes" }] : [],
  ]);
  return {
    ...parsePlace(destination),
    options,
    session: { recursive: has("r"), preserve: has("p"), quiet: has("q") },
    batch: value("b"),
  };
}

/** `[user@]host[:path]`, where an IPv6 address stands in brackets, or `sftp://[user@]host[:port]/path`. */
function parsePlace(destination: string): { target: Target; path: string | null } {
  const url = /^sftp:\/\/([^/]*)(?:\/(.*))?$/s.exec(destination);
  if (url) {
    try {
      return { target: parseTarget(url[1]!), path: url[2] || null };
    } catch (cause) {
      throw new UsageError(`Cannot parse the destination "${destination}"`, { cause });
    }
  }
  const parts = /^((?:[^@]*@)?(?:\[[^\]]*\]|[^:]*))(?::(.*))?$/s.exec(destination);
  if (!parts) throw new UsageError(`Cannot parse the destination "${destination}"`);
  return { target: parseDestination(parts[1]!), path: parts[2] || null };
}

async function converse(session: SftpSession, job: Job, log: Log): Promise<number> {
  if (job.path !== null) {
    const path = session.remote(job.path);
    if ((await session.stat(path))?.isDirectory) {
      session.directory = await session.client.realPath(path);
    } else {
      const word = { text: job.path, pattern: job.path };
      return await attempt(session, log, () => get(session, word, null, job.session))
        ? 0
        : BATCH_FAILURE;
    }
  }
  using input = job.batch === null || job.batch === "-"
    ? { file: Deno.stdin, [Symbol.dispose]() {} }
    : await openBatch(job.batch);
  const interactive = job.batch === null && Deno.stdin.isTerminal();
  const prompt = () => interactive && say("sftp> ");
  prompt();
  for await (const line of lines(input.file)) {
    const { command, silent, tolerant } = modifiers(line, job.batch !== null);
    if (!interactive && !silent && !job.session.quiet && command.trim() !== "") {
      say(`sftp> ${line}\n`);
    }
    let goesOn = true;
    const done = await attempt(session, log, async () => {
      goesOn = await runLine(session, command);
    });
    if (!goesOn) return 0;
    if (!done && !tolerant && job.batch !== null) return BATCH_FAILURE;
    prompt();
  }
  if (interactive) say("\n");
  return 0;
}

/** sftp(1), -b: a dash before a command tolerates its failure, an at sign keeps it from being shown. */
function modifiers(line: string, batch: boolean) {
  const [, signs, command] = /^\s*([-@]*)(.*)$/s.exec(line)!;
  return {
    command: command!,
    silent: signs!.includes("@"),
    tolerant: signs!.includes("-") || !batch,
  };
}

async function openBatch(path: string): Promise<{ file: Deno.FsFile } & Disposable> {
  const file = await Deno.open(path);
  return { file, [Symbol.dispose]: () => file.close() };
}

/**
 * Runs a command; Ctrl-C ends it, and not the session.
 *
 * @returns Whether it was done
 * @throws {SftpError} If the session is over
 */
async function attempt(
  session: SftpSession,
  log: Log,
  run: () => Promise<void>,
): Promise<boolean> {
  const interrupt = new AbortController();
  session.signal = interrupt.signal;
  using _ = onSignals(["SIGINT"], () => interrupt.abort(new InterruptedError()));
  try {
    await run();
    return true;
  } catch (error) {
    const over = error instanceof SftpError
      ? OVER.includes(error.status)
      : error instanceof SshError;
    if (over) throw error;
    log.error(messageOf(error));
    return false;
  }
}

const OVER: readonly number[] = [SftpStatus.NO_CONNECTION, SftpStatus.CONNECTION_LOST];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
