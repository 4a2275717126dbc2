import type { Destination } from "../../client/options.ts";
import { type Flag, lastValue, UsageError } from "./flags.ts";
import type { LogLevel } from "./log.ts";
import type { OptionText } from "./option_text.ts";
import { optionsOfFlag, parseHops, sshOptions } from "./ssh_options.ts";

/** Flags of both `sftp` and `scp` for the connection, in the notation of getopt(3). */
export const CONNECTION_LETTERS = "46ACc:D:F:i:J:o:P:qS:v";

/** How to reach a host. */
export interface CopyFlags {
  /** The options of the letters and of `-o`, for every host. */
  readonly said: readonly OptionText[];
  /** -F: the configuration file. */
  readonly file: string | null;
  /** What to log. */
  readonly level: LogLevel;
  /** -J: the hosts to go through, in order. */
  readonly hops: readonly Destination[];
  /** -S: a program to connect with, instead of logging in here. */
  readonly program: string | null;
  /** The flags for that program. */
  readonly passed: readonly string[];
  /** -D: an SFTP server to start on this machine, instead of a connection. */
  readonly server: string | null;
  /** -X connections: the most connections for files. */
  readonly connections: number;
  /** -q. */
  readonly quiet: boolean;
  /** The subsystem for files, or the path of a program on the host. */
  readonly subsystem: string;
}

/**
 * Reads the flags for the connection.
 *
 * @throws {UsageError} If one is malformed
 */
export async function copyFlags(
  flags: readonly Flag[],
  more: readonly OptionText[] = [],
): Promise<CopyFlags> {
  const value = (name: string) => lastValue(flags, name);
  const program = value("S");
  const connection = flags.filter(({ name }) =>
    CONNECTION_LETTERS.replaceAll(":", "").includes(name)
  );
  // The program of -S reads the configuration itself.
  const own = program === null ? connection.flatMap(optionsOf) : levelOf(connection);
  const said = program === null ? [...own, ...more, ...COPY_OPTIONS] : own;
  // Malformed options are refused before any host is looked up.
  const { LogLevel: level = "info" } = await sshOptions(said, { onNote: () => {} });
  return {
    said,
    file: value("F"),
    level,
    hops: program === null ? parseHops(value("J")) : [],
    program,
    passed: connection.flatMap(passedOn).concat(
      more.map(({ name, value }) => `-o${name}=${value}`),
    ),
    server: value("D"),
    connections: tuningFlags(flags).connections,
    quiet: value("q") !== null,
    subsystem: "sftp",
  };
}

/**
 * Options of every copy, as in OpenSSH, because forwardings and commands in a configuration are meant for
 * shells.
 */
export const COPY_OPTIONS: readonly OptionText[] = [
  { name: "ForwardX11", value: "no" },
  { name: "PermitLocalCommand", value: "no" },
  { name: "ClearAllForwardings", value: "yes" },
  { name: "RemoteCommand", value: "none" },
  { name: "RequestTTY", value: "no" },
];

function optionsOf(flag: Flag): OptionText[] {
  if (flag.name === "P") return [{ name: "Port", value: flag.value }];
  return "46ACcioqv".includes(flag.name) ? optionsOfFlag(flag) : [];
}

function levelOf(flags: readonly Flag[]): OptionText[] {
  return flags.filter(({ name }) => "qv".includes(name)).flatMap(optionsOf);
}

/** The same for `ssh`, whose letters differ. */
function passedOn({ name, value }: Flag): string[] {
  if ("DS".includes(name)) return [];
  if (name === "P") return [`-oPort=${value}`];
  return "cFiJo".includes(name) ? [`-${name}`, value] : [`-${name}`];
}

/** Flags for speed and memory. */
export interface Tuning {
  /** -B, or -X buffer: the bytes of one request. */
  readonly requestLength: number | null;
  /** -R, or -X nrequests: requests in flight. */
  readonly requests: number | null;
  /** -l: the most kilobits per second. */
  readonly kilobits: number | null;
  /** -X channels: the channels for a large file. */
  readonly channels: number | "auto" | null;
  /** -X connections: the most connections for files. */
  readonly connections: number;
}

/**
 * Reads -B, -R, -X and -l.
 *
 * @throws {UsageError} If a value is not a number, or out of range
 */
export function tuningFlags(flags: readonly Flag[]): Tuning {
  const found: Record<string, string> = {};
  for (const { name, value } of flags) {
    if (name === "B") found["buffer"] = value;
    if (name === "R") found["nrequests"] = value;
    if (name === "l") found["l"] = value;
    if (name !== "X") continue;
    const [, option, text] = /^(nrequests|buffer|channels|connections)=(.*)$/.exec(value) ?? [];
    if (option === undefined) throw new UsageError(`Invalid SFTP option "${value}"`);
    found[option] = text!;
  }
  const number = (name: string, most: number) =>
    found[name] ? numberOf(name, found[name], 1, most) : null;
  return {
    requestLength: number("buffer", 262_144),
    requests: number("nrequests", 65_536),
    kilobits: number("l", 100_000_000),
    channels: found["channels"] === "auto" ? "auto" : number("channels", MAX_CHANNELS),
    connections: number("connections", MAX_CHANNELS) ?? 1,
  };
}

function numberOf(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`Invalid value "${text}" of ${name}`);
}

/** Converts the tuning to options of transfers; a kilobit is 1024 bits, as in scp(1). */
export function transferLimits(
  { requestLength, requests, kilobits, channels }: Tuning,
): { inFlight?: number; rateLimit?: number; channels?: number | "auto" } {
  const tuned = requestLength !== null || requests !== null;
  return {
    ...(tuned && { inFlight: (requestLength ?? REQUEST_LENGTH) * (requests ?? REQUESTS) }),
    ...(kilobits !== null && { rateLimit: kilobits * 1024 / 8 }),
    ...(channels !== null && { channels }),
  };
}

/** Limits of channels and connections: more sessions than servers allow, and more connections than help. */
const MAX_CHANNELS = 64;

/** The defaults of -B and -R in sftp(1). */
const REQUEST_LENGTH = 32_768;
const REQUESTS = 64;
