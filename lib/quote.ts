import { shown } from "./option_checks.ts";

/**
 * Quotes words for a POSIX shell, so that it takes each literally: spaces, quotes, `$`, line feeds, an
 * empty word.
 *
 * @param words A word, or several, which are joined by spaces
 * @returns The text for a command line
 * @throws {TypeError} If a word is not text, or has a NUL, which a command line cannot contain
 *
 * @example
 * ```ts
 * import { quote } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(quote("a b"), "'a b'");
 * assertEquals(
 *   `tar c ${quote(["notes.txt", "it's $HOME"])}`,
 *   `tar c notes.txt 'it'\\''s $HOME'`,
 * );
 * ```
 */
export function quote(words: string | readonly string[]): string {
  if (typeof words === "string") return quoteWord(words);
  if (!Array.isArray(words)) {
    throw new TypeError(`quote() needs a text or a list of texts, not ${shown(words)}`);
  }
  return words.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (typeof word !== "string") {
    throw new TypeError(`A word of a command line must be text, not ${shown(word)}`);
  }
  if (word.includes("\0")) throw new TypeError("A word of a command line cannot have a NUL");
  // At the start of a command, words such as `a=b` or `~` have a special meaning.
  return /^[\w./:,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A value in a template of {@linkcode sh}: a word, or a list of words. */
export type ShellValue = string | number | readonly (string | number)[];

/**
 * The text of a command with values quoted for a POSIX shell: each value is one word, and each element
 * of a list is one. `` host.$`…` `` runs such a command.
 *
 * @throws {TypeError} If a value is neither text, a number nor a list of them
 *
 * @example
 * ```ts
 * import { sh } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const options = ["--exclude", "*.o"];
 * const line = sh`tar c ${options} ${"my files"} | gzip -${9}`;
 * assertEquals(line, "tar c --exclude '*.o' 'my files' | gzip -9");
 * ```
 */
export function sh(parts: TemplateStringsArray, ...values: readonly ShellValue[]): string {
  return parts.map((part, at) => at < values.length ? part + wordsOf(values[at]!) : part).join("");
}

function wordsOf(value: ShellValue): string {
  if (Array.isArray(value)) return quote(value.map(wordOf));
  return quote(wordOf(value as string | number));
}

function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new TypeError(
    `A value in a command must be text, a number or a list of them, not ${
      value === null ? "null" : typeof value
    }`,
  );
}
