import { globMatcher, isGlob, unescapeGlob } from "../../patterns.ts";
import { join } from "../../sftp/protocol/paths.ts";
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
    const path = unescapeGlob(pattern);
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
      if (!isGlob(step)) found.push(join(path, unescapeGlob(step)));
      else {
        const matches = globMatcher(step);
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

/** A name as a pattern that matches nothing else. */
export function escapeGlob(name: string): string {
  return name.replace(/[*?[\\]/g, "\\$&");
}
