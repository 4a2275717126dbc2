import {
  CONNECTION_LETTERS,
  type CopyFlags,
  copyFlags,
  tuningFlags,
} from "../shared/copy_flags.ts";
import { isRemote, type Operand, parseOperand } from "../shared/operands.ts";
import { messageOf } from "../shared/failure.ts";
import { RemoteHostError } from "../shared/remote_host.ts";
import { hasFlag, parseFlags, UsageError } from "../shared/flags.ts";
import { Log } from "../shared/log.ts";
import { RemoteHosts, type ScpJob } from "./job.ts";
import { copyByFirstHost, copyLegacy, serveLegacy } from "./legacy.ts";
import { copyLocal, copyOverSftp } from "./over_sftp.ts";
import { InterruptedError } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";

/** What `scp --help` prints. */
export const SCP_HELP = `usage: scp [-346ABCOpqRrsTv] [-c cipher] [-D sftp_server_path]
           [-F ssh_config] [-i identity_file] [-J destination] [-l limit]
           [-o ssh_option] [-P port] [-S program] [-X sftp_option] source ... target

A source or target is a local path, [user@]host:[path], or scp://[user@]host[:port][/path].

  -p, -r   keep times and modes; copy whole folders
  -3, -R   copy between two hosts through this one (the default), or with an scp on the first
  -s, -O   use SFTP (the default), or the old scp protocol
  -T       with -O: accept any names that the server sends
  -l       maximum kilobits per second
  -X       nrequests=N, buffer=BYTES; channels=N or channels=auto (the default): over how many
           channels of the connection to spread a large file; connections=N: over how many
           connections, if each of them is slow
`;

const LETTERS = `${CONNECTION_LETTERS}123BdfTOpRrstl:X:`;
const FAILURE = 1;
const INTERRUPTED = 130;

/**
 * `scp`: copies files between machines.
 *
 * @returns The exit code
 */
export async function scp(args: readonly string[]): Promise<number> {
  let job: ScpJob;
  let operands: readonly string[];
  try {
    ({ job, operands } = await parse(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`scp: ${messageOf(error)}`);
    return FAILURE;
  }
  const interrupt = new AbortController();
  using _ = onSignals(["SIGINT"], () => interrupt.abort(new InterruptedError()));
  job = { ...job, signal: interrupt.signal };
  try {
    if (job.serving !== null) return await serveLegacy(job, job.serving, operands);
    await using hosts = new RemoteHosts(job.flags, job.requestLength, job.log);
    return await copy(job, hosts, operands.map(operandOf)) ? 0 : FAILURE;
  } catch (error) {
    if (error instanceof InterruptedError) return INTERRUPTED;
    job.log.error(error instanceof RemoteHostError ? error.message : `scp: ${messageOf(error)}`);
    return error instanceof RemoteHostError ? 255 : FAILURE;
  }
}

async function copy(
  job: ScpJob,
  hosts: RemoteHosts,
  operands: readonly Operand[],
): Promise<boolean> {
  const sources = operands.slice(0, -1);
  const target = operands.at(-1)!;
  let done = true;
  const many = sources.length > 1;
  for (const source of sources) {
    const ok = "local" in source && "local" in target
      ? await copyLocal(job, source, target, many)
      : job.byFirstHost && !("local" in source) && !("local" in target)
      ? await copyByFirstHost(job, hosts, source, target)
      : job.legacy
      ? await copyLegacy(job, hosts, source, target, many)
      : await copyOverSftp(job, hosts, source, target, many);
    done &&= ok;
  }
  return done;
}

function operandOf(text: string): Operand {
  return isRemote(text) ? parseOperand(text, "scp") : { local: text };
}

async function parse(
  args: readonly string[],
): Promise<{ job: ScpJob; operands: readonly string[] }> {
  const { flags, rest } = parseFlags(args, { letters: LETTERS });
  const has = (name: string) => hasFlag(flags, name);
  const serving = has("t") ? "sink" : has("f") ? "source" : null;
  if (rest.length < (serving === null ? 2 : 1)) throw new UsageError("usage: see scp --help");
  const more = [
    ...has("B") ? [{ name: "BatchMode", value: "yes" }] : [],
  ];
  const connection: CopyFlags = await copyFlags(flags, more);
  const log = new Log(has("v") ? "verbose" : connection.level);
  const last = flags.findLast(({ name }) => name === "O" || name === "s")?.name;
  return {
    operands: rest,
    job: {
      flags: connection,
      log,
      signal: new AbortController().signal,
      recursive: has("r"),
      preserve: has("p"),
      intoFolder: has("d"),
      legacy: last === "O",
      trusting: has("T"),
      byFirstHost: has("R"),
      serving,
      progress: !has("q") && serving === null,
      ...tuningFlags(flags),
    },
  };
}
