import type { Client } from "../../client/client.ts";
import { configuredEnv } from "../../login/settings.ts";
import type { Channel } from "../../connection/channel.ts";
import { RequestDeniedError } from "../../errors.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type Program, startProgram } from "../../session/command.ts";
import { lendAgent } from "../shared/agent.ts";
import { EscapeKeys } from "./escape_keys.ts";
import type { Log } from "../shared/log.ts";
import { drain } from "../../runtime/drain.ts";
import { feed } from "./pipes.ts";
import type { SshOptions } from "../shared/ssh_options.ts";
import { openStandardInput } from "./standard_input.ts";
import { openStandardOutput } from "./standard_output.ts";
import { lendScreen } from "./x11.ts";
import { localPty, terminalSize } from "../../terminal/size.ts";
import { onSignals } from "../../terminal/signals.ts";
import { rawInput } from "../../terminal/raw_input.ts";

/** The program that `ssh` runs, with its options. */
export interface SessionJob {
  readonly program: Program;
  readonly options: SshOptions;
  /** The host as typed, for messages. */
  readonly host: string;
  /** -n: do not read standard input. */
  readonly noInput: boolean;
}

/**
 * Runs a program on the server, connected to the standard streams.
 *
 * @returns Its exit code; null if a signal ended it, it sent none, or the user disconnected
 */
export async function runSession(
  client: Client,
  job: SessionJob,
  log: Log,
): Promise<number | null> {
  const env = configuredEnv(job.options, runtime.env.toObject()) ?? {};
  const channel = await client.openSession();
  await lendAgent(client, channel, job.options, log);
  await lendScreen(client, channel, job.options, log);
  const pty = wantsPty(job, log) && await requestPty(channel, job.options, log);
  await startProgram(channel, job.program, { env });
  if (!pty) {
    await wire(channel, { noInput: job.noInput });
  } else {
    using _raw = rawInput();
    using _resize = onSignals(["SIGWINCH"], () => resize(channel));
    const keys = new EscapeKeys(
      () => channel.abort(new LeftError()),
      job.options.EscapeChar,
    );
    await wire(channel, { noInput: job.noInput, filter: (bytes) => keys.filter(bytes) });
  }
  if (pty) log.info(`Connection to ${job.host} closed.`);
  const { code, signal } = await channel.exitStatus.catch(ifLeft);
  if (signal !== null) log.verbose(`The command was ended by SIG${signal}.`);
  return code;
}

/** The user has disconnected, or the reader of the output has closed it. */
class LeftError extends Error {}

function ifLeft(error: unknown): { code: null; signal: null } {
  if (error instanceof LeftError) return { code: null, signal: null };
  throw error;
}

async function wire(
  channel: Channel,
  input: { noInput: boolean; filter?: (bytes: Uint8Array) => Uint8Array },
): Promise<void> {
  const ignore = () => {};
  using stdin = input.noInput ? null : await openStandardInput();
  const feeding = stdin === null ? channel.closeWrite() : feed(stdin, channel, input.filter);
  // The command may end without reading its input; an unreadable input counts as ended.
  feeding.catch(() => channel.closeWrite()).catch(ignore);
  using stdout = await openStandardOutput();
  try {
    await Promise.all([
      drain((into) => channel.read(into), stdout),
      drain((into) => channel.readStderr(into), runtime.terminal.stderr),
    ]);
  } catch (error) {
    if (error instanceof LeftError) return;
    if (!isError(error, "BrokenPipe")) throw error;
    // The command sees a broken pipe, as it would locally.
    channel.abort(new LeftError());
  }
}

function wantsPty({ program, options }: SessionJob, log: Log): boolean {
  switch (options.RequestTTY ?? "auto") {
    case "no":
      return false;
    case "force":
      return true;
    case "auto":
      return program.kind === "shell" && runtime.terminal.stdin.isTerminal();
    case "yes":
      if (runtime.terminal.stdin.isTerminal()) return true;
      log.info("Pseudo-terminal will not be allocated because stdin is not a terminal.");
      return false;
  }
}

/** Requests a terminal; as in ssh, a refusal is an error only if the user asked for one. */
async function requestPty(
  channel: Channel,
  { RequestTTY = "auto" }: SshOptions,
  log: Log,
): Promise<boolean> {
  try {
    await channel.requestPty(localPty());
    return true;
  } catch (error) {
    if (!(error instanceof RequestDeniedError) || RequestTTY !== "auto") throw error;
    log.info("The server refused a terminal; continuing without one");
    return false;
  }
}

function resize(channel: Channel): void {
  const size = terminalSize();
  if (size !== null && channel.isOpen) channel.resizePty(size);
}
