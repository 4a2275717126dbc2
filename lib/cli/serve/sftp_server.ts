import { printable } from "../../errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { EXTENSIONS } from "../../sftp/server/extensions.ts";
import { localFiles } from "../../sftp/server/local_files.ts";
import { OPERATIONS } from "../../sftp/server/operations.ts";
import { serveSftp, type ServeSftpOptions } from "../../sftp/server/server.ts";
import { statusText } from "../../sftp/protocol/status.ts";
import type { SftpRequestReport } from "../../sftp/server/audit.ts";
import { messageOf } from "../shared/failure.ts";
import { lastValue, parseFlags, UsageError } from "../shared/flags.ts";
import { Log } from "../shared/log.ts";
import { blockingChannel } from "../shared/stdio_channel.ts";

/** What `sftp-server --help` prints. */
export const SFTP_SERVER_HELP =
  `usage: sftp-server [-ehR] [-d start_directory] [-f log_facility] [-l log_level]
                   [-P denied_requests] [-p allowed_requests] [-u umask]
       sftp-server -Q requests

Serves SFTP on standard input and output, started by an SSH server: in sshd_config
"Subsystem sftp deno run -A …/main.ts sftp-server". Clients may use all files that the user may use, as
with OpenSSH's sftp-server. With -e, requests are logged on standard error.
`;

const FAILURE = 255;
const LETTERS = "d:f:l:P:p:Q:u:ehR";

/** The log levels; frequent requests are logged from `debug` on. */
const LEVELS: readonly string[] = [
  "quiet",
  "fatal",
  "error",
  "info",
  "verbose",
  "debug",
  "debug1",
  "debug2",
  "debug3",
];
const [INFO, DEBUG] = [LEVELS.indexOf("info"), LEVELS.indexOf("debug")];
const FREQUENT: readonly string[] = ["read", "write", "readdir", "fstat", "stat", "lstat"];

interface SftpServerArguments {
  readonly directory: string | null;
  readonly umask: number | null;
  readonly options: ServeSftpOptions;
  /** -Q: the list to print instead of serving. */
  readonly query: string | null;
}

/**
 * `sftp-server`: serves files on the standard streams.
 *
 * @returns The exit code
 */
export async function sftpServer(args: readonly string[]): Promise<number> {
  const log = new Log();
  let job: SftpServerArguments;
  try {
    job = parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    log.error(`sftp-server: ${messageOf(error)}; see sftp-server --help`);
    return 1;
  }
  if (job.query !== null) return query(job.query, log);
  try {
    if (job.directory !== null) runtime.process.chdir(job.directory);
    if (job.umask !== null) runtime.process.umask(job.umask);
    const backend = localFiles({ root: "/", home: runtime.process.cwd(), blocking: true });
    await serveSftp(blockingChannel(), backend, job.options);
    return 0;
  } catch (error) {
    log.error(`sftp-server: ${messageOf(error)}`);
    return FAILURE;
  }
}

function parse(args: readonly string[]): SftpServerArguments {
  // Words after the flags are ignored, because `scp -D` passes the arguments of ssh.
  const { flags } = parseFlags(args, { letters: LETTERS });
  const value = (name: string) => lastValue(flags, name);
  if (value("h") !== null) throw new UsageError("usage: sftp-server [flags]");
  const umask = value("u");
  if (umask !== null && !/^[0-7]{1,4}$/.test(umask)) {
    throw new UsageError(`Invalid umask "${umask}"`);
  }
  const level = LEVELS.indexOf((value("l") ?? "error").toLowerCase());
  if (level < 0) throw new UsageError(`Invalid log level "${value("l")}"`);
  const [allowed, denied] = [value("p"), value("P")].map((list) => list?.split(",") ?? null);
  return {
    directory: value("d") === null ? null : startOf(value("d")!),
    umask: umask === null ? null : parseInt(umask, 8),
    query: value("Q"),
    options: {
      readOnly: value("R") !== null,
      permits: (request) => !denied?.includes(request) && (!allowed || allowed.includes(request)),
      ...(value("e") !== null && level >= INFO && {
        onRequest: (report: SftpRequestReport) => {
          if (level >= DEBUG || !FREQUENT.includes(report.request)) new Log().error(line(report));
        },
      }),
    },
  };
}

/** sftp-server(8), -d: %d is the home directory, %u the user. */
function startOf(template: string): string {
  return template.replace(/%(.)/g, (_, letter: string) => {
    if (letter === "%") return "%";
    const name = letter === "d" ? "HOME" : letter === "u" ? "USER" : null;
    const text = name === null ? undefined : runtime.env.get(name);
    if (text === undefined) throw new UsageError(`Cannot expand "%${letter}" of -d`);
    return text;
  });
}

function line({ request, path, target, status }: SftpRequestReport): string {
  const paths = [path, target].filter((path) => path !== null);
  const about = paths.map((path) => ` "${printable(path)}"`).join("");
  return `${request}${about}: ${statusText(status)}`;
}

function query(what: string, log: Log): number {
  if (what !== "requests") {
    log.error("sftp-server: Invalid query type");
    return 1;
  }
  for (const { name } of [...OPERATIONS.values(), ...EXTENSIONS.values()]) console.log(name);
  return 0;
}
