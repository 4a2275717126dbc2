import type { Arguments } from "./arguments.ts";
import type { HostSettings } from "./settings.ts";
import * as values from "./values.ts";

/** One directive of ssh_config(5). */
export interface Directive<T> {
  /**
   * Reads its arguments; undefined means that the line has no effect.
   *
   * @throws {ArgumentError} If they are malformed
   */
  readonly read: (args: Arguments) => T | undefined;
  /** Combines an earlier value with a later one; by default the earlier one counts. */
  readonly add?: (held: T, more: T) => T;
  /** The texts that `ssh -G` prints for it, one per line. */
  readonly show: (value: T) => readonly string[];
  /** The default; undefined is not printed. */
  readonly otherwise?: T | ((settings: Partial<HostSettings>) => T | undefined);
}

/** A directive whose first value counts. */
export function directive<T>(
  read: (args: Arguments) => T | undefined,
  otherwise?: Directive<T>["otherwise"],
  show: (value: T) => string = String,
): Directive<T> {
  return { read, show: (value) => [show(value)], ...(otherwise !== undefined && { otherwise }) };
}

/** `yes` or `no`. */
export function flag(otherwise: boolean): Directive<boolean> {
  return directive(values.flag, otherwise, (value) => value ? "yes" : "no");
}

/** One of some words; `-G` has its own names for some of them. */
export function choice<V extends string>(
  words: Readonly<Record<string, V>>,
  otherwise: V,
  names: Readonly<Record<string, string>> = { yes: "true", no: "false" },
): Directive<V> {
  return directive(values.choice(words), otherwise, (value) => names[value] ?? value);
}

/** A time; `-G` prints seconds. */
export function time(
  otherwise?: number | ((settings: Partial<HostSettings>) => number),
): Directive<number> {
  return directive(values.time, otherwise, (value) => `${value / 1000}`);
}

/** A text; `none`, in upper or lower case, means no text. */
export function textOrNone(
  read: (args: Arguments) => string,
  otherwise?: string,
): Directive<string | null> {
  return {
    read: (args) => {
      const text = read(args);
      return text.toLowerCase() === "none" ? null : text;
    },
    show: (value) => value === null ? [] : [value],
    ...(otherwise !== undefined && { otherwise }),
  };
}

/** Words, of which the first line counts; printed in one line. */
export function wordsOnce(
  read: (args: Arguments) => readonly string[],
  otherwise?: readonly string[],
): Directive<readonly string[]> {
  return directive(read, otherwise, (list) => list.join(" "));
}

/** Values that are collected, printed one per line. */
export function adding<T>(
  read: (args: Arguments) => readonly T[],
  show: (value: T) => string,
  same: (a: T, b: T) => boolean,
  otherwise?: readonly T[],
): Directive<readonly T[]> {
  return {
    read,
    add: (held, more) => [
      ...held,
      ...more.filter((value) => !held.some((each) => same(each, value))),
    ],
    show: (list) => list.map(show),
    ...(otherwise !== undefined && { otherwise }),
  };
}
