import { printable, SshError } from "../errors.ts";

/**
 * Splits a command line into words, with the quotes and backslashes of a POSIX shell; other special
 * characters are literal. It reverses `quote()`.
 *
 * @throws {SshError} If a quote is not closed
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  // White space, text in single or double quotes, a backslash, plain text, and an unclosed quote.
  const part = /\s+|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|([^\s'"\\]+)|([^])/gy;
  let isOpen = false;
  for (const [, single, double, escaped, plain, wrong] of line.matchAll(part)) {
    if (wrong !== undefined) {
      throw new SshError("command", `The command has an unclosed ${wrong}: ${printable(line)}`);
    }
    const text = single ?? double?.replace(/\\([$`"\\\n])/g, dropEscape) ?? escaped ?? plain;
    if (text === undefined) {
      isOpen = false;
      continue;
    }
    if (!isOpen) words.push("");
    isOpen = true;
    words.push(words.pop()! + (escaped === "\n" ? "" : text));
  }
  return words;
}

/** A backslash before a line feed joins the lines. */
function dropEscape(_: string, char: string): string {
  return char === "\n" ? "" : char;
}
