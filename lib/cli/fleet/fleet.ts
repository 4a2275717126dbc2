import { type Destination, parseTarget } from "../../client/options.ts";
import { readConfig } from "../../config/read.ts";
import { ConfigError } from "../../errors.ts";
import { Fleet } from "../../fleet/fleet.ts";
import { linePrinter } from "../../fleet/line_printer.ts";
import { FleetReport, type FleetResult, resultJson } from "../../fleet/result.ts";
import type { FleetRunOptions } from "../../fleet/run.ts";
import { runtime } from "../../runtime/runtime.ts";
import { messageOf } from "../shared/failure.ts";
import { allValues, hasFlag, lastValue, parseFlags, UsageError } from "../shared/flags.ts";
import { Log, writeIfRead } from "../shared/log.ts";
import { logIn, placeOf } from "../shared/login.ts";
import type { OptionText } from "../shared/option_text.ts";
import { optionsOfFlag, parseHops, sshOptions } from "../shared/ssh_options.ts";
import { InterruptedError } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";
import { terminalSize } from "../../terminal/size.ts";
import { parseHostFile, selectHosts } from "./host_file.ts";
import { ProgressLine } from "./progress_line.ts";

/** What `fleet --help` prints. */
export const FLEET_HELP = `usage: fleet [-H file]… [-g pattern[,pattern]…]… [--concurrency hosts]
             [--retries tries] [--timeout seconds] [--json] [-F file]
             [-J [user@]host[:port],…] [-i key] [-l user] [-p port]
             [-o Key=Value]… [-q] [-v] command…

  -H file          a file of hosts, one [user@]host[:port] per line; [group] begins
                   a group, # a comment; - is standard input. Without -H, the
                   hosts of -g are taken from the Host lines of ssh_config
  -g patterns      only matching hosts and groups, without those of !pattern
  --concurrency N  most hosts in parallel; 32 unless given
  --retries N      further attempts for a host that cannot be reached; 2
                   unless given
  --timeout S      total seconds for one host; no limit unless given
  --json           print each result as a line of JSON, instead of live output and
                   the table
  -q               no progress and no table

Does not prompt: log in with a key or an agent, or give -o BatchMode=no.
The exit code is 0 if the command succeeded on all hosts, and 1 otherwise.
`;

const LETTERS = "F:g:H:i:J:l:o:p:qv";
const NAMES = ["concurrency:", "json", "retries:", "timeout:"];
const USAGE = 2;
const FAILURE = 1;
const INTERRUPTED = 130;

interface FleetArguments {
  readonly hosts: readonly string[];
  readonly command: string;
  readonly said: readonly OptionText[];
  readonly file: string | null;
  readonly hops: readonly Destination[];
  readonly limits: { concurrency?: number; retries?: number; timeout?: number };
  readonly json: boolean;
  readonly log: Log;
  readonly quiet: boolean;
}

/**
 * `fleet`: runs a command on many hosts in parallel.
 *
 * @returns The exit code
 */
export async function fleetCommand(args: readonly string[]): Promise<number> {
  try {
    return await runOn(await parse(args));
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ConfigError)) throw error;
    new Log().error(`fleet: ${messageOf(error)}; see fleet --help`);
    return USAGE;
  }
}

