import type { Client } from "../client/client.ts";
import { parseTarget, type Target } from "../client/options.ts";
import type { Program } from "../session/command.ts";
import { describeFailure, messageOf } from "./failure.ts";
import { type Flag, parseFlags, UsageError } from "./flags.ts";
import { type ForwardSpec, socksSpec, tunnelSpec } from "./forward_specs.ts";
import { Log } from "./log.ts";
import { logIn, placeOf } from "./login.ts";
import type { OptionText } from "./option_values.ts";
import { relay, startForwards } from "./ssh_forward.ts";
import { runSession } from "./ssh_session.ts";
import { optionOfFlag, parseDestination, type SshOptions, sshOptions } from "./ssh_options.ts";
import { InterruptedError, onSignals } from "./terminal.ts";

/** What `ssh --help` prints. */
export const SSH_HELP =
  `usage: ssh [-AaCknNqsTtvXxY] [-c cipher] [-F none] [-i key] [-l user] [-m mac]
           [-o Key=Value] [-p port] [-D [bind:]port] [-J [user@]host[:port],…]
           [-L [bind:]port:host:hostport] [-R [bind:]port:host:hostport]
           [-W host:port] [user@]host [command …]

The hosts of -J are logged in to with the same options.
`;

/** What `ssh` answers for its own failures, and for commands that a signal ended. */
const FAILURE = 255;
const INTERRUPTED = 130;
/** -k switches off what there is not; -F is fine as long as it names no file. */
const LETTERS = "AaCknNqsTtvXxYc:D:F:i:J:l:L:m:o:p:R:W:";

interface Job {
  readonly target: Target;
  readonly options: SshOptions;
  /** What to run; null is -N. */
  readonly program: Program | null;
  /** -L, -R and -D. */
  readonly forwards: readonly ForwardSpec[];
  /** -J: the hosts to go through, in order. */
  readonly hops: readonly Target[];
  /** -W: the address to connect standard input and output to. */
  readonly relayTo: string | null;
  /** Whether standard input is not to be read: -n. */
  readonly noInput: boolean;
}

/**
 * `ssh`: a command or a shell on another machine, wired to the standard streams.
 *
 * @returns The exit code: the command's own, or 255
 */
export async function ssh(args: readonly string[]): Promise<number> {
  let job: Job;
  try {
    job = parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`ssh: ${messageOf(error)}`);
    return FAILURE;
  }
  const { options } = job;
  const log = new Log(options.LogLevel);
  const place = placeOf(job.target, options);
  let client: Client | null = null;
  let killed: Deno.Signal | null = null;
  try {
    client = await logIn(place, options, log, job.hops);
    using _ = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
      killed = signal;
      client!.close();
    });
    log.verbose("Entering interactive session.");
    const code = await run(client, job, log);
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

function parse(args: readonly string[]): Job {
  // As ssh does: flags may stand in front of the host and behind it, then comes the command.
  const before = parseFlags(args, { letters: LETTERS });
  const [destination, ...behind] = before.rest;
  if (destination === undefined) throw new UsageError("no host given; see ssh --help");
  const after = before.ended
    ? { flags: [], rest: behind }
    : parseFlags(behind, { letters: LETTERS });
  const flags = [...before.flags, ...after.flags];
  const has = (name: string) => flags.some((flag) => flag.name === name);
  const screen = flags.findLast(({ name }) => /^[XxY]$/.test(name));
  const said = flags.filter((flag) => flag === screen || !/^[XxY]$/.test(flag.name));
  const options = sshOptions(said.flatMap((flag) => optionsOf(flag)));
  const terminals = flags.filter(({ name }) => name === "t").length;
  const last = flags.findLast(({ name }) => name === "t" || name === "T")?.name;
  const tty = last === "T" ? "no" : terminals > 1 ? "force" : terminals === 1 ? "yes" : null;
  const command = after.rest.join(" ");
  if (has("s") && command === "") throw new UsageError("-s needs the name of a subsystem");
  return {
    target: parseDestination(destination),
    options: tty === null ? options : { ...options, RequestTTY: tty },
    forwards: flags.flatMap((flag) => forwardOf(flag)),
    hops: valueOf(flags, "J")?.split(",").map(hopOf) ?? [],
    relayTo: valueOf(flags, "W"),
    program: has("N")
      ? null
      : has("s")
      ? { kind: "subsystem", name: command }
      : command === ""
      ? { kind: "shell" }
      : { kind: "exec", command },
    noInput: has("n"),
  };
}

function valueOf(flags: readonly Flag[], name: string): string | null {
  return flags.findLast((flag) => flag.name === name)?.value ?? null;
}

function hopOf(text: string): Target {
  try {
    return parseTarget(text);
  } catch (cause) {
    throw new UsageError(`bad jump host "${text}"`, { cause });
  }
}

function forwardOf({ name, value }: Flag): ForwardSpec[] {
  if (name === "L") return [tunnelSpec("local", value)];
  if (name === "R") return [tunnelSpec("remote", value)];
  return name === "D" ? [socksSpec(value)] : [];
}

function optionsOf({ name, value }: Flag): OptionText[] {
  if (name === "F" && value !== "none" && value !== "/dev/null") {
    throw new UsageError("configuration files are not read; -F none is fine");
  }
  if (name === "Y") {
    return [{ name: "ForwardX11", value: "yes" }, { name: "ForwardX11Trusted", value: "yes" }];
  }
  const option = name === "p" ? { name: "Port", value } : optionOfFlag(name, value);
  return option === null ? [] : [option];
}

async function run(client: Client, job: Job, log: Log): Promise<number | null> {
  const { program, options, noInput, target, relayTo } = job;
  if (relayTo !== null) {
    await relay(client, relayTo);
    return 0;
  }
  await using forwards = await startForwards(client, job.forwards, log);
  if (!forwards.complete && options.ExitOnForwardFailure) {
    throw new UsageError("a port could not be forwarded");
  }
  if (program !== null) {
    return await runSession(client, { program, options, noInput, host: target.hostname }, log);
  }
  await client.closed;
  return 0;
}
