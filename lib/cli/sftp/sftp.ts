import { SftpError, SshError } from "../../errors.ts";
import type { SftpClient } from "../../sftp/client.ts";
import {
  CONNECTION_LETTERS,
  type CopyFlags,
  copyFlags,
  tuningFlags,
} from "../shared/copy_flags.ts";
import { parseOperand, type RemoteOperand } from "../shared/operands.ts";
import { messageOf } from "../shared/failure.ts";
import { openRemoteHost, type RemoteHost, RemoteHostError } from "../shared/remote_host.ts";
import { hasFlag, lastValue, parseFlags, UsageError } from "../shared/flags.ts";
import { Log } from "../shared/log.ts";
import { runCommands } from "./run_commands.ts";
import { SftpShell, type SftpShellOptions } from "./shell.ts";
import { InterruptedError } from "../../terminal/ask.ts";

/** What `sftp --help` prints. */
export const SFTP_HELP = `usage: sftp [-46AaCfNpqrv] [-B buffer_size] [-b batchfile] [-c cipher]
            [-D sftp_server_command] [-F ssh_config] [-i identity_file]
            [-J destination] [-l limit] [-o ssh_option] [-P port]
            [-R num_requests] [-S program] [-s subsystem|path] [-X sftp_option]
            [user@]host[:path [local]] | sftp://[user@]host[:port][/path]

Commands come from the terminal, from standard input or from a batch file; "help" lists them. A batch
ends at the first command that fails, unless the command begins with a dash.

  -a, -f, -p, -r  use -a, -f, -p and -r in each get and put: resume, flush to the disk, keep times and
                  modes, whole folders
  -N              prints what is copied in a batch, too
  -B, -R          bytes of a request and requests in flight, which limit the memory of a transfer
  -l              maximum kilobits per second
  -X channels=N   spreads a large file over N channels, or as many as needed ("auto"); a put
                  then replaces a file when the new one is complete. Without it, existing files
                  are written in place, over one channel
  -X connections=N
                  spreads large files over N connections, if each of them is slow
`;

/** The exit codes of sftp(1): for an error outside a command, a failed command of a batch, and Ctrl-C. */
const FAILURE = 255;
const BATCH_FAILURE = 1;
const INTERRUPTED = 130;
const LETTERS = `${CONNECTION_LETTERS}12afhNprb:B:l:R:s:X:`;

interface SftpArguments {
  /** The host, and the file to fetch or the first directory; null with -D. */
  readonly place: RemoteOperand | null;
  /** The local path of the fetched file. */
  readonly local: string | null;
  readonly flags: CopyFlags;
  readonly shell: SftpShellOptions;
  /** A file with commands, or `-`; null means standard input, where errors do not end the session. */
  readonly batch: string | null;
}

/**
 * `sftp`: runs commands for local and remote files.
 *
 * @returns The exit code
 */
export async function sftp(args: readonly string[]): Promise<number> {
  let job: SftpArguments;
  try {
    job = await parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`sftp: ${messageOf(error)}`);
    return BATCH_FAILURE;
  }
  const log = new Log(job.flags.level);
  let host: RemoteHost | null = null;
  let client: SftpClient | null = null;
  try {
    host = await openRemoteHost(job.place?.target ?? null, job.flags, log);
    client = await host.sftp(job.shell.requestLength);
    if (job.batch === null && job.place) log.info(`Connected to ${job.place.target.hostname}.`);
    const onNote = (note: string) => log.verbose(note);
    const shell = await SftpShell.start(client, { ...job.shell, onNote });
    const done = await runCommands(shell, { ...job, path: job.place?.path ?? "" }, log);
    return done ? 0 : BATCH_FAILURE;
  } catch (error) {
    if (error instanceof InterruptedError) return INTERRUPTED;
    const told = error instanceof RemoteHostError || error instanceof SftpError;
    log.error(told || host === null ? messageOf(error) : host.describe(error));
    if (error instanceof SshError && !told) log.verbose(error.stack ?? "");
    return FAILURE;
  } finally {
    await client?.close();
    await host?.[Symbol.asyncDispose]();
  }
}

async function parse(args: readonly string[]): Promise<SftpArguments> {
  const { flags, rest } = parseFlags(args, { letters: LETTERS });
  const value = (name: string) => lastValue(flags, name);
  const has = (name: string) => hasFlag(flags, name);
  if (has("h")) throw new UsageError("see sftp --help");
  const [destination, local = null, ...more] = rest;
  if (destination === undefined && !has("D")) {
    throw new UsageError("no host given; see sftp --help");
  }
  if (more.length > 0) throw new UsageError(`unexpected argument "${more[0]}"`);
  const tuning = tuningFlags(flags);
  const quiet = (has("q") || has("b")) && !has("N");
  // As in sftp(1): a batch asks no questions.
  const base = await copyFlags(flags, has("b") ? [{ name: "BatchMode", value: "yes" }] : []);
  return {
    place: has("D") ? null : parseOperand(destination!, "sftp"),
    local: has("D") ? null : local,
    flags: { ...base, quiet, subsystem: value("s") ?? base.subsystem },
    shell: {
      recursive: has("r"),
      preserve: has("p"),
      resume: has("a"),
      sync: has("f"),
      quiet,
      progress: !has("q") && !has("b"),
      ...tuning,
    },
    batch: value("b"),
  };
}