async function runOn(job: FleetArguments): Promise<number> {
  const { command, said, file, hops, log, json, quiet } = job;
  const cancel = new AbortController();
  using _ = onSignals(["SIGINT", "SIGTERM"], () => cancel.abort(new InterruptedError()));
  const hosts = new Fleet(job.hosts, {
    ...job.limits,
    signal: cancel.signal,
    async connect(host) {
      const target = parseTarget(host as string);
      const onNote = (note: string) => log.verbose(note);
      const options = await sshOptions(saidOf(target, said), { target, file, command, onNote });
      return await logIn(placeOf(target, options), options, log, hops);
    },
    onRetry: (error, { host }) => log.verbose(`${host} is tried again: ${messageOf(error)}`),
  });
  let failed = 0;
  const results: FleetResult<string>[] = [];
  {
    using progress = new ProgressLine(job.hosts.length, { quiet });
    const print = linePrinter(job.hosts);
    const live: FleetRunOptions = { onLine: (line) => progress.around(() => print(line)) };
    for await (const result of hosts.run(command, json ? {} : live)) {
      if (!result.success) failed++;
      progress.ended(result.success);
      if (!json) results.push(result);
      else progress.around(() => write("stdout", JSON.stringify(resultJson(result))));
    }
  }
  if (!json && !quiet) {
    const columns = terminalSize()?.columns;
    const places = new Map(job.hosts.map((host, at) => [host, at]));
    results.sort((a, b) => places.get(a.host)! - places.get(b.host)!);
    write("stderr", new FleetReport(results).table(columns ? { columns } : {}));
  }
  if (cancel.signal.aborted) return INTERRUPTED;
  return failed === 0 ? 0 : FAILURE;
}

/** The options of the command line, without those that the host itself gives (user, port). */
function saidOf({ user, port }: Destination, said: readonly OptionText[]): OptionText[] {
  const own = [...user === null ? [] : ["user"], ...port === null ? [] : ["port"]];
  return said.filter(({ name }) => !own.includes(name.toLowerCase()));
}

function write(stream: "stdout" | "stderr", text: string): void {
  writeIfRead(runtime.terminal[stream], new TextEncoder().encode(`${text}\n`));
}

async function parse(args: readonly string[]): Promise<FleetArguments> {
  const { flags, rest } = parseFlags(args, { letters: LETTERS, names: NAMES });
  if (rest.length === 0) throw new UsageError("no command given");
  const file = lastValue(flags, "F");
  const said = [...flags.flatMap(optionsOfFlag), { name: "BatchMode", value: "yes" }];
  // Malformed options are refused before any host is looked up.
  const { LogLevel } = await sshOptions(said, { onNote: () => {} });
  const number = (name: string, least: number) => {
    const text = lastValue(flags, name);
    if (text === null) return null;
    if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
    throw new UsageError(`bad number "${text}" of --${name}`);
  };
  const concurrency = number("concurrency", 1);
  const retries = number("retries", 0);
  const timeout = number("timeout", 1);
  const hops = parseHops(lastValue(flags, "J"));
  return {
    hosts: await hostsOf(allValues(flags, "H"), allValues(flags, "g"), file),
    command: rest.join(" "),
    said,
    file,
    hops,
    limits: {
      ...concurrency !== null && { concurrency },
      ...retries !== null && { retries },
      ...timeout !== null && { timeout: timeout * 1000 },
    },
    json: hasFlag(flags, "json"),
    log: new Log(LogLevel),
    quiet: hasFlag(flags, "q"),
  };
}

async function hostsOf(
  files: readonly string[],
  lists: readonly string[],
  config: string | null,
): Promise<string[]> {
  if (files.length + lists.length === 0) throw new UsageError("no hosts without -H or -g");
  const patterns = lists.flatMap((list) => list.split(","));
  const listed = [];
  for (const file of files) listed.push(...parseHostFile(await textOf(file), file));
  if (files.length === 0) {
    const known = await (config === null ? readConfig() : readConfig(config));
    listed.push(...parseHostFile((await known.hosts()).join("\n"), "ssh_config"));
  }
  const hosts = [...new Set(selectHosts(listed, patterns))];
  if (hosts.length > 0) return hosts;
  const where = files.length === 0 ? "the Host lines of ssh_config" : files.join(", ");
  throw new UsageError(`no host of ${where}${lists.length > 0 ? ` matches ${lists.join()}` : ""}`);
}

async function textOf(file: string): Promise<string> {
  if (file === "-") return await new Response(runtime.terminal.stdin.readable).text();
  try {
    return await runtime.files.readTextFile(file);
  } catch (cause) {
    throw new UsageError(`cannot read the hosts: ${messageOf(cause)}`, { cause });
  }
}
