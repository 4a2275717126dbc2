import { printable } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import { ArgumentError } from "./arguments.ts";
import { matchesPatternList } from "../patterns.ts";
import { matchesHostList } from "../patterns.ts";
import { OPENSSH_VERSION } from "../defaults.ts";
import { isInNetworks, parseNetworks } from "./networks.ts";
import { splitWords } from "./words.ts";

/** Criteria that also accept their argument after an equals sign. */
const WITH_ARGUMENT =
  /^(host|originalhost|user|localuser|localnetwork|version|tagged|command|sessiontype|exec)=/i;

/** Criteria whose argument may be empty, which matches an empty value. */
const MAY_BE_EMPTY = ["tagged", "command"];

/** The values that the criteria of Match test. */
export interface MatchSubject {
  /** The requested host. */
  readonly originalHost: string;
  /** The host, after changes by the files so far. */
  host(): string;
  /** The user to log in as, if known. */
  user(): string;
  localUser(): string;
  /** The value of Tag; empty unless one is set. */
  tag(): string;
  /** The command to run, or the subsystem; empty if there is none. */
  readonly command: string;
  /** The current value of SessionType. */
  sessionType(): "none" | "subsystem" | "default";
  /** The addresses of the interfaces of this machine. */
  addresses(): readonly string[];
  /** Whether this is the pass after the name is final. */
  readonly final: boolean;
  /** Requests that pass. */
  requestFinal(): void;
  /** Runs a command, after replacing its tokens. */
  run(command: string): Promise<boolean>;
}

/** Whether a Host line with these patterns matches a host. */
export function matchesHost(patterns: readonly string[], host: string): boolean {
  let found = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith("!");
    if (!matchesWildcards(negated ? pattern.slice(1) : pattern, host)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/**
 * Whether the criteria of a Match line hold; a command is run only if the criteria before it hold.
 *
 * @throws {ArgumentError} If they are malformed
 */
export async function matches(text: string, subject: MatchSubject): Promise<boolean> {
  const words = splitWords(text);
  if (words === null) throw new ArgumentError("invalid quotes");
  let result = true;
  let count = 0;
  for (let word; (word = words.shift()) !== undefined;) {
    if (word.startsWith("#")) break; // as in ssh, even in quotes
    const negated = word.startsWith("!");
    const said = word.slice(negated ? 1 : 0);
    const equals = WITH_ARGUMENT.test(said) ? said.indexOf("=") : said.length;
    const name = said.slice(0, equals).toLowerCase();
    if (name === "all") {
      const [next = "", ...others] = words;
      if (count > 1 || !/^(#|$)/.test(next) || (next === "" && others.length > 0)) {
        throw bad("'all' cannot be combined with other Match attributes");
      }
      return result && !negated;
    }
    count++;
    if (name === "canonical" || name === "final") {
      if (name === "final" && !negated) subject.requestFinal();
      if (subject.final === negated) result = false;
      continue;
    }
    const argument = equals < said.length ? said.slice(equals + 1) : words.shift();
    if (
      argument === undefined || argument.startsWith("#") ||
      (argument === "" && !MAY_BE_EMPTY.includes(name))
    ) {
      throw bad(`Missing Match criteria for ${printable(name)}`);
    }
    if (name === "exec" && !result) continue;
    // Criteria are not evaluated if the result is known already.
    const asked = result ? subject : { ...subject, addresses: () => [] };
    if (await holds(name, argument, asked) === negated) result = false;
  }
  if (count === 0) throw bad("One or more attributes required for Match");
  return result;
}

function holds(
  name: string,
  argument: string,
  subject: MatchSubject,
): boolean | Promise<boolean> {
  switch (name) {
    case "host":
      return matchesHostList(argument, subject.host());
    case "originalhost":
      return matchesHostList(argument, subject.originalHost);
    case "user":
      return matchesPatternList(argument, subject.user());
    case "localuser":
      return matchesPatternList(argument, subject.localUser());
    case "localnetwork":
      return isLocal(argument, subject);
    case "version":
      return matchesPatternList(argument, OPENSSH_VERSION);
    case "tagged":
      return matchesOrEmpty(argument, subject.tag());
    case "command":
      return matchesOrEmpty(argument, subject.command);
    case "sessiontype":
      return matchesPatternList(argument, sessionOf(subject));
    case "exec":
      return subject.run(argument);
    default:
      throw bad(`Unsupported Match attribute ${printable(name)}`);
  }
}

/** An empty list matches only an empty text. */
function matchesOrEmpty(list: string, text: string): boolean {
  return text === "" ? list === "" : matchesPatternList(list, text);
}

function isLocal(list: string, subject: MatchSubject): boolean {
  const networks = parseNetworks(list);
  if (networks === null) throw bad(`Invalid network in "${printable(list)}"`);
  return subject.addresses().some((address) => isInNetworks(address, networks));
}

function sessionOf(subject: MatchSubject): string {
  const type = subject.sessionType();
  if (type !== "default") return type;
  return subject.command === "" ? "shell" : "exec";
}

function bad(why: string): ArgumentError {
  return new ArgumentError(`${why}: Bad Match condition`);
}
