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

~/.ssh/config and /etc/ssh/ssh_config are read, as ssh_config(5) describes them; -G prints
what they come to. The hosts of -J are logged in to with the same options. The connection of a
control master that runs at -S or ControlPath is shared; -O asks something of the master.
With -M, -O can ask this ssh to exit. -f goes to the background after the login.
`;

/** -k and -y have no effect here. */
const LETTERS = "46AaB:b:Cc:D:E:e:F:fGgi:J:kL:l:Mm:NnO:o:P:p:Q:qR:S:sTtVvW:XxYy";

/** Flags that override `-o` and the files wherever they stand; of these the last one counts. */
const OVERRIDING_LETTERS = "46AaBbCcefgMmNnqSsTtvWXxY";

/** A parsed command line of `ssh`. */
export interface CommandLine {
  readonly target: Destination;
  /** Its options. */
  readonly said: readonly OptionText[];
  /** -F. */
  readonly file: string | null;
  /** -E: the file that is logged in; null for standard error. */
  readonly logFile: string | null;
  /** The words after the destination, as one text. */
  readonly command: string;
  /** -J: the hosts to go through, in order. */
  readonly hops: readonly Destination[];
  /** -W: the address to connect standard input and output to. */
  readonly relayTo: string | null;
  /** -G: whether the options are only printed. */
  readonly showOnly: boolean;
  /** -O: what a control master is asked instead; null if nothing. */
  readonly control: ControlCommand | null;
}

/** What a command line asks of this program alone: -V, or a query of -Q. */
export type SelfQuery = { readonly version: true } | { readonly query: string };

/**
 * What a command line asks of this program, whatever else it says; null if it is about a host.
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
  // As in ssh: flags may stand before and after the host, then the command follows.
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
      // As in ssh, -W has nothing beside it.
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
 * Settles who says the user and the port. As in ssh, the first one does: a flag, an option, or the
 * destination. A user that is not from an option has no tokens, so that it is one of the destination.
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

/** -L, -R and -D as the directives that they stand for. */
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

/** `[bind:]port` without a target, for which a RemoteForward serves SOCKS. */
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
