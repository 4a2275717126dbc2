import type { Destination } from "../../client/options.ts";
import { ArgumentError } from "../../config/arguments.ts";
import { type ForwardEnd, type ForwardKind, parseForward, showEnd } from "../../config/forwards.ts";
import {
  allValues,
  type Flag,
  hasFlag,
  lastValue,
  parseFlags,
  UsageError,
} from "../shared/flags.ts";
import { quoteWord } from "../../config/words.ts";
import { CONTROL_COMMANDS, type ControlCommand } from "./control.ts";
import type { OptionText } from "../shared/option_text.ts";
import { optionsOfFlag, parseDestination, parseHops } from "../shared/ssh_options.ts";

/** What `ssh --help` prints. */
export const SSH_HELP =
  `usage: ssh [-46AaCfGgkMNnqsTtVvXxYy] [-B interface] [-b address] [-c cipher]
           [-D [bind:]port] [-E log_file] [-e char] [-F file] [-i key]
           [-J [user@]host[:port],…] [-L [bind:]port:host:hostport] [-l user] [-m mac]
           [-O check|exit|stop] [-o Key=Value] [-P tag] [-p port]
           [-R [bind:]port[:host:hostport]] [-S socket] [-W host:port]
           [user@]host [command …]
       ssh -Q cipher|mac|kex|key|sig|help|…

Reads ~/.ssh/config and /etc/ssh/ssh_config as ssh_config(5) describes them; -G prints
the resulting options. They apply to the hosts of -J, too. If a control master is running at
-S or ControlPath, its connection is shared, and -O sends it a command. With -M, this ssh
obeys -O, too. -f goes to the background after the login.
`;

/** The flags in the notation of getopt(3); -k and -y have no effect. */
const LETTERS = "46AaB:b:Cc:D:E:e:F:fGgi:J:kL:l:Mm:NnO:o:P:p:Q:qR:S:sTtVvW:XxYy";

/** Flags that override `-o` and the files, wherever they stand; the last one counts. */
const OVERRIDING_LETTERS = "46AaBbCcefgMmNnqSsTtvWXxY";

/** A parsed command line of `ssh`. */
export interface CommandLine {
  readonly target: Destination;
  /** Its options. */
  readonly said: readonly OptionText[];
  /** -F. */
  readonly file: string | null;
  /** -E: the log file; null for standard error. */
  readonly logFile: string | null;
  /** The words after the destination, joined by spaces. */
  readonly command: string;
  /** -J: the hosts to go through, in order. */
  readonly hops: readonly Destination[];
  /** -W: the address to connect standard input and output to. */
  readonly relayTo: string | null;
  /** -G: whether to print the options only. */
  readonly showOnly: boolean;
  /** -O: the command for a control master; null without -O. */
  readonly control: ControlCommand | null;
}

/** A query of a command line without a host: -V, or -Q. */
export type SelfQuery = { readonly version: true } | { readonly query: string };

/**
 * The -V or -Q of a command line, which takes precedence; null without one.
 *
 * @throws {UsageError} If it is malformed
 */
export function selfQuery(args: readonly string[]): SelfQuery | null {
  const { flags } = parseFlags(args, { letters: LETTERS });
  const [first] = flags.filter(({ name }) => name === "V" || name === "Q");
  if (first === undefined) return null;
  return first.name === "V" ? { version: true } : { query: first.value };
}

/**
 * Parses a command line of `ssh`.
 *
 * @throws {UsageError} If it is malformed
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  // As in ssh, flags may stand before and after the host, then the command follows.
  const before = parseFlags(args, { letters: LETTERS });
  const [destination, ...behind] = before.rest;
  if (destination === undefined) throw new UsageError("no host given; see ssh --help");
  const after = before.ended
    ? { flags: [], rest: behind }
    : parseFlags(behind, { letters: LETTERS });
  const { target, earlier, later } = firstOf(
    parseDestination(destination),
    before.flags,
    after.flags,
  );
  const flags = [...earlier, ...later];
  const relayTo = lastValue(flags, "W");
  const wins = (flag: Flag) => OVERRIDING_LETTERS.includes(flag.name);
  return {
    target,
    said: [
      ...flags.filter(wins).toReversed().flatMap((flag) => optionsOf(flag, flags)),
      ...flags.filter((flag) => !wins(flag)).flatMap((flag) => optionsOf(flag, flags)),
      // As in ssh, -W clears other forwardings.
      ...relayTo === null ? [] : [
        { name: "ClearAllForwardings", value: "yes" },
        { name: "ExitOnForwardFailure", value: "yes" },
      ],
    ],
    file: lastValue(flags, "F"),
    logFile: lastValue(flags, "E"),
    command: after.rest.join(" "),
    hops: parseHops(lastValue(flags, "J")),
    relayTo,
    showOnly: hasFlag(flags, "G"),
    control: controlOf(lastValue(flags, "O")),
  };
}

/**
 * Determines the user and the port. As in ssh, the first of flag, option and destination counts. A user
 * from `-l` becomes part of the destination, because its tokens are not expanded.
 */
