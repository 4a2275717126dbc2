import { join } from "../sftp/paths.ts";
import { UsageError } from "./flags.ts";

/** One word of a command line: as a name, and as a glob in which quoted characters are literal. */
export interface Word {
  readonly text: string;
  readonly pattern: string;
}

const SPECIAL = "*?[\\";

/**
 * Takes a command line apart as `sftp` does: white space separates, quotes and backslashes protect.
 *
 * @throws {UsageError} If a quote is not closed
 */
export function splitWords(line: string): Word[] {
  const words: Word[] = [];
  let word: { text: string; pattern: string } | null = null;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    let char = line[i]!;
    if (quote === "" && (char === " " || char === "\t")) {
      if (word) words.push(word);
      word = null;
      continue;
    }
    word ??= { text: "", pattern: "" };
    if (char === quote) {
      quote = "";
      continue;
    }
    if (quote === "" && (char === '"' || char === "'")) {
      quote = char;
      continue;
    }
    // Inside of quotes a backslash protects only what would end or begin something.
    const escapes = char === "\\" && (quote === "" || [quote, "\\"].includes(line[i + 1] ?? ""));
    if (escapes) {
      char = line[++i] ?? "";
      if (char === "") throw new UsageError("The line ends in a backslash");
    }
    const literal = escapes || quote !== "";
    word.text += char;
    word.pattern += literal && SPECIAL.includes(char) ? `\\${char}` : char;
  }
  if (quote !== "") throw new UsageError(`Unterminated quoted argument: ${quote} is missing`);
  if (word) words.push(word);
  return words;
}

/** A file system that names can be looked up in. */
export interface Names {
  /** The names in a directory; none if there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** Whether there is something of that path. */
  exists(path: string): Promise<boolean>;
}

/**
 * The paths that a glob stands for, sorted; the path itself if it is none. `*` and `?` do not match a
 * slash, nor a dot in front.
 */
export async function expandGlob(pattern: string, names: Names): Promise<string[]> {
  if (!isGlob(pattern)) {
    const path = unescaped(pattern);
    return await names.exists(path) ? [path] : [];
  }
  const steps = pattern.split("/");
  let paths = [""];
  if (steps[0] === "") {
    steps.shift();
    paths = ["/"];
  }
  for (const step of steps.filter((step) => step !== "")) {
    const found: string[] = [];
    for (const path of paths) {
      if (!isGlob(step)) found.push(join(path, unescaped(step)));
      else {
        const matches = matcher(step);
        const here = await names.list(path === "" ? "." : path);
        found.push(...here.filter(matches).sort().map((name) => join(path, name)));
      }
    }
    paths = found;
  }
  // Steps behind the last wildcard were only assumed to be there.
  if (isGlob(steps.at(-1)!)) return paths;
  const there = await Promise.all(paths.map((path) => names.exists(path)));
  return paths.filter((_, index) => there[index]);
}

/** Whether a pattern has a wildcard that is not protected. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gs, ""));
}

/** A pattern without wildcards as the name that it is. */
export function unescaped(pattern: string): string {
  return pattern.replace(/\\(.)/gs, "$1");
}

/** Whether a name matches one step of a pattern. */
export function matcher(pattern: string): (name: string) => boolean {
  const parts = pattern.match(/\\.|\[[!^]?\]?[^\]]*\]|[^]/gs) ?? [];
  const source = parts.map((part) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    if (part.length > 1 && part.startsWith("[")) return charClass(part.slice(1, -1));
    return escaped(part.startsWith("\\") && part.length > 1 ? part.slice(1) : part);
  });
  const regexp = new RegExp(`^${source.join("")}$`, "su");
  return (name) => (!name.startsWith(".") || pattern.startsWith(".")) && regexp.test(name);
}

function charClass(inside: string): string {
  const negated = /^[!^]/.test(inside);
  const characters = inside.slice(negated ? 1 : 0).replace(/[\\\]^[&|~]/g, "\\$&");
  return `[${negated ? "^" : ""}${characters}]`;
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** A name as a pattern that matches nothing else. */
export function escapeGlob(name: string): string {
  return name.replace(/[*?[\\]/g, "\\$&");
}
