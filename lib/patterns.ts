/** Wildcards, lists of patterns (ssh_config(5), PATTERNS) and glob(7) patterns. */

/** `*` stands for any characters, `?` for one; time is at most the product of the lengths. */
export function matchesWildcards(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/**
 * Whether a comma-separated list of patterns admits a text (ssh_config(5), PATTERNS): one of them
 * matches, and none that begins with `!`.
 */
export function matchesPatternList(list: string, text: string): boolean {
  let admitted = false;
  for (const pattern of list.split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesWildcards(pattern.slice(1), text)) return false;
    } else if (matchesWildcards(pattern, text)) admitted = true;
  }
  return admitted;
}

/** {@linkcode matchesPatternList} for names of hosts, where case does not count. */
export function matchesHostList(list: string, host: string): boolean {
  return matchesPatternList(list.toLowerCase(), host.toLowerCase());
}

/** One character of a glob pattern: itself, any, any run of them, or one of a class. */
type Token = string | typeof ANY | typeof RUN | ((character: string) => boolean);
const ANY = Symbol("?");
const RUN = Symbol("*");

/** Whether a pattern has a wildcard that is not protected. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gs, ""));
}

/** A pattern without wildcards as the name that it is. */
export function unescapeGlob(pattern: string): string {
  return pattern.replace(/\\(.)/gs, "$1");
}

/**
 * Whether a name matches one step of a pattern. It takes time in proportion to both lengths, whatever
 * name a server comes up with; a regular expression would not.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const tokens = (pattern.match(/\\.|\[[!^]?\]?[^\]]*\]|./gsu) ?? []).map(tokenOf);
  return (name) => {
    if (name.startsWith(".") && !pattern.startsWith(".") && !pattern.startsWith("\\.")) {
      return false;
    }
    const characters = [...name];
    let [at, token, run, resume] = [0, 0, -1, 0];
    while (at < characters.length) {
      if (tokens[token] === RUN) {
        run = token++;
        resume = at;
      } else if (token < tokens.length && fits(tokens[token]!, characters[at]!)) {
        at++;
        token++;
      } else if (run !== -1) { // the last run takes one character more
        token = run + 1;
        at = ++resume;
      } else return false;
    }
    while (tokens[token] === RUN) token++;
    return token === tokens.length;
  };
}

function tokenOf(part: string): Token {
  if (part === "*") return RUN;
  if (part === "?") return ANY;
  if (part.length > 1 && part.startsWith("[")) return classOf([...part.slice(1, -1)]);
  return part.startsWith("\\") && part.length > 1 ? part.slice(1) : part;
}

function classOf(characters: string[]): (character: string) => boolean {
  const negated = characters[0] === "!" || characters[0] === "^";
  if (negated) characters = characters.slice(1);
  const ranges: [string, string][] = [];
  for (let at = 0; at < characters.length; at++) {
    const from = characters[at]!;
    const range = characters[at + 1] === "-" && at + 2 < characters.length;
    ranges.push([from, range ? characters[at += 2]! : from]);
  }
  return (character) =>
    ranges.some(([from, to]) => from <= character && character <= to) !== negated;
}

function fits(token: Token, character: string): boolean {
  if (typeof token === "function") return token(character);
  return token === ANY || token === character;
}
