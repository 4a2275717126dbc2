import { printable } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import { ArgumentError } from "./arguments.ts";
import { matchesPatternList } from "../patterns.ts";
import { matchesHostList } from "../patterns.ts";
import { takeWord } from "./words.ts";

const EXTRA = "keyword match extra arguments at end of line";

/** What the criteria of Match are about. */
export interface MatchSubject {
  /** The host as it was asked for. */
  readonly originalHost: string;
  /** The host as far as the files have changed it. */
  host(): string;
  /** The user to log in as, as far as it is known. */
  user(): string;
  localUser(): string;
  /** The value of Tag; empty unless one is set. */
  tag(): string;
  /** Whether this is the pass after the name is final. */
  readonly final: boolean;
  /** Asks for that pass. */
  requestFinal(): void;
  /** Runs a command whose tokens are not replaced yet. */
  run(command: string): Promise<boolean>;
}

/** Whether a Host line with these patterns is about a host. */
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
 * Whether the criteria of a Match line hold; a command is run only if those before it do.
 *
 * @throws {ArgumentError} If they make no sense
 */
export async function matches(text: string, subject: MatchSubject): Promise<boolean> {
  let result = true;
  let count = 0;
  let rest = text;
  while (rest !== "") {
    const taken = takeWord(rest);
    if (taken === null || taken.word.startsWith("#")) break;
    if (taken.word === "") {
      if (count > 0 && taken.rest !== "") throw new ArgumentError(EXTRA);
      break;
    }
    const negated = taken.word.startsWith("!");
    const name = taken.word.slice(negated ? 1 : 0).toLowerCase();
    rest = taken.rest;
    if (name === "all") {
      const next = takeWord(rest);
      if (count > 1 || !/^(#|$)/.test(next?.word ?? "")) {
        throw bad("'all' cannot be combined with other Match attributes");
      }
      if (next?.word === "" && next.rest !== "") throw new ArgumentError(EXTRA);
      return result && !negated;
    }
    count++;
    if (name === "canonical" || name === "final") {
      if (name === "final") subject.requestFinal();
      if (subject.final === negated) result = false;
      continue;
    }
    const argument = takeWord(rest);
    if (argument === null || /^(#|$)/.test(argument.word)) {
      throw bad(`Missing Match criteria for ${printable(name)}`);
    }
    rest = argument.rest;
    if (name === "exec" && !result) continue;
    if (await holds(name, argument.word, subject) === negated) result = false;
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
    case "tagged":
      return matchesPatternList(argument, subject.tag());
    case "exec":
      return subject.run(argument);
    default:
      throw bad(`Unsupported Match attribute ${printable(name)}`);
  }
}

function bad(why: string): ArgumentError {
  return new ArgumentError(`${why}: Bad Match condition`);
}
