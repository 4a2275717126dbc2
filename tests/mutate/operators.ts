/** Small changes that break code, like a typing error. */
import { closing, type Token, tokens, typeRanges } from "./tokens.ts";

/** One change of one file. */
export interface Mutation {
  /** The name of the operator that made it, or `list`. */
  readonly operator: string;
  /** Offsets of the text that is replaced. */
  readonly from: number;
  readonly to: number;
  readonly replacement: string;
}

type Operator = (source: string, all: readonly Token[]) => Mutation[];

const COMPARISONS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
};
const LOGIC: Readonly<Record<string, string>> = { "&&": "||", "||": "&&" };
const LITERALS: Readonly<Record<string, string>> = { true: "false", false: "true" };

/** A statement on a separate line with an effect: a call, an assignment, a throw, a jump. */
const STATEMENT =
  /^[ ]+(?!return\b|const\b|let\b|yield\b|super\b|export\b|import\b)(?:await |void )?(?:throw \S.*|continue|break|[\w$.#?!]+(?:\[[^\]]*\])?(?:\(.*\)|\+\+|--| (?:[-+*|&]|\?\?|\|\|)?= .*)(?:\.\w+\(.*\))?);$/gm;

/** Every operator, by its name. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  /** `if (c)` as if the condition never, or always, held. */
  condition: (_, all) =>
    all.flatMap(({ text }, index) => {
      if (text !== "if" || all[index + 1]?.text !== "(") return [];
      const from = all[index + 1]!.at;
      const to = all[closing(all, index + 1)]!.at + 1;
      return ["(false)", "(true)"].map((replacement) => change("condition", from, to, replacement));
    }),

  /** A limit off by one, or an inverted equality. */
  comparison: (source, all) =>
    all.filter(({ text, at }) => Object.hasOwn(COMPARISONS, text) && isSpaced(source, at, text))
      .map(({ text, at }) => change("comparison", at, at + text.length, COMPARISONS[text]!)),

  logic: (_, all) =>
    all.filter(({ text }) => Object.hasOwn(LOGIC, text))
      .map(({ text, at }) => change("logic", at, at + text.length, LOGIC[text]!)),

  literal: (_, all) =>
    all.filter(({ text }, index) =>
      Object.hasOwn(LITERALS, text) && all[index + 1]?.text !== ":" &&
      // A type such as `Grant | false`.
      ![all[index - 1]?.text, all[index + 1]?.text].includes("|")
    )
      .map(({ text, at }) => change("literal", at, at + text.length, LITERALS[text]!)),

  /** A number plus one. */
  number: (source, all) =>
    all.filter(({ text, at }, index) =>
      /^\d{1,9}n?$/.test(text) &&
      // A type such as `"both" | 0 | 1`.
      !/["\d] \| $/.test(source.slice(0, at).slice(-4)) &&
      !/^\d+ \| ["\d]/.test(source.slice(at, at + 20)) &&
      // A type such as `Parameters<F>[0]`.
      !(all[index - 1]?.text === "[" && all[index - 2]?.text === ">")
    )
      .map(({ text, at }) => {
        const more = `${parseInt(text) + 1}${text.endsWith("n") ? "n" : ""}`;
        return change("number", at, at + text.length, more);
      }),

  /**
   * A promise that is not awaited. `return await` outside of `try` and `using` is not changed, since
   * an async function awaits its result.
   */
  await: (source, all) =>
    all.filter(({ text, at }, index) =>
      text === "await" && source[at + 5] === " " && !isPassedOn(all, index)
    )
      .filter(({ at }) => !/^(await (using|null)|for await)/.test(source.slice(at - 4, at + 12)))
      .map(({ at }) => change("await", at, at + 6, "")),

  /** A removed statement. */
  statement: (source) =>
    [...source.matchAll(STATEMENT)].map(({ index, 0: text }) =>
      change("statement", index + text.search(/\S/), index + text.length, ";")
    ),

  /** A resource that is not released at the end of its block. */
  using: (_, all) =>
    all.filter(({ text }, index) => text === "using" && /^\w/.test(all[index + 1]?.text ?? ""))
      .map(({ at }) => change("using", at, at + 5, "const")),
};

/** Every change that the operators make to a source. */
export function mutationsOf(source: string, names: readonly string[]): Mutation[] {
  const all = tokens(source);
  const types = typeRanges(source, all);
  const code = all.filter(({ at }) => !types.some(([from, to]) => at >= from && at < to));
  return names.flatMap((name) => {
    const operator = OPERATORS[name];
    if (operator === undefined) throw new TypeError(`No operator is called "${name}"`);
    return operator(source, code);
  }).filter(({ from }) => !isComment(source, from) && !isDeclaration(source, from))
    .sort((a, b) => a.from - b.from);
}

/** The source with one change. */
export function mutate(source: string, { from, to, replacement }: Mutation): string {
  // `await using x` cannot lose its `await` alone.
  const before = source.slice(0, from).replace(/await $/, replacement === "const" ? "" : "$&");
  return before + replacement + source.slice(to);
}

function change(operator: string, from: number, to: number, replacement: string): Mutation {
  return { operator, from, to, replacement };
}

/** Whether `await` has no effect: its value is returned, and no block ends before. */
function isPassedOn(all: readonly Token[], index: number): boolean {
  const before = all[index - 1]?.text;
  if (before === "=>") return true;
  if (before !== "return") return false;
  for (let at = index - 1, depth = 0; at >= 0; at--) {
    const { text } = all[at]!;
    if (text === "}") depth++;
    else if (text === "{" && depth > 0) depth--;
    else if (text === "{" && all[at - 1]?.text === "try") return false;
    else if (text === "using" && depth === 0) return false;
  }
  return true;
}

/** Binary operators have spaces around them; brackets of type arguments have none. */
function isSpaced(source: string, at: number, text: string): boolean {
  return /\s/.test(source[at - 1]!) && /\s/.test(source[at + text.length]!);
}

/** Whether the line declares a property and gives it no value. */
function isDeclaration(source: string, at: number): boolean {
  const [line = ""] = source.slice(source.lastIndexOf("\n", at - 1) + 1).split("\n", 1);
  return /^\s*readonly [\w#$]+\??: [^=]*;$/.test(line);
}

function isComment(source: string, at: number): boolean {
  return /^\s*(\*|\/\/|\/\*)/.test(source.slice(source.lastIndexOf("\n", at - 1) + 1, at + 2));
}