function firstOf(
  destination: Destination,
  before: readonly Flag[],
  after: readonly Flag[],
): { target: Destination; earlier: readonly Flag[]; later: readonly Flag[] } {
  const says = (option: string) => (flag: Flag) =>
    optionsOfFlag(flag).some(({ name }) => name.toLowerCase() === option);
  const without = (flags: readonly Flag[], option: string) =>
    flags.filter((flag) => !says(option)(flag));
  let [earlier, later] = [before, after];
  let { user } = destination;
  const first = before.find(says("user")) ?? (user === null ? after.find(says("user")) : undefined);
  if (first?.name === "l") user = first.value;
  if (user !== null && first?.name !== "o") {
    [earlier, later] = [without(earlier, "user"), without(later, "user")];
  }
  if (destination.port !== null) later = without(later, "port");
  return { target: { ...destination, user }, earlier, later };
}

function controlOf(word: string | null): ControlCommand | null {
  if (word === null) return null;
  const command = CONTROL_COMMANDS.find((command) => command === word);
  if (command === undefined) throw new UsageError(`-O ${word} is not supported`);
  return command;
}

/** Converts -L, -R and -D to the directives that they stand for. */
function forwardOf(kind: ForwardKind, name: string, value: string): OptionText {
  try {
    const isSocks = kind === "dynamic" || (kind === "remote" && isPortOnly(value));
    const { from, to } = parseForward(value, kind, isSocks);
    const ends = to === null ? [from] : [from, to];
    return { name, value: ends.map((end) => quoteWord(wordOf(end))).join(" ") };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new UsageError(`bad ${kind} forwarding specification "${value}"`, { cause: error });
  }
}

function wordOf(end: ForwardEnd): string {
  return "path" in end ? end.path.replace(/[\\:]/g, "\\$&") : showEnd(end);
}

/** Whether a text is `[bind:]port` without a target, for which a RemoteForward serves SOCKS. */
function isPortOnly(text: string): boolean {
  return /^(?:(?:\[[^\]]*\]|[^:/]*):)?\d+$/.test(text);
}

function optionsOf(flag: Flag, flags: readonly Flag[]): OptionText[] {
  const { name, value } = flag;
  switch (name) {
    case "B":
      return [{ name: "BindInterface", value: quoteWord(value) }];
    case "b":
      return [{ name: "BindAddress", value: quoteWord(value) }];
    case "e":
      return [{ name: "EscapeChar", value: quoteWord(value) }];
    case "D":
      return [forwardOf("dynamic", "DynamicForward", value)];
    case "f":
      return [
        { name: "ForkAfterAuthentication", value: "yes" },
        { name: "StdinNull", value: "yes" },
      ];
    case "g":
      return [{ name: "GatewayPorts", value: "yes" }];
    case "J":
      return [{ name: "ProxyJump", value }];
    case "L":
      return [forwardOf("local", "LocalForward", value)];
    case "M": {
      const isAsked = allValues(flags, "M").length > 1;
      return [{ name: "ControlMaster", value: isAsked ? "ask" : "yes" }];
    }
    case "N":
    case "W":
      return [{ name: "SessionType", value: "none" }, { name: "RequestTTY", value: "no" }];
    case "n":
      return [{ name: "StdinNull", value: "yes" }];
    case "P":
      return [{ name: "Tag", value: quoteWord(value) }];
    case "R":
      return [forwardOf("remote", "RemoteForward", value)];
    case "S":
      return [{ name: "ControlPath", value: quoteWord(value) }];
    case "s":
      return [{ name: "SessionType", value: "subsystem" }];
    case "T":
      return [{ name: "RequestTTY", value: "no" }];
    case "t": {
      const isForced = allValues(flags, "t").length > 1;
      return [{ name: "RequestTTY", value: isForced ? "force" : "yes" }];
    }
    case "Y":
      return [{ name: "ForwardX11", value: "yes" }, { name: "ForwardX11Trusted", value: "yes" }];
    default:
      return optionsOfFlag(flag);
  }
}
