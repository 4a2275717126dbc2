/** Tokenizes TypeScript enough to separate code from comments, strings and types. */

/** A piece of code: a word, a number, or one punctuation mark. */
export interface Token {
  readonly text: string;
  /** Offset in the source. */
  readonly at: number;
}

const SKIPPED = /\/\/.*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y;
const WORD = /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const NUMBER = /\d[\d_.]*(?:e[+-]?\d+)?n?|0x[\da-f_]+n?/iy;
const MARK =
  /=>|\.\.\.|===|!==|\*\*=?|<<=?|>>>?=?|<=|>=|&&=?|\|\|=?|\?\?=?|\?\.|[-+*/%&|^]=|\+\+|--|[^\s]/y;
const REGEXP = /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** The tokens of a source; comments, strings, templates and regular expressions are left out. */
export function tokens(source: string): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < source.length;) {
    if (/\s/.test(source[at]!)) {
      at++;
      continue;
    }
    if (source[at] === "`") {
      at = endOfTemplate(source, at);
      continue;
    }
    const skipped = take(SKIPPED, source, at) ??
      (mayBeRegExp(found) ? take(REGEXP, source, at) : null);
    if (skipped !== null) {
      at += skipped.length;
      continue;
    }
    const text = take(NUMBER, source, at) ?? take(WORD, source, at) ?? take(MARK, source, at)!;
    found.push({ text, at });
    at += text.length;
  }
  return found;
}

/** The index of the token that closes the bracket at `open`; the last token if none does. */
export function closing(all: readonly Token[], open: number): number {
  const pairs: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
  const [opens, closes] = [all[open]!.text, pairs[all[open]!.text]];
  let depth = 0;
  for (let index = open; index < all.length; index++) {
    if (all[index]!.text === opens) depth++;
    if (all[index]!.text === closes && --depth === 0) return index;
  }
  return all.length - 1;
}

/** Ranges of the source that only declare types or imports, as offsets. */
export function typeRanges(source: string, all: readonly Token[]): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  const lineStart = (at: number) => source[at - 1] === "\n" || at === 0;
  for (let index = 0; index < all.length; index++) {
    const first = all[index]!;
    if (!lineStart(first.at)) continue;
    const next = first.text === "export" ? index + 1 : index;
    const word = all[next]?.text;
    if (word === "interface") {
      const open = all.findIndex(({ text }, at) => at > next && text === "{");
      const close = closing(all, open);
      ranges.push([first.at, all[close]!.at + 1]);
      index = close;
    } else if (word === "type" || word === "import" || (word === "{" && next !== index)) {
      const end = source.indexOf(";", first.at);
      ranges.push([first.at, end === -1 ? source.length : end]);
    }
  }
  return ranges;
}

function take(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}

/** Whether a slash begins a regular expression here: it does after an operator, never after a value. */
function mayBeRegExp(before: readonly Token[]): boolean {
  const last = before.at(-1)?.text ?? "(";
  return /^(return|typeof|case|in|of|[-(,=:[!&|?{};+*%<>^~]|=>|===|!==|&&|\|\||\?\?)$/.test(last);
}

function endOfTemplate(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "`") return at + 1;
    else if (source.startsWith("${", at)) at = endOfHole(source, at + 2) - 1;
  }
  return source.length;
}

/** The offset after the brace that closes a `${…}`. */
function endOfHole(source: string, start: number): number {
  let depth = 1;
  for (let at = start; at < source.length; at++) {
    if (source[at] === "`") at = endOfTemplate(source, at) - 1;
    else if (source[at] === "{") depth++;
    else if (source[at] === "}" && --depth === 0) return at + 1;
  }
  return source.length;
}
