import type { Client } from "../../client/client.ts";
import type { Program } from "../../session/command.ts";
import { describeFailure, messageOf } from "../shared/failure.ts";
import { UsageError } from "../shared/flags.ts";
import { runLocalCommand } from "./local_command.ts";
import { Log, type LogFile, openLogFile, print } from "../shared/log.ts";
import { logIn, type LoginPlace, placeOf } from "../shared/login.ts";
import { isInBackground, leaveForeground, startInBackground } from "./background.ts";
import { type CommandLine, parseCommandLine, selfQuery } from "./command_line.ts";
import { control, type ControlCommand } from "./control.ts";
import { startControlMaster } from "./control_master.ts";
import { relay, startForwards } from "./forward.ts";
import { showOptions, type SshOptions, sshOptions } from "../shared/ssh_options.ts";
import { answerQuery } from "./query.ts";
import { runSession } from "./session.ts";
import { InterruptedError } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";
import { VERSION } from "../shared/version.ts";
import { withLimits } from "../../waiting.ts";
export { SSH_HELP } from "./command_line.ts";

/** The exit codes of `ssh` for failures and commands ended by a signal, and for Ctrl-C. */
const FAILURE = 255;
const INTERRUPTED = 130;

interface SshArguments {
  readonly line: CommandLine;
  readonly options: SshOptions;
  /** The program to run; null for none. */
  readonly program: Program | null;
}

/**
 * `ssh`: runs a command or a shell on a server, connected to the standard streams.
 *
 * @returns The exit code: the command's own, or 255
 */
export async function ssh(args: readonly string[]): Promise<number> {
  try {
    const asked = selfQuery(args);
    if (asked !== null) {
      if ("query" in asked) await print(answerQuery(asked.query));
      else new Log().error(`denossh_${VERSION}`);
      return 0;
    }
    return await runLine(args, parseCommandLine(args));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`ssh: ${messageOf(error)}`);
    return FAILURE;
  }
}

async function runLine(args: readonly string[], line: CommandLine): Promise<number> {
  using file = line.logFile === null ? null : openLog(line.logFile);
  const notes: string[] = [];
  let job: SshArguments;
  try {
    const { said, target, file, command } = line;
    const onNote = (note: string) => notes.push(note);
    const options = await sshOptions(said, { target, file, command, onNote });
    checkCommand(line, options);
    if (line.showOnly) {
      await print(await showOptions(said, target, { file, command }));
      return 0;
    }
    job = { line, options, program: programOf(line, options) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log("info", file).error(`ssh: ${messageOf(error)}`);
    return FAILURE;
  }
  const { options, program } = job;
  const log = new Log(options.LogLevel, file);
  if (line.control === null && options.ForkAfterAuthentication && !isInBackground()) {
    return await startInBackground(args, { hasOutput: program !== null });
  }
  for (const note of notes) tell(note, log);
  if (line.control !== null) return await askMaster(line.control, options, log);
  return await run(job, placeOf(line.target, options), log);
}

function openLog(path: string): LogFile & Disposable {
  try {
    return openLogFile(path);
  } catch (cause) {
    throw new UsageError(`Couldn't open logfile ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function askMaster(
  command: ControlCommand,
  options: SshOptions,
  log: Log,
): Promise<number> {
  try {
    await control(command, options, log);
    return 0;
  } catch (error) {
    log.error(messageOf(error));
    return FAILURE;
  }
}

async function run(job: SshArguments, place: LoginPlace, log: Log): Promise<number> {
  const { line, options } = job;
  let client: Client | null = null;
  let killed: Deno.Signal | null = null;
  try {
    client = await logIn(place, options, log, line.hops);
    using _ = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
      killed = signal;
      client!.close();
    });
    log.verbose("Entering interactive session.");
    await runLocalCommand(client, options, log);
    const code = await work(client, job, log);
    await client.close();
    return killed ? FAILURE : code ?? FAILURE;
  } catch (error) {
    if (error instanceof InterruptedError) return INTERRUPTED;
    if (killed) log.verbose(`Killed by signal ${killed}.`);
    else log.error(describeFailure(error, place));
    log.verbose(error instanceof Error ? error.stack ?? "" : "");
    await client?.close();
    return FAILURE;
  }
}

async function work(client: Client, job: SshArguments, log: Log): Promise<number | null> {
  const { program, options, line } = job;
  if (line.relayTo !== null) {
    await relay(client, line.relayTo);
    return 0;
  }
  using master = startControlMaster(options, { exit: () => void client.close(), log });
  await using forwards = await startForwards(client, options, log);
  const complete = forwards.tunnels.every(({ error }) => error === null);
  if (!complete && options.ExitOnForwardFailure) {
    throw new UsageError("a port could not be forwarded");
  }
  if (options.ForkAfterAuthentication) leaveForeground();
  if (program === null) {
    await client.closed;
    return 0;
  }
  const noInput = options.StdinNull ?? false;
  const { hostname: host } = line.target;
  const code = await runSession(client, { program, options, noInput, host }, log);
  if (master !== null && options.ForkAfterAuthentication) await persist(client, options);
  return code;
}

/** ControlPersist: keeps the connection of a master open after its command. */
async function persist(client: Client, { ControlPersist }: SshOptions): Promise<void> {
  if (ControlPersist === undefined || ControlPersist === false) return;
  const limit = ControlPersist === true ? {} : { timeout: ControlPersist };
  await withLimits(client.closed, limit).catch(() => {});
}

/** Refuses combinations that ssh refuses before it connects. */
function checkCommand({ command }: CommandLine, options: SshOptions): void {
  const { SessionType, RemoteCommand, ForkAfterAuthentication } = options;
  if (command !== "" && RemoteCommand) {
    throw new UsageError("Cannot execute command-line and remote command.");
  }
  if (ForkAfterAuthentication && !command && !RemoteCommand && SessionType !== "none") {
    throw new UsageError("Cannot fork into background without a command to execute.");
  }
}

/** The program to run, from SessionType, RemoteCommand and the command line. */
function programOf({ command, relayTo }: CommandLine, options: SshOptions): Program | null {
  const { SessionType, RemoteCommand } = options;
  const text = command || RemoteCommand || "";
  if (SessionType === "none" || relayTo !== null) return null;
  if (SessionType === "subsystem") {
    if (text === "") throw new UsageError("-s needs the name of a subsystem");
    return { kind: "subsystem", name: text };
  }
  return text === "" ? { kind: "shell" } : { kind: "exec", command: text };
}

/** Logs a note; as in ssh, notes about deprecated options only with `-v`. */
function tell(note: string, log: Log): void {
  if (/ Deprecated option /.test(note)) log.verbose(note);
  else log.info(note);
}
