import type { Client } from "../client/client.ts";
import { checkRunOptions, type RunOptions } from "../client/run_options.ts";
import { FLEET_MAX_OUTPUT } from "../defaults.ts";
import { tell } from "../listener.ts";
import { callback, checkOptions, flag } from "../option_checks.ts";
import { commandFailure } from "../session/command.ts";
import { linePrinter } from "./line_printer.ts";
import { type FleetLine, readLines } from "./lines.ts";
import type { FleetJobOptions } from "./options.ts";

/** Options of a command on the hosts of a fleet. */
export interface FleetRunOptions extends RunOptions, FleetJobOptions {
  /** Called with each line as it arrives. The output is then not collected: the value is its last line. */
  readonly onLine?: (line: FleetLine) => void;
  /** Writes each line as it arrives to this program's streams, preceded by the name of its host. */
  readonly live?: boolean;
  /** Maximum bytes to collect from each stream of each host; 1 MiB by default. */
  readonly maxOutput?: number;
}

/**
 * Returns the work of running a command on one of the hosts.
 *
 * @param hosts The names of all hosts
 * @throws {TypeError} If an option is invalid
 */
export function commandRunner(
  command: string,
  { onLine, live, idempotent, ...options }: FleetRunOptions,
  hosts: readonly string[],
): (client: Client, host: string, signal: AbortSignal) => Promise<string> {
  if (typeof command !== "string") throw new TypeError("run(): the command must be text");
  checkOptions("run()", { onLine, live, idempotent }, {
    onLine: callback,
    live: flag,
    idempotent: flag,
  });
  checkRunOptions("run()", options);
  for (const name of ["stdin", "input"] as const) {
    if (options[name] instanceof ReadableStream || options[name] === "inherit") {
      throw new TypeError(
        `run(): ${name} can be read by one host only: give bytes, a Blob or text`,
      );
    }
  }
  const listeners = [...onLine ? [onLine] : [], ...live ? [linePrinter(hosts)] : []];
  return async (client, host, signal) => {
    const how: RunOptions = { maxOutput: FLEET_MAX_OUTPUT, ...options, signal };
    if (listeners.length === 0) return await client.run(command, how);
    return await runTold(client, command, how, (stream, text) => {
      for (const listener of listeners) tell(listener, { host, stream, text });
    });
  };
}

/** Runs a command and reports its lines; returns the last line of its standard output. */
async function runTold(
  client: Client,
  command: string,
  options: RunOptions,
  onLine: (stream: FleetLine["stream"], text: string) => void,
): Promise<string> {
  const { stdin, input } = options;
  const how: RunOptions = stdin === undefined && input === undefined
    ? { ...options, stdin: "null" }
    : options;
  await using process = await client.command(command, how).spawn();
  const { channel } = process;
  const last = { stdout: "", stderr: "" };
  const told = (stream: FleetLine["stream"]) => (text: string) => {
    last[stream] = text;
    onLine(stream, text);
  };
  const reading = [
    ...how.stdout === "inherit" ? [] : [readLines(() => channel.readChunk(), told("stdout"))],
    ...how.stderr === "inherit" ? [] : [readLines(() => channel.readStderrChunk(), told("stderr"))],
  ];
  const [status] = await Promise.all([process.status, ...reading]);
  if (status.success) return last.stdout;
  const [stdout, stderr] = [last.stdout, last.stderr].map((line) =>
    new Uint8Array(new TextEncoder().encode(line))
  );
  throw commandFailure(command, { ...status, stdout: stdout!, stderr: stderr! });
}
