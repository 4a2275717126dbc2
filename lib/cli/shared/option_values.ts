/** The forms that the values of `-o Key=Value` take, as sshd_config(5) describes them. */
import { parseTime } from "../../config/values.ts";
import { printable } from "../../errors.ts";
import type { RekeyLimits } from "../../transport/key_use.ts";
import { UsageError } from "./flags.ts";

/** The parsers of a program's options, by their names as the manual writes them. */
export type OptionTable = Readonly<Record<string, (value: string) => unknown>>;

/** The values that the options of a table have; those that were not given are missing. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]?: ReturnType<T[K]>;
};

/** One `-o`: the name and the value as they were written. */
export interface OptionText {
  readonly name: string;
  readonly value: string;
  /** The letter that stood for it, where that makes a difference. */
  readonly letter?: string;
}

/**
 * Takes `Key=Value` or `Key Value` apart.
 *
 * @throws {UsageError} If there is no value
 */
export function parseOption(text: string): OptionText {
  const match = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$/s.exec(text);
  if (!match) throw new UsageError(`missing argument: "${printable(text)}"`);
  return { name: match[1]!, value: match[2]! };
}

/**
 * Collects options into values. As in OpenSSH the first value of a name counts, and names are the same
 * in any case.
 *
 * @param repeated The names whose values, which are lists, add up
 * @throws {UsageError} If a name is unknown or a value makes no sense
 */
export function collectOptions<T extends OptionTable>(
  table: T,
  options: readonly OptionText[],
  repeated: readonly (keyof T)[] = [],
): OptionValues<T> {
  const values: Partial<Record<keyof T, unknown>> = {};
  for (const { name, value } of options) {
    const known = find(table, name);
    if (known === undefined) {
      throw new UsageError(`Bad configuration option: ${printable(name)}`);
    }
    const parsed = parseValue(known, table[known]!, value);
    if (repeated.includes(known)) {
      values[known] = [...values[known] as unknown[] ?? [], ...parsed as unknown[]];
    } else values[known] ??= parsed;
  }
  return values as OptionValues<T>;
}

function find<T extends object>(table: T, name: string): keyof T & string | undefined {
  return (Object.keys(table) as (keyof T & string)[])
    .find((key) => key.toLowerCase() === name.toLowerCase());
}

function parseValue(name: string, parse: (value: string) => unknown, value: string): unknown {
  if (value === "") throw new UsageError(`missing argument for "${name}"`);
  try {
    return parse(parse === words ? value : value.replace(/^"(.*)"$/s, "$1"));
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new UsageError(`${name}: ${cause.message}`, { cause });
  }
}

/** Any text. */
export const text = (value: string): string => value;

/** `yes` or `no`. */
export function yesNo(value: string): boolean {
  const yes = /^(yes|true)$/i.test(value);
  if (!yes && !/^(no|false)$/i.test(value)) throw unsupported(value);
  return yes;
}

/** One of some words, in any case. */
export function oneOf<W extends string>(...words: readonly W[]): (value: string) => W {
  return (value) => {
    const word = words.find((word) => word === value.toLowerCase());
    if (word === undefined) throw unsupported(value);
    return word;
  };
}

/** A whole number between two others. */
export function integer(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) throw unsupported(value);
    return number;
  };
}

/** Words with white space between, quoted if they have some inside. */
export function words(value: string): string[] {
  const found = value.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
  return found.map((word) => word.replaceAll('"', ""));
}

/** A time such as `90`, `10m` or `1h30m`, in milliseconds; `none` is 0. */
export function time(value: string): number {
  if (/^none$/i.test(value)) return 0;
  const milliseconds = parseTime(value);
  if (milliseconds === null) throw unsupported(value);
  return milliseconds;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** RekeyLimit: `default` or bytes with K, M or G, then perhaps a time or `none`. */
export function rekeyLimit(value: string): RekeyLimits {
  const [size, span, ...more] = value.trim().split(/\s+/);
  const bytes = /^(\d{1,12})([kmg]?)$/i.exec(size!);
  if (more.length > 0 || (!bytes && !/^(default|none)$/i.test(size!))) throw unsupported(value);
  const milliseconds = span === undefined ? null : time(span) || Infinity;
  return {
    ...(bytes && { bytes: Number(bytes[1]) * UNIT_BYTES[bytes[2]!.toLowerCase()]! }),
    ...(milliseconds !== null && { milliseconds }),
  };
}

function unsupported(value: string): UsageError {
  return new UsageError(`unsupported value "${printable(value)}"`);
}
