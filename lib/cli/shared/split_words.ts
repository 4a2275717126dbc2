import { UsageError } from "./flags.ts";

/** One word of a command line, as a name and as a glob pattern in which quoted characters are literal. */
export interface Word {
  readonly text: string;
  readonly pattern: string;
}

const SPECIAL = "*?[\\";

/**
 * Splits a command line into words as `sftp` does: at white space, except in quotes or after a backslash.
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
    // Inside quotes a backslash escapes only the quote and itself.
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
