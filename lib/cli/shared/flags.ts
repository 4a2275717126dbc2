/** A wrong command line; the message names the wrong part. */
export class UsageError extends Error {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
  }
}

/** The known flags, in the notation of getopt(3): a colon follows those that take a value. */
export interface FlagSpec {
  /** The letters, such as `"p:qv"`. */
  readonly letters?: string;
  /** The long names, such as `["port:", "exec"]`. */
  readonly names?: readonly string[];
}

/** A given flag, without its dashes; the value is `""` if it takes none. */
export interface Flag {
  readonly name: string;
  readonly value: string;
}

/** A parsed command line. */
export interface ParsedFlags {
  /** The flags in the order given. */
  readonly flags: readonly Flag[];
  /** The first word that is not a flag, and everything after it. */
  readonly rest: readonly string[];
  /** Whether `--` ended the flags. */
  readonly ended: boolean;
}

/**
 * Parses flags as OpenSSH's programs do: letters may be combined (`-qTp 22`), a value may be attached
 * (`-p22`), and the first other word ends them.
 *
 * @throws {UsageError} If a flag is unknown, or its value is missing
 */
export function parseFlags(args: readonly string[], spec: FlagSpec): ParsedFlags {
  const flags: Flag[] = [];
  let at = 0;
  const value = (flag: string): string => {
    const next = args[++at];
    if (next === undefined) throw new UsageError(`option requires an argument -- ${flag}`);
    return next;
  };
  for (; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") return { flags, rest: args.slice(at + 1), ended: true };
    if (!arg.startsWith("-") || arg === "-") break;
    if (arg.startsWith("--")) flags.push(longFlag(arg.slice(2), spec, value));
    else flags.push(...letters(arg.slice(1), spec, value));
  }
  return { flags, rest: args.slice(at), ended: false };
}

/** Parses flags before and after operands, for programs that OpenSSH does not have. */
export function parseMixed(args: readonly string[], spec: FlagSpec): ParsedFlags {
  const { flags, rest, ended } = parseFlags(args, spec);
  if (ended || rest.length === 0) return { flags, rest, ended };
  const more = parseMixed(rest.slice(1), spec);
  return {
    flags: [...flags, ...more.flags],
    rest: [rest[0]!, ...more.rest],
    ended: more.ended,
  };
}

/** Whether a flag was given. */
export function hasFlag(flags: readonly Flag[], name: string): boolean {
  return flags.some((flag) => flag.name === name);
}

/** The value of a flag, the last one if it was given several times; null if it was not. */
export function lastValue(flags: readonly Flag[], name: string): string | null {
  return flags.findLast((flag) => flag.name === name)?.value ?? null;
}

/** All values of a flag, in order. */
export function allValues(flags: readonly Flag[], name: string): string[] {
  return flags.filter((flag) => flag.name === name).map(({ value }) => value);
}

function longFlag(text: string, spec: FlagSpec, value: (flag: string) => string): Flag {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  if (spec.names?.includes(`${name}:`)) {
    return { name, value: equals < 0 ? value(name) : text.slice(equals + 1) };
  }
  if (!spec.names?.includes(name)) throw new UsageError(`unknown option -- ${name}`);
  if (equals >= 0) throw new UsageError(`option takes no argument -- ${name}`);
  return { name, value: "" };
}

function* letters(
  text: string,
  spec: FlagSpec,
  value: (flag: string) => string,
): Generator<Flag, void> {
  const known = spec.letters ?? "";
  for (let i = 0; i < text.length; i++) {
    const name = text[i]!;
    const place = name === ":" ? -1 : known.indexOf(name);
    if (place < 0) throw new UsageError(`unknown option -- ${name}`);
    if (known[place + 1] !== ":") {
      yield { name, value: "" };
      continue;
    }
    const attached = text.slice(i + 1);
    return yield { name, value: attached === "" ? value(name) : attached };
  }
}
