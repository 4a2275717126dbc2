/** Splits lines of ssh_config(5) into words. */

/** A line that is not empty. */
export interface Line {
  /** From 1; 0 on the command line. */
  readonly number: number;
  /** The keyword as written. */
  readonly keyword: string;
  /** The text after the keyword, trimmed. */
  readonly rest: string;
}

/**
 * Splits a line; null if it is empty or a comment. As in ssh, a line is ignored if its keyword has an
 * unclosed quote.
 */
export function parseLine(text: string, number: number): Line | null {
  const [line = ""] = text.split("\0", 1);
  const trimmed = line.replace(/(?<!^)[ \t\r\n\f]+$/, "");
  let parts = takeWord(trimmed);
  // White space or an equals sign before the keyword ends an empty word.
  if (parts !== null && parts.word === "") parts = takeWord(parts.rest);
  if (parts === null || parts.word === "" || parts.word.startsWith("#")) return null;
  return { number, keyword: parts.word, rest: parts.rest.replace(/^[ \t\r\n]+/, "") };
}

/**
 * Splits off the first word. It ends at white space, or at one `=` with optional white space around it,
 * except within double quotes. Null if a quote is not closed.
 */
export function takeWord(text: string): { word: string; rest: string } | null {
  const end = text.search(/[ \t\r\n"=]/);
  if (end < 0) return { word: text, rest: "" };
  if (text[end] === '"') {
    const close = text.indexOf('"', end + 1);
    if (close < 0) return null;
    const word = text.slice(0, end) + text.slice(end + 1, close);
    return { word, rest: skipSpace(text.slice(close + 1)) };
  }
  let rest = skipSpace(text.slice(end + 1));
  if (text[end] !== "=" && rest.startsWith("=")) rest = skipSpace(rest.slice(1));
  return { word: text.slice(0, end), rest };
}

/**
 * Splits arguments at spaces and tabs. Single and double quotes group words; a backslash escapes a quote, a
 * backslash or, outside quotes, a space; `#` at the start of a word begins a comment. Null if a quote is
 * not closed.
 *
 * @param options Whether `#` begins a comment; it does unless given
 */
export function splitWords(
  text: string,
  { comments = true }: { readonly comments?: boolean } = {},
): string[] | null {
  const words: string[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === " " || text[at] === "\t") continue;
    if (comments && text[at] === "#") break;
    let word = "";
    let quote = "";
    for (; at < text.length; at++) {
      const char = text[at]!;
      if (char === "\\" && isEscaped(text[at + 1], quote)) word += text[++at];
      else if (quote === "" && (char === " " || char === "\t")) break;
      else if (quote === "" && (char === '"' || char === "'")) quote = char;
      else if (char === quote) quote = "";
      else word += char;
    }
    if (quote !== "") return null;
    words.push(word);
  }
  return words;
}

/** Joins words to a text that {@linkcode splitWords} splits again. */
export function joinWords(words: readonly string[]): string {
  return words.map((word) =>
    word === "" || /[\s"'\\#]/.test(word) ? `"${word.replace(/["'\\]/g, "\\$&")}"` : word
  ).join(" ");
}

function isEscaped(next: string | undefined, quote: string): boolean {
  return next === "'" || next === '"' || next === "\\" || (quote === "" && next === " ");
}

function skipSpace(text: string): string {
  return text.replace(/^[ \t\r\n]+/, "");
}

/** Quotes a text as one word of a line. */
export function quoteWord(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
