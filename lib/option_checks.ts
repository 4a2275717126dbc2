/**
 * Checks options at run time, because scripts run without a type check, and a wrong option would be
 * silently ignored.
 */

/** Returns what a value must be, or null if it is valid. */
export type OptionCheck = (value: unknown) => string | null;

/** A check for each option of a type, and for no other. */
export type OptionChecks<T> = { readonly [K in keyof Required<T>]: OptionCheck };

/**
 * Refuses invalid options. An undefined option counts as not given.
 *
 * @param call The function that they are options of, such as `connect()`
 * @throws {TypeError} If an option is unknown or has a wrong value, or there are no options
 */
export function checkOptions<T extends object>(
  call: string,
  options: T,
  checks: OptionChecks<T>,
): void {
  if (!isObject(options)) throw new TypeError(`${call} needs options, not ${shown(options)}`);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      const near = nearest(name, Object.keys(checks));
      throw new TypeError(`${call} has no option "${name}"${near ? `: it may be "${near}"` : ""}`);
    }
    if (value === undefined) continue;
    const problem = checks[name as keyof T](value);
    if (problem !== null) throw new TypeError(`${call}: ${name} ${problem}`);
  }
}

/** Makes a check from a condition; the message names the required and the actual value. */
export function mustBe(what: string, holds: (value: unknown) => boolean): OptionCheck {
  return (value) => holds(value) ? null : `must be ${what}, not ${shown(value)}`;
}

/** Accepts any value, which is checked where it is used. */
export const anything: OptionCheck = () => null;
export const text: OptionCheck = mustBe("text", isText);
export const flag: OptionCheck = mustBe("true or false", (value) => typeof value === "boolean");
export const callback: OptionCheck = mustBe("a function", isFunction);
export const count: OptionCheck = mustBe("a number of at least 0", isAmount);
export const milliseconds: OptionCheck = mustBe("a number of milliseconds, at least 0", isAmount);
export const object: OptionCheck = mustBe("an object", isObject);
export const abortSignal: OptionCheck = mustBe(
  "an AbortSignal",
  (value) => isObject(value) && "aborted" in value && "addEventListener" in value,
);
export const textRecord: OptionCheck = mustBe(
  "an object of texts by their names",
  (value) => isObject(value) && !Array.isArray(value) && Object.values(value).every(isText),
);
export const texts: OptionCheck = mustBe(
  "an array of texts",
  (value) => Array.isArray(value) && value.every(isText),
);

/** Accepts one of some words. */
export function oneOf(...words: readonly string[]): OptionCheck {
  const what = words.map((word) => `"${word}"`).join(", ");
  return mustBe(`one of ${what}`, (value) => words.includes(value as string));
}

/** Passes if one of the checks passes; otherwise the last one names the error. */
export function either(...checks: readonly [OptionCheck, ...OptionCheck[]]): OptionCheck {
  return (value) => {
    const problems = checks.map((check) => check(value));
    return problems.includes(null) ? null : problems.at(-1)!;
  };
}

/** Checks nested options. */
export function nested<T extends object>(name: string, checks: OptionChecks<T>): OptionCheck {
  return (value) => {
    const problem = object(value);
    if (problem !== null) return problem;
    checkOptions(name, value as T, checks);
    return null;
  };
}

/** @throws {TypeError} If a stream of the caller has another reader, which keeps its data */
export function checkUnlocked(stream: ReadableStream): void {
  if (!stream.locked) return;
  throw new TypeError("The stream is locked: release its other reader first, or tee() the stream");
}

/** @throws {TypeError} If a chunk of a stream of the caller is not bytes */
export function checkChunk(chunk: unknown): void {
  if (chunk instanceof Uint8Array) return;
  const fix = typeof chunk === "string" ? ": use a TextEncoderStream" : "";
  throw new TypeError(`A stream must have Uint8Array chunks, not ${shown(chunk)}${fix}`);
}

/** A value for an error, cut short. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
    case "object":
      if (value === null) return "null";
      return Array.isArray(value)
        ? "an array"
        : `an object (${value.constructor?.name ?? "Object"})`;
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && value >= 0;
}

/** The most similar name: one that differs in case or in a few letters, or is contained in it. */
export function nearest(name: string, names: readonly string[]): string | null {
  const wanted = name.toLowerCase();
  const rated = names.map((each) => [distance(wanted, each.toLowerCase()), each] as const)
    .toSorted(([a], [b]) => a - b);
  const [best] = rated;
  if (best !== undefined && best[0] <= Math.max(1, Math.floor(name.length / 3))) return best[1];
  const parts = names.filter((each) => {
    const other = each.toLowerCase();
    return other.length > 2 && (wanted.includes(other) || other.includes(wanted));
  });
  return parts[0] ?? null;
}

/** Letters to insert, leave out or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
