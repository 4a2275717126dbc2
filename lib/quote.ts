/**
 * Words for a POSIX shell, so that it takes each as it is, whatever is in it: spaces, quotes, `$`, line
 * feeds, an empty word.
 *
 * @param words A word, or several, which are joined by spaces
 * @returns What to put into a command line
 * @throws {TypeError} If a word has a NUL, which no command line can have
 *
 * @example
 * ```ts
 * import { quote } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(quote("a b"), "'a b'");
 * assertEquals(`tar c ${quote(["notes.txt", "it's $HOME"])}`, `tar c notes.txt 'it'\\''s $HOME'`);
 * ```
 */
export function quote(words: string | readonly string[]): string {
  return typeof words === "string" ? quoteWord(words) : words.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (word.includes("\0")) throw new TypeError("A word of a command line cannot have a NUL");
  // A word such as `a=b` or `~` means something by itself where it stands first.
  return /^[\w./:,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
